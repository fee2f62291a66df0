"""Sample quality: the formulas, and what must hold of good, narrow, wide and bad samples.

All seeds are fixed. Where a threshold is one of chance, the rate of false alarms that another seed
would have is stated.
"""

import inspect
import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from export.runtime import OnnxVAE
from keras_vae import VAE, conditions, evaluation
from keras_vae.evaluation import features, quality, reference, two_samples
from keras_vae.evaluation.two_samples import gaussian_distance


class Drawn:
    """What has `sample`, as a model has, by a function of a count and a generator."""

    def __init__(self, draw, **told):
        self.draw, self.asked = draw, []
        vars(self).update(told)

    def sample(self, count, seed=0, mean=True, **where):
        self.asked.append({"count": count, "seed": seed, "mean": mean, **where})
        return self.draw(count, np.random.default_rng([seed, len(self.asked)])).astype("float32")


def modes(count, rng, which=(-2.0, 2.0), scale=0.3):
    """Points of a mixture in three dimensions, whose modes differ in the first."""
    x = rng.normal(0, scale, (count, 3))
    x[:, 0] += rng.choice(which, count)
    return x


def covariance(rng, size=4):
    root = rng.normal(size=(size, size))
    return root @ root.T


def by_the_mean(a, b, seed):
    """As `told_apart`, by the nearer of two means, without a network: its law has its own test."""
    a, b = (x.reshape(len(x), -1) for x in (a, b))
    direction = b.mean(axis=0) - a.mean(axis=0)
    middle = (a.mean(axis=0) + b.mean(axis=0)) @ direction / 2
    return float(((a @ direction <= middle).mean() + (b @ direction > middle).mean()) / 2)


@pytest.fixture
def brief(monkeypatch):
    """One network for each seed, which is trained for a few steps."""
    monkeypatch.setattr(reference, "Labelled", partial(features.Labelled, steps=60))
    monkeypatch.setattr(reference, "told_apart", by_the_mean)


@pytest.fixture
def data(rng):
    """`x`, `x_test` and `y` of the mixture; the label is the mode."""
    x, x_test = modes(400, rng), modes(200, rng)
    return x, x_test, (x[:, 0] > 0).astype(int)


def test_the_distance_of_two_normal_distributions_is_the_formula(rng):
    a, b, difference = covariance(rng), covariance(rng), rng.normal(size=4)
    cross = np.trace(scipy.linalg.sqrtm(a @ b)).real
    expected = difference @ difference + np.trace(a + b) - 2 * cross
    assert gaussian_distance(difference, a, np.zeros(4), b) == pytest.approx(expected, rel=1e-9)


def test_where_the_axes_are_the_same_the_distance_is_that_of_the_deviations(rng):
    axes = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    a, b = rng.uniform(0, 3, (2, 4))
    covariances = [(axes * s**2) @ axes.T for s in (a, b)]
    found = gaussian_distance(np.zeros(4), covariances[0], np.zeros(4), covariances[1])
    assert found == pytest.approx(((a - b) ** 2).sum(), rel=1e-9)


def test_the_distance_of_a_set_from_itself_is_zero_also_with_fewer_vectors_than_dimensions(rng):
    x = rng.normal(size=(5, 8))
    assert evaluation.frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_a_rotation_changes_neither_distance_nor_precision_nor_recall(rng):
    a, b = rng.normal(size=(200, 4)), 1.5 * rng.normal(size=(200, 4)) + 1
    axes = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    distance = evaluation.frechet_distance(a, b)
    assert evaluation.frechet_distance(a @ axes, b @ axes) == pytest.approx(distance, rel=1e-9)
    assert evaluation.frechet_distance(b, a) == pytest.approx(distance, rel=1e-9)
    found = evaluation.precision_recall(a, b)
    assert evaluation.precision_recall(a @ axes, b @ axes) == pytest.approx(found)
    assert evaluation.precision_recall(b, a) == pytest.approx(found[::-1])


def test_the_distance_of_equal_distributions_falls_as_one_by_the_number_of_examples(rng):
    """Over 200 seeds the ratio was from 3.1 to 5.3, with a deviation of 0.38."""
    small, large = (
        np.mean([evaluation.frechet_distance(*rng.normal(size=(2, n, 5))) for _ in range(20)])
        for n in (250, 1000)
    )
    assert 2.5 < small / large < 6


