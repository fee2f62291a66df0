"""The log-likelihood of any model of one or two latent dimensions is an integral on a grid."""

import numpy as np
import pytest
import scipy.special

import keras_vae
from keras_vae import evaluation
from keras_vae.distributions import likelihoods, priors
from tests.tensors import array, drawn, small_prior

MEMBERS = [
    *({"likelihood": name} for name in sorted(likelihoods.LIKELIHOODS)),
    *({"prior": name} for name in sorted(priors.PRIORS)),
    {"num_classes": 3},
    {"posterior": "full_normal"},
]


@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("options", MEMBERS, ids=[str(*m.values()) for m in MEMBERS])
def test_the_estimate_is_the_integral(options, latent_dim, rng):
    """At 4.5 standard errors, of 8 examples: over all members one false alarm in 600 seeds."""
    if (latent_dim, options.get("posterior")) == (1, "full_normal"):
        pytest.skip("one dimension has no correlations")
    if "prior" in options:
        options = {"prior": small_prior(options["prior"])}
    vae = keras_vae.VAE.from_architecture(
        "mlp", (5,), latent_dim, **{"likelihood": "normal", **options}, seed=3, hidden=(8,)
    )
    for part, spread in ((vae.decoder, 0.3), (vae.prior, 0.1)):  # p(z) stays within the grid
        for weight in part.trainable_weights:
            weight.assign(weight + rng.normal(0, spread, weight.shape))
    for weight in vae.encoder.trainable_weights:  # q(z|x) is as wide as p(z) and wider than p(z|x)
        weight.assign(0.5 * weight)
    vae.encoder.get_layer("z_log_var").bias.assign([0.4] * latent_dim)
    z = rng.normal(size=(8, latent_dim)).astype("float32")
    label = {"label": np.arange(8) % 3} if vae.num_classes else {}
    x_params = vae.x_params(z, label=vae.labels.encoded(label.get("label")))
    x = drawn(vae.likelihood, x_params, seed=1)
    found = evaluation.importance_sample(vae, x, num_samples=4000, **label)
    error = np.abs(found.log_likelihood - quadrature(vae, x, **label))
    assert (error < 4.5 * found.monte_carlo_error + 1e-4).all()


def quadrature(vae, x, label=None):
    """log ∫ p(x|z) p(z) dz on a grid."""
    axis = np.linspace(-8, 8, 241, dtype="float32")
    z = np.stack(np.meshgrid(*[axis] * vae.latent_dim), axis=-1).reshape(-1, 1, vae.latent_dim)
    z = np.broadcast_to(z, (len(z), len(x), vae.latent_dim))
    log_px_z = vae.likelihood.log_prob(x, vae.x_params(z, label=vae.labels.encoded(label)))
    log_p = array(log_px_z + vae.prior.log_prob(z)).astype("float64")
    return scipy.special.logsumexp(log_p, axis=0) + vae.latent_dim * np.log(axis[1] - axis[0])
