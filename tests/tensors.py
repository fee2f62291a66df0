"""Arrays and gradients of tensors, whatever the backend: tests are about the numbers."""

import keras
import pytest
from keras import ops

from keras_vae import noise
from keras_vae.distributions import priors

SMALL = {"flow_matching": {"hidden": (16,), "steps": 3}}
array = ops.convert_to_numpy


def drawn(likelihood, x_params, seed=0):
    """x ~ p(x|z) for each row of `x_params`, an array."""
    event = likelihood.mean(x_params).shape[1:]
    u = noise.event(seed, 0, len(x_params), likelihood.noise_shape(event))
    return array(likelihood.draw(x_params, u))


def small_prior(name):
    """The prior of that name, a small one where its own size would take long."""
    return priors.PRIORS[name](**SMALL.get(name, {}))


def stream(*arrays, batch_size=32):
    """A tf.data.Dataset in batches, which `fit` does not check before the first step.

    TensorFlow is imported here, so that the tests of other backends run where it is missing.
    """
    data = pytest.importorskip("tensorflow").data.Dataset
    return data.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(batch_size)


def value_and_gradients(function, variables):
    """`function` of arrays to one number, as a function to the number and its gradients: arrays."""
    differentiate = globals()[keras.config.backend()](function, variables)

    def compute(*args):
        value, gradients = differentiate(*map(ops.convert_to_tensor, args))
        return float(value), [array(gradient) for gradient in gradients]

    return compute


def tensorflow(function, variables):
    import tensorflow as tf

    @tf.function
    def compute(*args):
        with tf.GradientTape() as tape:
            value = function(*args)
        return value, tape.gradient(value, [v.value for v in variables])

    return compute


def jax(function, variables):
    from jax import jit, value_and_grad

    def stateless(values, *args):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function(*args)

    compute = jit(value_and_grad(stateless))
    return lambda *args: compute([v.value for v in variables], *args)


def torch(function, variables):
    from torch import autograd

    def compute(*args):
        value = function(*args)
        return value, autograd.grad(value, [v.value for v in variables])

    return compute


class Batches(keras.utils.PyDataset):
    """The whole batches of 32 of an array."""

    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return len(self.x) // 32

    def __getitem__(self, index):
        return (self.x[32 * index : 32 * (index + 1)],)
