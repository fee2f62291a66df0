"""The likelihood of one of a number of classes."""

import math

import keras
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Likelihood


@keras.saving.register_keras_serializable("keras_vae")
class Categorical(Likelihood):
    """log p(x|z) = Σ x · log_softmax(x_logits), for one-hot x, the classes on its last axis.

    For discrete vectors, such as the letters of a sequence: x is `(B, ..., num_classes)`.

    Example:

    >>> import numpy as np
    >>> x, x_logits = np.eye(3, dtype="float32")[:1], np.zeros((1, 3), "float32")
    >>> round(float(Categorical().log_prob(x, x_logits)[0]), 4)  # log(1/3)
    -1.0986

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 2.2.
    """

    raw_of_either_sign = True
    support = "one-hot vectors, with the classes on the last axis"
    advice = "Give x as keras.ops.one_hot(labels, num_classes)"

    def log_prob(self, x, x_logits):
        return self.total(x * ops.log_softmax(x_logits, axis=-1), x)

    def element_shape(self, event_shape):
        return (*event_shape[:-1], 1)

    def element_log_prob(self, x, x_logits):
        terms = ops.sum(x * ops.log_softmax(x_logits, axis=-1), axis=-1, keepdims=True)
        return ops.where(ops.all(self.in_support(x), axis=-1, keepdims=True), terms, -math.inf)

    def mean(self, x_logits):
        return ops.exp(ops.log_softmax(x_logits, axis=-1))  # softmax warns of a single class

    def noise_shape(self, event_shape):
        """One number for all classes."""
        return tuple(event_shape[:-1])

    def draw(self, x_logits, u):
        return drawing.one_hot(ops.log_softmax(x_logits, axis=-1), u)

    def in_support(self, x):
        binary = ops.logical_or(ops.equal(x, 0), ops.equal(x, 1))
        single = ops.equal(ops.sum(x, axis=-1, keepdims=True), 1)
        return ops.logical_and(binary, single)
