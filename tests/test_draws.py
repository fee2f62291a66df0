"""Laws of `Likelihood.draw`: a million draws by the noise follow the exact distribution.

Every test of a distribution here has a false-alarm rate of 1e-4 at most, over seeds; the seed is
fixed. Draws take the uniform numbers that `generator.onnx` gives them.
"""

import math

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
from keras import ops

from keras_vae import noise
from keras_vae.distributions import drawing, likelihoods
from tests.tensors import array

COUNT, RARE = 10**6, 1e-4
RATES = [0.01, 0.3, 2.0, 12.0, 19.99, 20.01, 150.0, 3e3, 1e5]
SHAPES = [(0.01, 0.05), (0.3, 2.0), (5.0, 0.5), (60.0, 1.0), (60.0, 1e4), (2e3, 8.0), (1e5, 3.0)]
LIKELIHOODS = sorted(likelihoods.LIKELIHOODS)


def drawn(likelihood, raw, seed=0, count=COUNT, channels=1):
    """`count` draws of one x of `channels` entries, given its raw parameters."""
    u = noise.event(seed, 0, count, likelihood.noise_shape((channels,)))
    rows = np.broadcast_to(np.asarray(raw, "float32"), (count, len(raw)))
    return array(likelihood.draw(np.ascontiguousarray(rows), u))


