"""What a VAE is made of: refused, or warned of, where it is made."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_vae import VAE, architectures
from keras_vae.distributions import likelihoods
from keras_vae.lookup import settings_of
from keras_vae.objectives import ELBO, IWAE, OBJECTIVES
from tests.tensors import array


def decoder(*last, units=12):
    return keras.Sequential([keras.Input((2,)), layers.Dense(units), *last])


def encoder(units=12):
    return architectures.mlp((units,), 2, hidden=(4,))[0]


def test_a_sequential_without_input_is_told_what_is_missing():
    with pytest.raises(ValueError, match=r"decoder is a Sequential that must begin with .*Input"):
        VAE(encoder(), keras.Sequential([layers.Dense(12)]))


ENDS = {
    "a layer": lambda f: [layers.Dense(12, activation=f)],
    "an activation": lambda f: [layers.Activation(f)],
    "a reshape": lambda f: [layers.Dense(12, activation=f), layers.Reshape((12,))],
    "a model": lambda f: [keras.Sequential([keras.Input((12,)), layers.Dense(12, activation=f)])],
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("likelihood", "activation"),
    [
        ("bernoulli", "sigmoid"),
        ("continuous_bernoulli", "sigmoid"),
        ("categorical", "softmax"),
        ("poisson", "softplus"),
        ("poisson", "exponential"),
    ],
)
def test_a_decoder_whose_outputs_are_not_raw_is_warned_of(end, likelihood, activation):
    with pytest.warns(UserWarning, match=f"decoder ends in {activation}.*raw outputs"):
        VAE(encoder(), decoder(*ENDS[end](activation)), likelihood)


@pytest.mark.parametrize(
    ("likelihood", "activation"),
    [("normal", "sigmoid"), ("bernoulli", None), ("poisson", "tanh"), ("bernoulli", "leaky_relu")],
)
def test_no_other_decoder_is_warned_of(likelihood, activation):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VAE(encoder(), decoder(*ENDS["a layer"](activation)), likelihood)


@pytest.mark.parametrize("name", likelihoods.LIKELIHOODS)
def test_no_decoder_of_an_architecture_is_warned_of(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VAE.from_architecture("mlp", (2, 2, 3), 2, name, hidden=(4,))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"beta": 4}, r"of the objective: give objective=ELBO\(beta=4\)"),
        ({"levels": 17}, r"likelihood=DiscretizedLogistic\(levels=17\)"),
        ({"hiden": (4,)}, "Unknown option of mlp: 'hiden'. Did you mean 'hidden'.*posterior"),
    ],
)
def test_an_option_that_an_architecture_has_not_is_explained(option, message):
    with pytest.raises(ValueError, match=message):
        VAE.from_architecture("mlp", (12,), 2, **option)


def test_the_settings_of_a_class_are_those_of_a_constructor_that_it_inherits():
    assert settings_of(likelihoods.DiscretizedLogistic) == {"levels", "kwargs"}


def test_an_architecture_of_ones_own_may_take_any_option():
    VAE.from_architecture(lambda *size, **options: architectures.mlp(*size), (12,), 2, beta=4)


def test_float64_is_refused_where_the_model_is_made():
    parts = architectures.mlp((12,), 2, hidden=(4,))
    with pytest.raises(ValueError, match=r"dtype policy must be 'float32'.*got 'float64'"):
        VAE(*parts, dtype="float64")


def test_a_layer_of_both_parts_is_refused():
    shared, x, z = layers.Dense(8, name="both"), keras.Input((12,)), keras.Input((2,))
    h = shared(layers.Dense(8)(x))
    parts = (
        keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)]),
        keras.Model(z, layers.Dense(12)(shared(layers.Dense(8)(z)))),
    )
    with pytest.raises(ValueError, match=r"must not share a layer.*both have both/kernel"):
        VAE(*parts)


def test_convolutions_are_the_same_whatever_keras_thinks_of_channels(digits):
    x, found = digits[:32, :7], []  # 7 rows: some are cropped
    for data_format in ("channels_last", "channels_first"):
        keras.config.set_image_data_format(data_format)
        try:
            vae = VAE.from_architecture("conv", (7, 8, 1), 2, filters=(4, 4), units=8, seed=0)
            vae.compile("adam")
            vae.fit(x, shuffle=False, verbose=0)
            found.append(vae.reconstruct(x))
        finally:
            keras.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("objective", [kind() for kind in OBJECTIVES.values()])
def test_the_settings_of_an_objective_stay(objective):
    for name, value in objective.get_config().items():
        with pytest.raises(AttributeError, match=rf"read-only.*vae\.objective = \w+\({name}="):
            setattr(objective, name, value)


@pytest.mark.parametrize("other", [ELBO(beta=50.0), IWAE(num_samples=3)])
def test_a_new_objective_counts_from_the_next_call_on(make_vae, digits, other):
    """Whichever function is called next, each of which was compiled before."""
    x, (sweep, fresh) = digits[:32], (make_vae(), make_vae())
    sweep.fit(x, verbose=0)
    sweep.evaluate(x, verbose=0)
    sweep.train_on_batch(x)
    sweep.test_on_batch(x)
    sweep.objective = other
    fresh.objective = other
    fresh.set_weights(sweep.get_weights())
    fresh.sampling.seed_generator.state.assign(array(sweep.sampling.seed_generator.state))
    for method in ("test_on_batch", "evaluate", "train_on_batch", "fit"):
        options = {"shuffle": False} if method == "fit" else {}
        found = [getattr(vae, method)(x, **options) for vae in (sweep, fresh)]
        if method == "fit":
            found = [history.history["loss"] for history in found]
        np.testing.assert_allclose(*found, rtol=1e-5, err_msg=method)
        fresh.set_weights(sweep.get_weights())  # their optimizers were not at the same step
