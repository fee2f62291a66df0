"""OpenVINO in Python, on the CPU and in float32: some CPUs would take bfloat16."""

import openvino
from harness import main


def load(path):
    return openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


main(openvino.__version__.split("-")[0], load, (RuntimeError, ValueError, TypeError))
