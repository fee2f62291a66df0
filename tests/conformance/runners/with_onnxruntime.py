"""onnxruntime in Python."""

import onnxruntime
from harness import main
from onnxruntime.capi import onnxruntime_pybind11_state as state

ERRORS = tuple(
    error
    for error in vars(state).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


def load(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


main(onnxruntime.__version__, load, ERRORS)