def test_precision_and_recall_are_their_definition_in_memory_that_does_not_grow(rng, monkeypatch):
    real, made = rng.normal(size=(60, 2)), rng.normal(0.5, 1.2, (50, 2))

    def share(points, centres):
        radii = np.sort(cdist(centres, centres), axis=1)[:, 3]
        return (cdist(points, centres) <= radii).any(axis=1).mean()

    expected = share(made, real), share(real, made)
    for at_once in (two_samples.AT_ONCE, 700, 1):
        monkeypatch.setattr(two_samples, "AT_ONCE", at_once)
        assert evaluation.precision_recall(real, made) == pytest.approx(expected)
        parts = list(two_samples.squares(made, real))
        assert max(part.size for part in parts) <= max(at_once, len(real))


def test_of_equal_distributions_precision_and_recall_are_equal_and_high(rng):
    """Over 200 seeds all were from 0.95 to 1, and the difference at most 0.034."""
    found = evaluation.precision_recall(*rng.normal(size=(2, 500, 2)))
    assert min(found) > 0.93
    assert abs(found[0] - found[1]) < 0.06


def test_samples_of_one_mode_are_precise_and_recall_half_and_wide_samples_the_reverse(rng):
    """Over 200 seeds: at least 0.91, at most 0.54; at most 0.03, at least 0.76."""
    real = modes(400, rng)
    precision, recall = evaluation.precision_recall(real, modes(400, rng, which=(2.0,)))
    assert precision > 0.8
    assert recall < 0.6
    precision, recall = evaluation.precision_recall(real, 4 * rng.normal(size=(400, 3)))
    assert precision < 0.1
    assert recall > 0.7
    same = np.repeat(real[:1], 400, axis=0)
    assert evaluation.precision_recall(real, same) == (1, 1 / 400)


def test_no_network_tells_equal_distributions_apart_and_every_one_disjoint_ones(rng):
    """Chance: mean 0.5, deviation 0.5 / √600; 4 of them are passed once in 16,000 seeds."""
    a, b = rng.normal(size=(2, 600, 3))
    assert features.told_apart(a, b, steps=100) == pytest.approx(0.5, abs=4 * 0.5 / 600**0.5)
    assert features.told_apart(a, b + 10, steps=100) == 1


@pytest.mark.parametrize("labels", [True, False], ids=["labels", "principal components"])
def test_the_floor_is_better_than_one_mode_and_one_mode_than_noise(data, brief, labels):
    x, x_test, y = data
    real = evaluation.SampleReference(x, x_test, y if labels else None, seeds=2 - labels)
    perfect, narrow, noise = (
        real.quality(Drawn(draw), data="modes")
        for draw in (
            modes,
            lambda count, rng: modes(count, rng, which=(2.0,)),
            lambda count, rng: 9 + 9 * rng.normal(size=(count, 3)),
        )
    )
    for name in ("frechet_distance", "told_apart"):
        values = [found.estimates[name].mean for found in (perfect, narrow, noise)]
        assert max(perfect.floors[name].mean, values[0]) < min(values[1:])
    assert narrow.estimates["frechet_distance"].mean < noise.estimates["frechet_distance"].mean
    assert narrow.excess["recall"].mean < -0.3
    assert noise.excess["precision"].mean < -0.3
    assert abs(perfect.excess["frechet_distance"].mean) < 5  # per cent
    for name in quality.NAMES:  # the floor is of the data alone
        np.testing.assert_array_equal(perfect.floor[name], noise.floor[name])


def test_a_report_is_a_table_and_json(data, brief):
    x, x_test, _ = data
    found = evaluation.sample_quality(Drawn(modes), x, x_test, seeds=2, data="modes")
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["protocol"]["data"] == "modes"
    assert told["protocol"]["num_samples"] == 200
    assert set(told["excess"]) == set(quality.NAMES)
    assert str(found).splitlines()[2].split() == ["samples", "floor", "excess"]


def test_training_examples_that_differ_from_test_examples_are_told(data, brief):
    x, x_test, _ = data
    assert not evaluation.sample_quality(Drawn(modes), x, x_test, seeds=1).warnings
    (words,) = evaluation.sample_quality(Drawn(modes), x + 1, x_test, seeds=1).warnings
    assert "training examples are told from test examples" in words


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(data, brief):
    x, x_test, y = data
    model = SimpleNamespace(sample=lambda n, seed, mean: modes(n, np.random.default_rng(seed)))
    found = [evaluation.sample_quality(model, x, x_test, y, seeds=1, seed=s) for s in (5, 5, 6)]
    first, again, other = (one.to_json() for one in found)
    assert first == again
    assert first["floor"] != other["floor"]
    assert first["model"]["frechet_distance"]["standard_error"] is None  # one seed has no error


