"""The bundle of the tests, opened."""

import pytest

from export.runtime import OnnxVAE


@pytest.fixture(scope="module")
def onnx_vae(exported):
    return OnnxVAE(exported)
