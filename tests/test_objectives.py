"""loss = −ELBO, in nats per example, summed over the event."""

import numpy as np
import pytest

from keras_vae import objectives
from keras_vae.models.vae import Bound
from tests.tensors import array


def densities(rng, k=3, b=4):
    log_px_z, log_pz, log_qz_x = rng.normal(size=(3, k, b))
    return objectives.Densities(log_px_z, log_pz, log_qz_x, kl_terms=rng.random((b, 4)))


def test_elbo_is_the_formula(rng):
    d = densities(rng)
    expected = d.log_px_z.mean(0) - 2.5 * 0.5 * d.kl_terms.sum(-1)
    elbo = array(objectives.ELBO(beta=2.5)(d, kl_weight=0.5))
    np.testing.assert_allclose(elbo, expected, rtol=0, atol=2 * np.finfo("float32").eps)


def test_log_w_has_the_right_signs(rng):
    d = densities(rng)
    np.testing.assert_allclose(d.log_w, d.log_px_z + d.log_pz - d.log_qz_x)


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_loss_is_minus_the_elbo_in_nats(make_vae, digits, architecture, likelihood, rng):
    """By hand from the weights: KL and log p(x|z) in float64, with the same epsilon."""
    vae = make_vae(architecture, likelihood)
    x = digits[:5].round() if likelihood == "bernoulli" else digits[:5]
    epsilon = rng.standard_normal((1, 5, 3)).astype("float32")
    bound = Bound(*map(array, vae.bound(x, epsilon)))

    mean, log_var = (h.astype("float64") for h in vae.encode(x))
    kl = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    z = mean + np.exp(log_var / 2) * epsilon[0]
    raw = array(vae.decoder(z.astype("float32"))).astype("float64")
    if likelihood == "bernoulli":
        log_px_z = (x * raw - np.logaddexp(0, raw)).sum((1, 2, 3))
    else:  # the scale that Normal() starts at
        log_px_z = (-0.5 * ((x - raw) / 0.5) ** 2 - np.log(0.5 * np.sqrt(2 * np.pi))).sum((1, 2, 3))

    np.testing.assert_allclose(bound.kl_loss, kl, rtol=1e-4)
    np.testing.assert_allclose(bound.reconstruction_loss, -log_px_z, rtol=1e-5)
    np.testing.assert_allclose(bound.loss, -(log_px_z - kl), rtol=1e-5)


def test_several_samples_lie_on_axis_0_and_are_averaged(make_vae, digits, rng):
    vae = make_vae(objective=objectives.ELBO(num_samples=4))
    epsilon = rng.standard_normal((4, 5, 3)).astype("float32")
    together = array(vae.bound(digits[:5], epsilon).loss)
    alone = [array(vae.bound(digits[:5], e[None]).loss) for e in epsilon]
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-5)
    vae.fit(digits[:64], verbose=0)
