"""Gaps in a linear model are exact: what is there has its marginal, what is filled its conditional.

The seeds are fixed; over seeds every test of draws has a false-alarm rate of 1e-3 at most.
"""

import numpy as np
import pytest
import scipy.stats

import keras_vae
from keras_vae import evaluation
from keras_vae.distributions import Column, Columns

W = np.array([[1.2, 0.3], [-0.8, 0.9], [0.1, 1.1], [0.7, -0.6], [0.4, 0.4]])  # (D, latent_dim)
B = np.array([0.5, -1.0, 0.0, 2.0, 0.3])
V = np.array([[0.0, 0.0, 0.0, 0.0, 0.0], [1.0, -2.0, 0.5, 0.3, -0.7]])  # (classes, D)
SCALE = 0.6
COVARIANCE = W @ W.T + SCALE**2 * np.eye(5)


def linear_vae(num_classes=None):
    """x = W z + V[y] + b + noise, five columns that are standardized already; q(z|x) is wide."""
    knots = {"x_knots": (-1.0, 1.0), "y_knots": (-1.0, 1.0)}
    columns = [Column(name, "number", likelihood="normal", **knots) for name in "abcde"]
    vae = keras_vae.VAE.from_architecture(
        "mlp", (5,), 2, Columns(columns), hidden=(), seed=0, num_classes=num_classes
    )
    mean = np.concatenate([W.T, V]) if num_classes else W.T
    kernel = np.stack([mean, 0 * mean], axis=-1).reshape(len(mean), 10)  # of each: mean, log scale
    vae.decoder.set_weights([kernel, np.stack([B, 0 * B + np.log(SCALE)], axis=-1).ravel()])
    for weight in vae.encoder.trainable_weights:
        weight.assign(0 * weight)
    vae.encoder.get_layer("z_log_var").bias.assign([0.2, 0.2])
    return vae


@pytest.fixture(scope="module")
def vae():
    return linear_vae()


@pytest.fixture(scope="module")
def gapped():
    """Rows of the model with 0, some, and all of their entries missing, and what stood there."""
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(B, COVARIANCE, 24).astype("float32")
    missing = rng.random(x.shape) < 0.5
    missing[:4], missing[-2:] = False, True
    return np.where(missing, np.nan, x).astype("float32"), x


def conditional(row):
    """The mean and the covariance of what is missing in a row, given the rest."""
    m, o = np.isnan(row), ~np.isnan(row)
    gain = COVARIANCE[np.ix_(m, o)] @ np.linalg.inv(COVARIANCE[np.ix_(o, o)])
    return B[m] + gain @ (row[o] - B[o]), COVARIANCE[np.ix_(m, m)] - gain @ COVARIANCE[np.ix_(o, m)]


def test_the_log_likelihood_of_rows_with_gaps_is_that_of_what_is_there(vae, gapped):
    """At 4.5 standard errors, of 24 rows."""
    x = gapped[0]
    found = evaluation.importance_sample(vae, x, num_samples=3000)
    np.testing.assert_array_equal(vae.score(x, 3000)["log_likelihood"], found.log_likelihood)
    there = ~np.isnan(x)
    exact = [
        scipy.stats.multivariate_normal(B[o], COVARIANCE[np.ix_(o, o)]).logpdf(row[o])
        if o.any()
        else 0.0
        for row, o in zip(x, there, strict=True)
    ]
    error = np.abs(found.log_likelihood - exact)
    assert (error < 4.5 * found.monte_carlo_error + 1e-4).all()
    assert found.monte_carlo_error.max() < 0.1


@pytest.mark.parametrize("pattern", ["x.x.x", "x....", ".....", "xxxx."])
def test_what_is_filled_follows_the_exact_conditional(vae, pattern):
    """Mean and covariance of 6000 imputations of one row, at 4.5 standard errors.

    With K draws of z the moments are off by less than 1/K of themselves.
    """
    count, num_samples = 6000, 100
    row = np.where(np.array(list(pattern)) == "x", [1.5, 0.2, -0.7, 1.0, 0.9], np.nan)
    x = np.tile(row.astype("float32"), (count, 1))
    filled = vae.impute(x, num_samples, seed=3)[:, np.isnan(row)].astype("float64")
    mean, covariance = conditional(row)
    deviations = filled - mean
    products = deviations[:, :, None] * deviations[:, None]
    for values, expected in ((deviations, 0 * mean), (products, covariance)):
        error = values.std(axis=0) / np.sqrt(count)
        bias = 3 / num_samples * np.abs(expected)
        assert (np.abs(values.mean(axis=0) - expected) < 4.5 * error + bias).all()


