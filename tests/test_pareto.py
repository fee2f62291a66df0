"""The tail of importance weights, against the reference implementation; the error of few draws.

The values are those of arviz 0.23.4 for `log_weights` of spread 1 and 3. They were made in an
environment of their own (`pip install "arviz<1"`), by these lines:

    w = np.sort(np.exp(log_w - log_w.max()))
    k, _ = arviz.stats.stats._gpdfit(w[1:] - w[0])  # FITTED
    _, k = arviz.psislw(log_w)  # SMOOTHED
"""

import numpy as np
import pytest

from keras_vae import evaluation
from keras_vae.evaluation.importance import Weights

FITTED = {
    6: (0.4544851, 0.9285604),
    7: (0.5201057, 1.0189936),
    8: (0.4987947, 1.2243448),
    9: (0.5189462, 1.2291828),
    10: (0.5108434, 1.2064627),
    11: (0.4181203, 1.2827916),
    12: (0.4281817, 1.2677758),
    17: (0.582863, 1.6236629),
    23: (0.3390362, 1.7040466),
    30: (0.5249435, 2.0359938),
    41: (0.38056, 1.9213111),
    50: (0.4681444, 2.3070295),
    60: (-0.0538754, 2.0559327),
}
"""The number of the largest weights: the Pareto k of all but the least, which is the threshold."""
SMOOTHED = {
    25: (0.0394432, 0.0744156),
    60: (-0.835981, -0.7294953),
    300: (-1.36591, -1.2842359),
    1000: (-1.5814234, -1.5561712),
}
"""The number of all weights: the Pareto k of those that are the tail."""


def log_weights(count, spread):
    """Numbers without order or pattern that any program can make again."""
    return spread * np.sin(np.arange(1.0, count + 1) ** 2)


@pytest.mark.parametrize("count", FITTED)
def test_the_pareto_k_of_a_tail_is_that_of_arviz(count):
    log_w = np.stack([log_weights(count, spread) for spread in (1.0, 3.0)], axis=1)
    np.testing.assert_allclose(evaluation.pareto_k(log_w), FITTED[count], atol=2e-7)


def estimate(log_w, chunk):
    """What weights `(K, B)` that come in chunks say."""
    weights = Weights(len(log_w))
    for start in range(0, len(log_w), chunk):
        weights.add(log_w[start : start + chunk])
    return weights.result()


@pytest.mark.parametrize("chunk", [7, 1000])
@pytest.mark.parametrize("count", SMOOTHED)
def test_the_pareto_k_of_all_draws_is_that_of_arviz(count, chunk):
    log_w = np.stack([log_weights(count, spread) for spread in (1.0, 3.0)], axis=1)
    np.testing.assert_allclose(estimate(log_w, chunk).pareto_k, SMOOTHED[count], atol=2e-7)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_the_monte_carlo_error_is_the_standard_error_over_the_mean(count, rng):
    """By the delta method, the error of log m is that of m over m: of two, |a − b| / (a + b)."""
    log_w = rng.normal(0, 2, (count, 5)) - 1000
    w = np.exp(log_w + 1000)
    expected = w.std(axis=0, ddof=1) / np.sqrt(count) / w.mean(axis=0)
    np.testing.assert_allclose(estimate(log_w, 2).monte_carlo_error, expected, rtol=1e-9)
    if count == 2:
        np.testing.assert_allclose(expected, np.abs(w[0] - w[1]) / (w[0] + w[1]), rtol=1e-12)


def test_one_draw_has_no_monte_carlo_error(rng):
    assert np.isnan(estimate(rng.normal(size=(1, 5)), 1).monte_carlo_error).all()
