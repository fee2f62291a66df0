"""How long a convolution takes in onnxruntime, as it is and transposed.

    python benchmarks/convolution.py

One thread, 16 images at once; the two take turns. `export.convolution` transposes those with fewer
outputs than `FEW`.
"""

import itertools
import statistics
import time

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.convolution import FEW, transpose_few
from export.runtime.sessions import onnxruntime

INPUTS, OUTPUTS, KERNELS, SIZE, BATCH, ROUNDS = (8, 32, 128), (1, 3, 6, 8), (3, 5), 28, 16, 30


def main():
    """Prints microseconds an image, and the median ratio with its quartiles."""
    print(f"{'inputs':>6}{'outputs':>9}{'kernel':>8}{'Conv, us':>10}{'transposed':>12}{'ratio':>8}")
    for inputs, outputs, kernel in itertools.product(INPUTS, OUTPUTS, KERNELS):
        if outputs >= inputs:
            continue
        times = by_turns(inputs, outputs, kernel)
        ratios = [a / b for a, b in zip(*times, strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        plain, turned = (1e6 * statistics.median(column) / BATCH for column in times)
        print(
            f"{inputs:>6}{outputs:>9}{kernel:>8}{plain:>10.1f}{turned:>12.1f}"
            f"{statistics.median(ratios):>8.1f}  ({low:.1f} to {high:.1f})"
            f"{'' if outputs < FEW else '  stays as it is'}"
        )


def by_turns(inputs, outputs, kernel):
    """Seconds of each run, of the convolution as it is and of the transposed one."""
    x = np.random.default_rng(0).standard_normal((BATCH, inputs, SIZE, SIZE)).astype("float32")
    sessions = [session(inputs, outputs, kernel, few) for few in (0, OUTPUTS[-1] + 1)]
    times = [[], []]
    for round_ in range(ROUNDS + 1):
        for run, column in zip(sessions, times, strict=True):
            started = time.perf_counter()
            run.run(None, {"x": x})
            if round_:  # the first one warms up
                column.append(time.perf_counter() - started)
    return times


def session(inputs, outputs, kernel, few):
    """A session of one convolution behind a Relu, as in a decoder."""
    rng, pad = np.random.default_rng(1), kernel // 2
    shapes = {"w": (outputs, inputs, kernel, kernel), "b": (outputs,)}
    constants = [
        numpy_helper.from_array(rng.standard_normal(shape).astype("float32"), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Relu", ["x"], ["h"]),
        helper.make_node("Conv", ["h", "w", "b"], ["y"], pads=[pad] * 4),
    ]
    x, y = (
        helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["batch", c, SIZE, SIZE])
        for n, c in {"x": inputs, "y": outputs}.items()
    )
    graph = helper.make_graph(nodes, "convolution", [x], [y], constants)
    transpose_few(graph, few)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)


if __name__ == "__main__":
    main()