def test_intervals_of_90_percent_hold_the_truth_in_90_percent(vae):
    """Of 99 draws the 5th and the 95th: exact, because truth and draws are exchangeable."""
    rng = np.random.default_rng(5)
    truth, at = (
        rng.multivariate_normal(B, COVARIANCE, 400).astype("float32"),
        rng.integers(0, 5, 400),
    )
    rows = np.arange(400)
    x = truth.copy()
    x[rows, at] = np.nan
    drawn = np.stack([vae.impute(x, 50, seed)[rows, at] for seed in range(99)])
    below = (np.sort(drawn, axis=0)[[4, 94]] < truth[rows, at]).sum(axis=0)
    assert scipy.stats.binomtest(int((below == 1).sum()), 400, 0.9).pvalue > 1e-3
    rank = (drawn < truth[rows, at]).sum(axis=0)
    assert scipy.stats.chisquare(np.bincount(rank // 10, minlength=10)).pvalue > 1e-3


def test_what_is_there_stays_to_the_bit_and_no_gap_is_left(vae, gapped):
    x = gapped[0]
    filled, there = vae.impute(x, 20), ~np.isnan(x)
    assert (filled.shape, filled.dtype) == (x.shape, np.float32)
    np.testing.assert_array_equal(filled[there].view("uint32"), x[there].view("uint32"))
    assert np.isfinite(filled).all()
    assert vae.impute(x[:0]).shape == (0, 5)


@pytest.mark.parametrize("batch_size", [None, 1, 7, 10_000])
def test_a_row_is_filled_the_same_whatever_stands_beside_it(vae, gapped, batch_size):
    x, index = gapped[0], np.arange(24) * 2**38
    whole = vae.impute(x, 20, seed=5, index=index)
    order = np.random.default_rng(1).permutation(24)[:9]
    part = vae.impute(x[order], 20, seed=5, index=index[order], batch_size=batch_size)
    np.testing.assert_allclose(part, whole[order], rtol=1e-5, atol=1e-5)


def test_another_seed_or_index_is_another_draw(vae, gapped):
    x = gapped[0][-1:]
    draws = [vae.impute(x, 20, *request)[0, 0] for request in ((0,), (1,), (0, [1]), (-1, [7]))]
    assert len(set(draws)) == 4
    np.testing.assert_array_equal(vae.impute(x, 20, 0), vae.impute(x, 20, 0, index=[0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 0}, "num_samples must be a whole number from 1"),
        ({"seed": 2**63}, "seed must be"),
        ({"index": [0]}, r"index must be one whole number, or 24 of them"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"label": 1}, "label"),
        ({"x": np.zeros((3, 4))}, r"x must have shape \(batch, 5\)"),
        ({"x": np.full((3, 5), np.inf)}, "row 0 of x holds inf in column 'a'"),
        ({"x": np.full((3, 5), "a")}, "x must"),
    ],
)
def test_wrong_requests_are_refused_in_a_line(vae, gapped, options, message):
    with pytest.raises(ValueError, match=message) as error:
        vae.impute(**{"x": gapped[0], **options})
    assert "\n" not in str(error.value)


def test_a_model_without_gaps_says_so(make_vae, digits):
    with pytest.raises(ValueError, match="Normal knows no gaps: train a model of a table"):
        make_vae().impute(digits[:2])


def test_the_label_moves_what_is_filled_as_it_moves_x(gapped):
    """Since q(z|x) is one for all here, to rounding."""
    vae, x = linear_vae(num_classes=2), gapped[0]
    other = vae.impute(x + V[1].astype("float32"), 20, label=1)
    np.testing.assert_allclose(other - V[1], vae.impute(x, 20, label=0), atol=1e-5)
    y = np.arange(24) % 2
    both = vae.impute(x, 20, label=y)
    for label in (0, 1):
        alone = vae.impute(x, 20, label=label)[y == label]
        np.testing.assert_allclose(both[y == label], alone, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="label"):
        vae.impute(x)
