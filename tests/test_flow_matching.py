"""Laws of flow matching: a slope that is bounded, and the density of the very steps."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vae.distributions import FlowMatchingPrior
from keras_vae.distributions.velocity import (
    VelocityField,
    jacobian,
    log_det,
    log_norm_bound,
    time_features,
    velocity,
)
from keras_vae.models.prior_fitting import Draws, PriorTraining, optimizer
from tests.tensors import array, value_and_gradients


def clusters(count, rng):
    """Two of them, so far apart that a draw must take a side."""
    side = rng.choice([-1.0, 1.0], (count, 1))
    return (side * [1.2, 0.8] + rng.normal(0, 0.4, (count, 2)) + [3.0, 0.0]).astype("float32")


@pytest.fixture(scope="module")
def fitted():
    """A prior that was fitted to `clusters`."""
    rng = np.random.default_rng(0)
    means = clusters(2000, rng)
    draws = Draws((means, np.full_like(means, -20.0)), 200, seed=0)
    prior = FlowMatchingPrior((32, 32), steps=8, seed=0)
    prior.build((None, 2))
    prior.prepare(draws.rows[0])
    training = PriorTraining(prior, seed=0)
    training.compile(optimizer(5e-3, 300))
    training.fit(draws, epochs=30, verbose=0)
    prior.settle(draws.rows[0][:200])
    return prior


def mass(prior, points=101):
    """z on a grid, and the mass of each cell."""
    axis = np.linspace(-4, 4, points, dtype="float32")
    z = np.stack(np.meshgrid(axis + 3, axis), -1).reshape(-1, 2)
    return z, np.exp(array(prior.log_prob(z)).astype("float64")) * (axis[1] - axis[0]) ** 2


def test_the_density_of_a_fitted_one_integrates_to_one(fitted):
    assert mass(fitted)[1].sum() == pytest.approx(1, abs=1e-3)


def test_its_draws_have_the_moments_of_its_density(fitted, rng):
    z, weights = mass(fitted)
    drawn = array(fitted.transform(rng.normal(size=(20_000, 2)).astype("float32")))
    for moment in (lambda z: z, lambda z: z**2, lambda z: z[:, :1] * z[:, 1:], np.sin):
        values = moment(drawn)  # 7 moments at 4 standard errors: a false alarm in 2,000 seeds
        gap = np.abs(values.mean(axis=0) - weights @ moment(z))
        assert (gap <= 4 * values.std(axis=0) / np.sqrt(len(values)) + 1e-3).all()


def test_it_is_nearer_to_the_data_than_a_normal(fitted, rng):
    z = clusters(1000, rng)
    normal = -0.5 * np.log(2 * np.pi * np.e * np.linalg.eigvalsh(np.cov(z.T))).sum()
    assert array(fitted.log_prob(z)).mean() > normal + 0.1


def test_its_inverse_is_found_as_well_as_it_promises(fitted, rng):
    epsilon = rng.normal(size=(500, 2)).astype("float32")
    z = array(fitted.transform(epsilon))
    np.testing.assert_allclose(array(fitted.inverse(z)[0]), epsilon, atol=1e-4)
    assert 4 <= fitted.inversions <= 32


def test_its_config_keeps_the_inversions_that_were_found(fitted):
    assert FlowMatchingPrior.from_config(fitted.get_config()).inversions == fitted.inversions


def network(sizes, t, spread, slope=4.0, seed=0):
    """A network of random weights at t."""
    field = VelocityField(sizes[1:], slope, seed)
    field.build((None, sizes[0]))
    rng = np.random.default_rng(seed)
    for weight in field.weights:
        weight.assign(array(weight) + spread * rng.standard_normal(weight.shape))
    return field.network(time_features(ops.convert_to_tensor(np.float32(t))))


@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("hidden", [(), (7,), (12, 9)])
def test_no_weights_make_the_slope_larger_than_its_bound(hidden, spread, rng):
    kernels, offsets = network((3, *hidden), 0.3, spread)
    z = ops.convert_to_tensor((3 * rng.normal(size=(500, 3))).astype("float32"))
    jacobians = array(jacobian(kernels, offsets, z) + ops.zeros((500, 3, 3)))
    slopes = np.linalg.norm(jacobians, 2, (1, 2))
    assert slopes.max() <= 4.0 + 1e-4
    assert spread < 30 or slopes.max() > 0.5


def test_a_bound_that_does_not_bind_changes_nothing():
    (*_, last), _ = network((3, 7), 0.3, 0.1, slope=1e3)
    (*_, same), _ = network((3, 7), 0.3, 0.1, slope=1e6)
    np.testing.assert_array_equal(array(last), array(same))


@pytest.mark.parametrize("hidden", [(), (7,), (12, 9)])
def test_the_jacobian_is_that_of_autodiff(hidden, rng):
    kernels, offsets = network((3, *hidden), 0.3, 0.5)
    z = keras.Variable(rng.normal(size=(4, 3)).astype("float32"))
    found = array(jacobian(kernels, offsets, z.value) + ops.zeros((4, 3, 3)))
    v = value_and_gradients(lambda one: ops.sum(velocity(kernels, offsets, z.value) * one), [z])
    columns = [v(one)[1][0] for one in np.eye(3, dtype="float32")]
    np.testing.assert_allclose(found, np.stack(columns, -1), atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_the_determinant_is_numpys(size, rng):
    a = rng.normal(size=(5, 2, size, size))
    a *= 0.9 / np.linalg.norm(a, 2, (2, 3))[..., None, None]
    expected = np.linalg.slogdet(np.eye(size) + a)[1]
    found = array(log_det(ops.convert_to_tensor(a.astype("float32"))))
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("shape", [(3, 3), (2, 40), (64, 64), (50, 8)])
def test_the_bound_on_the_norm_is_one_and_is_close(shape, rng):
    kernel = rng.normal(size=shape).astype("float32")
    norm = np.linalg.norm(kernel, 2)
    kernel = ops.convert_to_tensor(kernel)
    assert norm * (1 - 1e-5) <= float(ops.exp(log_norm_bound(kernel))) <= 1.1 * norm
    assert np.isfinite(float(log_norm_bound(0 * kernel)))


def test_at_first_the_loss_is_the_length_of_the_paths():
    """Of one point at the location they are −epsilon, and v is 0."""
    prior = FlowMatchingPrior((), steps=4)
    prior.build((None, 2))
    prior.location.assign([3.0, 3.0])
    z = ops.full((5000, 2), 3.0)
    loss = array(prior.fitting_loss(z, keras.random.SeedGenerator(0)))
    assert loss.mean() == pytest.approx(2, abs=0.15)


def test_more_dimensions_than_its_density_is_for_are_refused():
    with pytest.raises(ValueError, match=r"up to 64.*got 65: take the prior 'flow'"):
        FlowMatchingPrior().build((None, 65))
    with pytest.raises(ValueError, match="steps must be at most 256, got 257"):
        FlowMatchingPrior(steps=257)


def test_one_example_of_many_draws_has_the_density_of_each(fitted, rng):
    """Products of four axes, one of them 1, went beyond their memory in TensorFlow 2.21."""
    z = rng.normal([3.0, 0.0], size=(300, 2)).astype("float32")
    np.testing.assert_allclose(
        array(fitted.log_prob(z[:, None]))[:, 0], array(fitted.log_prob(z)), atol=1e-4
    )