def test_images_are_compared_by_a_convolutional_network(digits, brief):
    y = np.random.default_rng(0).integers(0, 2, 900)
    model = Drawn(lambda count, rng: digits[:count])
    found = evaluation.sample_quality(model, digits[:900], digits[900:], y, 100, seeds=1)
    assert found.protocol["num_samples"] == 100
    assert "of a network that tells" in str(found)
    kinds = {type(layer).__name__ for layer in features.network((8, 8, 1), 2, 0).layers}
    assert "Conv2D" in kinds


def test_samples_are_rounded_to_the_levels_that_images_have(digits):
    """So that a network cannot tell them by what no picture holds."""
    x = np.rint(255 * digits) / 255
    real = evaluation.SampleReference(x[:900], x[900:], num_samples=100)
    made = real.samples(Drawn(lambda count, rng: x[:count] + 1e-3), seed=0)
    np.testing.assert_allclose(made, x[:100], atol=1e-6)


def test_large_examples_are_projected_at_random_first(rng):
    x = rng.normal(size=(50, 40, 40, 1)).astype("float32")
    found = features.Principal(x, seed=0)
    assert found(x).shape == (50, features.FEATURES)
    assert found.projection.shape == (1600, features.PROJECTED)


def test_examples_of_one_number_are_their_own_feature(rng):
    x = rng.normal(size=(50, 1))
    np.testing.assert_allclose(abs(features.Principal(x, seed=0)(x)), abs(x))


def test_sparse_rows_are_measured_as_the_array_that_they_are(rng, brief):
    x = (rng.poisson(0.7, (300, 6)) * 0.5).astype("float32")
    rows = evaluation.SampleReference(csr_array(x[:200]), csr_array(x[200:]), seeds=1)
    array = evaluation.SampleReference(x[:200], x[200:], seeds=1)
    found = [one.quality(Drawn(lambda n, rng: x[:n])).to_json() for one in (rows, array)]
    assert found[0] == found[1]


def test_a_conditional_model_draws_the_labels_that_the_data_have(data, brief):
    x, x_test, y = data
    model = Drawn(modes, covariates=conditions.label_of(2))
    real = evaluation.SampleReference(x, x_test, y, seeds=1)
    real.quality(model)
    expected = np.bincount(y[real.rows(0)[0]])
    assert [asked["count"] for asked in model.asked] == expected.tolist()
    assert [asked["label"] for asked in model.asked] == [0, 1]
    assert [asked["first"] for asked in model.asked] == [0, expected[0]]
    with pytest.raises(ValueError, match="conditional model draws by the labels"):
        evaluation.sample_quality(model, x, x_test)


@pytest.mark.parametrize("kind", [VAE, OnnxVAE])
def test_runs_and_bundles_sample_by_the_same_names(kind):
    inspect.signature(kind.sample).bind(None, 5, seed=0, first=0, label=1, mean=False)


def binary(count, rng):
    return rng.integers(0, 2, (count, 3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.full((400, 3), np.nan)}, "NaN or infinite: remove"),
        ({"x_test": np.zeros((200, 4))}, r"x_test must have shape \(batch, 3\)"),
        ({"x_test": np.ones((49, 3))}, "x_test must be at least 50, and x at least 100"),
        ({"num_samples": 10}, "must be at least 50"),
        ({"seeds": 0}, "seeds must be at least 1 and seed 0, got 0 and 0"),
        ({"seed": -1}, "seeds must be at least 1 and seed 0, got 3 and -1"),
        ({"x_test": np.full((60, 3), 0.5), "y": None}, "x_test must hold examples that differ"),
        ({"y": np.zeros(400)}, "a whole number for each of the 400"),
        ({"y": np.zeros(400, int)}, "two labels or more"),
        ({"y": np.zeros(3, int)}, "a whole number for each of the 400"),
        ({"draw": lambda n, rng: np.full((n, 3), np.nan)}, "the model draws NaN or infinite"),
        ({"draw": lambda n, rng: np.zeros((n, 2))}, r"shape \(3,\) of x, got \(2,\)"),
        ({"draw": binary, "mean": False}, "compare means"),
        ({"x_test": np.eye(3)[np.arange(60) % 3]}, "compare draws, mean=False"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(data, change, words):
    x, x_test, y = data
    given = {"x": x, "x_test": x_test, "y": y, "draw": modes, **change}
    with pytest.raises(ValueError, match=words) as refused:
        evaluation.sample_quality(Drawn(given.pop("draw")), **given)
    assert "\n" not in str(refused.value)
