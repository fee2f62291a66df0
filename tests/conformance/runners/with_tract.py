"""tract, in Rust, by its Python package."""

import onnx
import tract
from harness import main


def load(path):
    graph = onnx.load(path).graph  # tract calls an output by the node that makes it
    model = tract.onnx().load(path)
    inputs = [model.input_name(i) for i in range(model.input_count())]
    session = model.into_model().into_runnable()

    def run(feeds):
        computed = session.run([feeds[name] for name in inputs])
        return {o.name: v.to_numpy() for o, v in zip(graph.output, computed, strict=True)}

    return run


main(tract.version(), load, (tract.TractError,))
