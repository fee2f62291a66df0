"""int8 is calibrated on what the decoder will be given: draws of the model's own prior."""

import numpy as np
import onnxruntime
import pytest

from export import convert, quantize
from keras_vae import noise
from keras_vae.distributions import priors
from tests.tensors import array, small_prior


@pytest.mark.parametrize("name", sorted(set(priors.PRIORS) - {"standard_normal"}))
def test_int8_fits_the_samples_of_a_prior_that_is_far_from_the_standard_normal(
    make_vae, monkeypatch, name
):
    monkeypatch.setattr(quantize, "DRAWS", 256)
    vae = make_vae("mlp", (6,), "normal", hidden=(16, 12), prior=small_prior(name))
    move = {
        "mixture_of_normals": "means",
        "vamp": "z_mean",
        "flow": "bias",
        "flow_matching": "location",
    }[name]
    for weight in (*vae.prior.weights, *vae.encoder.get_layer("z_mean").weights):
        if move in weight.path and "kernel" not in weight.path:
            weight.assign(array(weight) + 10)
    z = array(vae.prior.transform(noise.latent(3, 0, 500, 3), noise.component(3, 0, 500)))
    assert np.abs(z).mean() > 5
    parts = convert.parts(vae)
    full, int8 = (
        onnxruntime.InferenceSession(p.decoder.SerializeToString()).run(["x_hat"], {"z": z})[0]
        for p in (parts, quantize.int8(parts))
    )
    assert 0 < np.abs(int8 - full).max() < 0.1 * full.std()
