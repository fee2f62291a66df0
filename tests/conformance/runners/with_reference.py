"""ONNX's reference evaluator, which is written in Python to be read, not to be fast."""

import sys
from pathlib import Path

import onnx
from harness import main
from onnx.reference import ReferenceEvaluator

ERRORS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError)
FEW = 4  # it takes half a second for one image of a convolutional decoder


def load(path):
    session = ReferenceEvaluator(path)
    return lambda inputs: dict(zip(session.output_names, session.run(None, inputs), strict=True))


sampler = onnx.load(Path(sys.argv[1]) / "sampler.onnx")
if any(node.op_type == "ConvTranspose" for node in sampler.graph.node):
    note = f"convolves in Python: decodes at most {FEW} samples, and computes the rest of z alone"
    main(onnx.__version__, load, ERRORS, FEW, note)
else:
    main(onnx.__version__, load, ERRORS)
