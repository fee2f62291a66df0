"""A model with a full normal posterior trains, is saved, and is measured as any other."""

import keras
import numpy as np
import pytest
import scipy.stats

from keras_vae import VAE, evaluation, noise
from tests.tensors import array


@pytest.fixture
def vae(make_vae):
    vae = make_vae(posterior="full_normal", hidden=(16,))
    layer = vae.encoder.get_layer("z_correlation")  # zero in a new model
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    return vae


def test_training_moves_the_correlations_and_they_are_saved(make_vae, digits, tmp_path):
    vae = make_vae(posterior="full_normal", hidden=(16,))
    first, second = vae.fit(digits, epochs=2, verbose=0).history["loss"]
    assert second < first
    assert np.abs(array(vae.posterior(digits[:5]).correlation)).max() > 0
    vae.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    scores = (model.score(digits[:3], 5)["elbo"] for model in (vae, loaded))
    np.testing.assert_array_equal(*scores)


def test_the_elbo_is_a_bound_on_the_log_likelihood(vae, digits):
    score = vae.score(digits[:20], num_samples=500)
    assert (score["elbo"] < score["log_likelihood"] + 0.1).all()
    kl = array(vae.prior.kl_divergence(vae.posterior(digits[:20]), None))
    np.testing.assert_allclose(score["kl_loss"], kl, rtol=1e-5)


def test_mutual_information_is_that_of_all_pairs(vae, digits):
    x = digits[:30]
    qz_x = vae.posterior(x)
    z = array(vae.draw(qz_x, noise.draws(4, np.arange(30), 0, 1, 3)[0]).z)
    rows = array(qz_x._rows).astype("float64")
    C = rows + np.eye(3)
    L = np.exp(array(qz_x.log_var) / 2)[:, :, None] * C / np.linalg.norm(C, axis=2)[..., None]
    log_q = np.array(
        [
            scipy.stats.multivariate_normal(m, h @ h.T).logpdf(z)
            for m, h in zip(array(qz_x.mean), L, strict=True)
        ]
    )  # (of the posterior, at the draw)
    expected = np.mean(np.diag(log_q) - np.logaddexp.reduce(log_q, axis=0) + np.log(30))
    assert evaluation.mutual_information(vae, x, seed=4) == pytest.approx(expected, rel=1e-4)


def test_one_dimension_has_no_correlations():
    with pytest.raises(ValueError, match="full_normal is for latent_dim >= 2"):
        VAE.from_architecture("mlp", (8, 8, 1), 1, posterior="full_normal")
    with pytest.raises(ValueError, match="Unknown posterior: 'full'"):
        VAE.from_architecture("mlp", (8, 8, 1), 2, posterior="full")