def p_value(x, distribution):
    """Of draws of whole numbers: by chi-square, with at least 20 expected in a bin."""
    quantiles = distribution.ppf(np.linspace(1e-6, 1 - 1e-6, 400))
    edges = np.unique(np.concatenate([[-1], quantiles, [np.inf]]))
    expected = COUNT * np.diff(distribution.cdf(edges))
    counts = np.histogram(x, np.append(edges[:-1] + 0.5, np.inf))[0]
    ends = np.unique(np.minimum(np.cumsum(expected) // 20, COUNT // 20 - 1), return_index=True)[1]
    counts, expected = (np.add.reduceat(values, ends) for values in (counts, expected))
    return scipy.stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue


@pytest.mark.parametrize("rate", RATES)
def test_poisson_draws_follow_the_distribution(rate):
    raw = np.float32(math.log(rate))
    x = drawn(likelihoods.Poisson(), [raw], seed=1)[:, 0]
    assert p_value(x, scipy.stats.poisson(np.exp(np.float64(raw)))) > RARE


@pytest.mark.parametrize(("mean", "r"), SHAPES)
def test_negative_binomial_draws_follow_the_distribution(mean, r):
    raw = np.log([mean, r]).astype("float32")
    x = drawn(likelihoods.NegativeBinomial(), raw, seed=2)[:, 0]
    mean, r = np.exp(raw.astype("float64"))
    assert p_value(x, scipy.stats.nbinom(r, r / (r + mean))) > RARE


class ZeroInflated:
    """The distribution of counts that are 0 with probability p, and else of another one."""

    def __init__(self, p, counted):
        self.p, self.counted = p, counted

    def cdf(self, x):
        return np.where(np.asarray(x) < 0, 0, self.p + (1 - self.p) * self.counted.cdf(x))

    def ppf(self, q):
        return self.counted.ppf(np.maximum(0, (q - self.p) / (1 - self.p)))


@pytest.mark.parametrize("logit", [-30.0, -2.0, 0.5, 4.0])
@pytest.mark.parametrize(("mean", "r"), SHAPES[1:4])
def test_zero_inflated_draws_follow_the_distribution(mean, r, logit):
    raw = np.array([math.log(mean), math.log(r), logit], "float32")
    x = drawn(likelihoods.ZeroInflatedNegativeBinomial(), raw, seed=4)[:, 0]
    mean, r = np.exp(raw[:2].astype("float64"))
    counted = scipy.stats.nbinom(r, r / (r + mean))
    assert p_value(x, ZeroInflated(scipy.special.expit(np.float64(logit)), counted)) > RARE


@pytest.mark.parametrize("logit", [-80.0, -3.0, -0.2, 0.0, 0.04, 0.06, 1.0, 12.0, 300.0])
def test_continuous_bernoulli_draws_follow_the_distribution(logit):
    x = drawn(likelihoods.ContinuousBernoulli(), [logit])[:, 0].astype("float64")
    rate = np.float64(np.float32(logit))

    def cdf(t):
        if not rate:
            return t
        if rate > 0:  # so that nothing overflows
            return np.exp(rate * (t - 1)) * np.expm1(-rate * t) / np.expm1(-rate)
        return np.expm1(rate * t) / np.expm1(rate)

    assert scipy.stats.kstest(x, cdf).pvalue > RARE
    assert x.min() >= 0
    assert x.max() <= 1


def test_normal_draws_follow_the_distribution():
    plain = drawn(likelihoods.Normal(scale=0.3), [1.5])[:, 0]
    other = drawn(likelihoods.HeteroscedasticNormal(), [-2.0, math.log(3.0)], seed=1)[:, 0]
    assert scipy.stats.kstest(plain, scipy.stats.norm(1.5, 0.3).cdf).pvalue > RARE
    assert scipy.stats.kstest(other, scipy.stats.norm(-2.0, 3.0).cdf).pvalue > RARE


def test_quantiles_of_the_normal_are_those_of_scipy():
    ends = np.array([2**-24, 3 * 2**-24, 0.5 - 2**-24, 0.5 + 2**-24, 1 - 2**-24])
    u = np.concatenate([noise.event(0, 0, 10**5, ()), ends.astype("float32")])
    expected = scipy.special.ndtri(u.astype("float64"))
    np.testing.assert_allclose(
        array(drawing.normal(ops.convert_to_tensor(u))), expected, rtol=4e-7, atol=1e-10
    )


@pytest.mark.parametrize("logit", [-200.0, -9.0, -1.0, 0.0, 0.7, 9.0, 200.0])
def test_bernoulli_draws_follow_the_distribution(logit):
    """At p = 0 and p = 1 there is one value, without exception."""
    x, p = drawn(likelihoods.Bernoulli(), [logit])[:, 0], scipy.special.expit(logit)
    assert set(np.unique(x)) <= {0.0, 1.0}
    assert scipy.stats.binomtest(int(x.sum()), COUNT, p).pvalue > RARE


@pytest.mark.parametrize("raw", [[0.3, -1.0], [1.2, 0.0], [-4.0, -2.0], [0.5, 4.0], [0.5, -9.0]])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_discretized_draws_follow_the_distribution(levels, raw):
    likelihood = likelihoods.DiscretizedLogistic(levels)
    grid = (np.arange(levels) / (levels - 1)).astype("float32")
    rows = np.tile(np.float32(raw), (levels, 1))
    p = np.exp(array(likelihood.log_prob(grid[:, None], rows)).astype("float64"))
    x = drawn(likelihood, raw)[:, 0]
    assert np.isin(x, grid).all()  # to the bit
    agrees(np.round(x * (levels - 1)).astype(int), p)


def agrees(k, p):
    """Asserts that classes k are drawn with the probabilities p; rare ones are taken together."""
    counts, p = np.bincount(k, minlength=len(p)), p / p.sum()
    common = p * COUNT >= 10
    counts = np.append(counts[common], counts[~common].sum())
    expected = COUNT * np.append(p[common], p[~common].sum())
    if expected[-1] < 5:
        assert counts[-1] <= 30  # Poisson of less than 5: once in 10^13
        counts, expected = counts[:-1], expected[:-1]
    if len(counts) > 1:
        expected *= counts.sum() / expected.sum()
        assert scipy.stats.chisquare(counts, expected).pvalue > RARE


def test_categorical_draws_follow_the_distribution():
    logits = np.float32([0.0, -80.0, 2.0, -7.0, 1.0, -80.0])
    x = drawn(likelihoods.Categorical(), logits, channels=6)
    np.testing.assert_array_equal(x.sum(axis=-1), 1)
    agrees(x.argmax(axis=-1), scipy.special.softmax(logits.astype("float64")))


def test_colours_of_the_mixture_follow_the_distribution():
    """All channels of a pixel together."""
    levels, raw = 5, np.random.default_rng(0).normal(size=20).astype("float32")
    likelihood = likelihoods.MixtureOfDiscretizedLogistics(num_components=2, levels=levels)
    grid = np.stack(np.meshgrid(*[np.arange(levels)] * 3, indexing="ij"), -1).reshape(-1, 3)
    rows = np.tile(raw, (len(grid), 1))
    p = np.exp(array(likelihood.log_prob((grid / (levels - 1)).astype("float32"), rows)))
    x = np.round(drawn(likelihood, raw, channels=3) * (levels - 1)).astype(int)
    agrees(x @ [levels**2, levels, 1], p.astype("float64"))


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("size", [-1e4, -90.0, 90.0, 1e4])
def test_draws_are_finite_and_in_the_support_at_extreme_parameters(name, size):
    likelihood = likelihoods.get(name)
    shape = (4, 3)
    u = noise.event(0, 0, 50, likelihood.noise_shape(shape))
    signs = np.random.default_rng(1).choice([-1, 0, 1], (50, 4, likelihood.num_params(3)))
    raw = signs * size
    if name in ("normal", "heteroscedastic_normal"):
        raw = np.clip(raw, -80, 80)  # beyond, a scale is no float32
    likelihood.check(array(likelihood.draw(raw.astype("float32"), u)))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_draw_depends_on_its_own_noise_alone(name):
    """So it is the same alone, in a batch and for several z, and elements are independent."""
    likelihood, shape = likelihoods.get(name), (4, 3)
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(2, 5, 4, likelihood.num_params(3))).astype("float32")
    u = noise.event(3, 7, 10, likelihood.noise_shape(shape)).reshape(
        2, 5, *likelihood.noise_shape(shape)
    )
    whole = array(likelihood.draw(raw, u))
    assert whole.shape == (2, 5, *shape)
    alone = array(likelihood.draw(raw[1, 2:3], u[1, 2:3]))
    np.testing.assert_allclose(alone, whole[1, 2:3], atol=1e-6)
    changed = u.copy()
    changed[0, 0, 0] = 1 - changed[0, 0, 0]  # of the first pixel or row
    other = array(likelihood.draw(raw, changed))
    assert (other[0, 0, 1:] == whole[0, 0, 1:]).all()
    assert (other[1] == whole[1]).all()


def test_the_noise_of_events_is_independent_of_place_index_and_seed():
    """Correlations of 2^20 pairs are within 5 standard errors: 40 of them, 1 alarm in 40,000."""
    u = noise.event(0, 0, 2**16, (16,)).astype("float64") - 0.5
    pairs = [(u[:, i], u[:, j]) for i, j in [(0, 1), (0, 2), (1, 2), (3, 15), (7, 8)]]
    pairs += [(u[:-lag], u[lag:]) for lag in (1, 2, 16, 4096)]
    pairs += [(u, noise.event(seed, 0, 2**16, (16,)) - 0.5) for seed in (1, 2, -1, 2**32)]
    latent = noise.latent(0, 0, 2**16, 16)
    pairs += [(u, latent), (u[:, 0], noise.component(0, 0, 2**16))]
    for a, b in pairs:
        a, b = np.ravel(a), np.ravel(b)
        for powers in ((1, 1), (2, 2), (1, 2)):
            c, d = (v**k - np.mean(v**k) for v, k in zip((a, b), powers, strict=True))
            assert abs((c * d).mean()) < 5 * c.std() * d.std() / math.sqrt(len(c))


def test_entries_of_the_noise_are_those_of_the_specification():
    u = noise.event(-5, 2**40, 2, (3, 5))
    for row in range(2):
        for j in range(15):
            words = noise.words(-5, 2**40 + row, 2**19 + j // 2)
            expected = (int(words[j % 2]) // 512 + 0.5) * 2**-23
            assert u[row].ravel()[j] == np.float32(expected)


def test_an_x_that_takes_more_noise_than_there_is_is_refused():
    assert noise.event(0, 0, 1, (2**20 - 2,)).shape == (1, 2**20 - 2)
    with pytest.raises(ValueError, match="takes 1048575 uniform numbers, and a sample has 1048574"):
        noise.event(0, 0, 1, (2**20 - 1,))


def test_draws_are_compiled_to_the_same(make_vae):
    """`sample` compiles for many batches; a batch more or less changes no draw."""
    vae = make_vae(likelihood="bernoulli")
    whole = vae.sample(300, seed=3, mean=False, batch_size=8)
    parts = [vae.sample(100, seed=3, first=first, mean=False) for first in (0, 100, 200)]
    assert set(np.unique(whole)) == {0.0, 1.0}
    assert (whole != np.concatenate(parts)).sum() <= 1  # where rounding decides: 1 in 10^6


def test_draws_have_the_means_that_sample_gives(make_vae):
    vae = make_vae(likelihood="poisson")
    x_hat = vae.sample(5, seed=2)
    epsilon, u = noise.latent(2, 0, 5, vae.latent_dim), noise.component(2, 0, 5)
    x_params = vae.x_params(vae.prior.transform(epsilon, u))
    u = noise.event(0, 0, 5 * 4000, vae.likelihood.noise_shape(vae.input_shape))
    x = array(vae.likelihood.draw(ops.tile(x_params, (4000, 1, 1, 1)), u))
    x = x.reshape(4000, *x_hat.shape)
    error = x.std(axis=0) / math.sqrt(len(x))
    assert (np.abs(x.mean(axis=0) - x_hat) < 5.5 * error + 1e-6).all()  # 320 times 4e-8


@pytest.mark.parametrize("seed", [0, 7])
def test_draws_follow_from_seed_and_index(make_vae, seed):
    vae = make_vae(likelihood="normal")
    x = vae.sample(9, seed=seed, mean=False)
    np.testing.assert_allclose(vae.sample(3, seed, first=4, mean=False), x[4:7], atol=1e-6)
    assert np.abs(vae.sample(9, seed + 1, mean=False) - x).min() > 0
    z = vae.sample(9, seed=seed)
    cold = vae.sample(9, seed=seed, mean=False, temperature=0.0)
    assert np.abs(x - z).max() > 0.1
    assert keras.ops.shape(cold) == x.shape
