"""onnxruntime's own quantizers leave z as it is: to the bit, as the model card says."""

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static

from keras_vae import noise

OF_Z = ("noise/", "prior/", "outputs/")


@pytest.fixture(autouse=True)
def quiet():
    """They log that the graph might be simplified first."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def feeds(seed, count=64):
    given = {"seed": seed, "first": 0, "count": count}
    given = {name: np.array(value, np.int64) for name, value in given.items()}
    return {**given, "temperature": np.array(1, np.float32)}


class Reader(CalibrationDataReader):
    """What the graph is fed to find the scales by."""

    def __init__(self):
        self.seeds = iter(range(3))

    def get_next(self):
        seed = next(self.seeds, None)
        return None if seed is None else feeds(seed)


def statically(source, target):
    names = [node.name for node in onnx.load(source).graph.node]
    quantize_static(
        source, target, Reader(), nodes_to_exclude=[n for n in names if n.startswith(OF_Z)]
    )


@pytest.mark.parametrize("quantize", [quantize_dynamic, statically])
@pytest.mark.parametrize("name", ["sampler.onnx", "generator.onnx"])
def test_z_is_that_of_the_noise(exported, tmp_path, quantize, name):
    quantize(exported / name, tmp_path / name)
    held = {node.op_type for node in onnx.load(tmp_path / name).graph.node}
    assert held & {"DequantizeLinear", "MatMulInteger", "ConvInteger"}  # it did quantize
    z, _ = onnxruntime.InferenceSession(tmp_path / name).run(None, feeds(7))
    assert z.tobytes() == noise.latent(7, 0, 64, 3).tobytes()
    card = (exported / "README.md").read_text()
    assert all(f"`{prefix}`" in card for prefix in OF_Z)
