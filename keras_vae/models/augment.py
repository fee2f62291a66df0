"""What a model does to x in training alone: `augment=`, in the step."""

import keras
import numpy as np
from keras import ops

from keras_vae import backend
from keras_vae.distributions.transformed import Transformed
from keras_vae.layers import Seeded
from keras_vae.lookup import lookup, named
from keras_vae.models.arrays import checked_finite


@keras.saving.register_keras_serializable("keras_vae")
class Binarize(Seeded):
    """x_binary ~ Bernoulli(x): grey levels become black and white, anew each time they are seen.

    As `augment` of a `VAE` it lets a Bernoulli be trained on grey images. What the model is tested
    on is binarized once, by `keras_vae.datasets.binarize`.

    Args:
        seed: integer seed of the draws. The state of the generator is saved with the weights.

    Call arguments:
        inputs: grey levels, of any shape: floating-point numbers from 0 to 1, or whole ones from 0
            to 255. If there are others, all becomes NaN, and a training step skips that.

    Output shape: that of the inputs, as zeros and ones.

    Example:

    >>> x_binary = Binarize(seed=0)(np.array([[0.0, 1.0, 1.0, 0.0]]))
    >>> ops.convert_to_numpy(x_binary)
    array([[0., 1., 1., 0.]], dtype=float32)

    Reference: Salakhutdinov & Murray, On the Quantitative Analysis of Deep Belief Networks, 2008,
    section 5.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(seed, **{"autocast": False, **kwargs})

    def call(self, inputs):
        inputs = ops.convert_to_tensor(inputs)
        x = ops.cast(inputs, self.variable_dtype) / white(inputs)
        u = backend.uniform(tuple(ops.shape(x)), self.seed_generator, x.dtype)
        binary = ops.cast(u < x, x.dtype)
        if keras.backend.standardize_dtype(inputs.dtype) == "uint8":
            return binary  # whatever a byte holds is a grey level
        are_grey = ops.logical_and(ops.min(x) >= 0, ops.max(x) <= 1)
        return binary + ops.where(are_grey, 0.0, np.nan)

    def check(self, x):
        """Raises `ValueError` unless `x` holds grey levels alone."""
        low, high = float(np.min(x)), float(np.max(x))
        if not 0 <= low <= high <= white(x):
            raise ValueError(
                "x must hold grey levels to be binarized, from 0 to 1 or whole ones from 0 to 255, "
                f"got values from {low:g} to {high:g}: scale it, as x / 255 does with 8-bit pixels"
            )


def white(x):
    """The largest grey level of an array of this dtype."""
    return 255 if "int" in keras.backend.standardize_dtype(x.dtype) else 1


AUGMENTS = {"binarize": Binarize}
APART = 2**30
"""How far the seed of an `augment` that goes by a name is from that of the model's epsilon: of one
seed, both would be made of the same random words."""
ROWS = 256
"""How many examples are augmented before training begins, to see what comes of them."""


def get(augment, seed=None):
    """Returns the layer that goes by a name; or the layer itself, or None.

    Args:
        augment: a name, a layer or None.
        seed: of the model; a layer that goes by a name draws with one far from it.

    Example:

    >>> get("binarize", seed=1).seed
    1073741825
    """
    if augment is None:
        return None
    if isinstance(augment, str):
        apart = None if seed is None else (seed + APART) % 2**31
        return named("augment", augment, AUGMENTS)(seed=apart)
    return lookup("augment", augment, AUGMENTS, keras.layers.Layer)


def augmented(augment, likelihood, x):
    """x as `augment` makes it, which sees it after the preprocessing, if there is any."""
    if _maps(likelihood):
        return likelihood.inverse(_applied(augment, likelihood.preprocess(x)))
    return _applied(augment, x)


def _applied(augment, x):
    if isinstance(augment, Binarize):
        return augment.call(x)  # what Keras does around it takes longer on PyTorch than it does
    return augment(x, training=True)


def _maps(likelihood):
    return isinstance(likelihood, Transformed)


def check(augment, likelihood, x):
    """Raises `ValueError` unless `likelihood` has a density for what `augment` makes of `x`.

    Of a layer of Keras that is seen by the first examples alone; in training, a step in which it
    is not so is skipped.
    """
    x = checked_finite("x", x, x.shape[1:])
    if isinstance(augment, Binarize):
        augment.check(ops.convert_to_numpy(likelihood.preprocess(x)) if _maps(likelihood) else x)
        return
    some = ops.convert_to_numpy(augmented(augment, likelihood, ops.convert_to_tensor(x[:ROWS])))
    if some.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"augment must leave the shape of an example as it is, {x.shape[1:]}, but "
            f"{type(augment).__name__} makes {some.shape[1:]} of it"
        )
    likelihood.check(some)
