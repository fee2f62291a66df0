"""The likelihood of binary data."""

import keras
from keras import ops

from keras_vae.distributions.base import Elementwise


@keras.saving.register_keras_serializable("keras_vae")
class Bernoulli(Elementwise):
    """log p(x|z) = Σ x · x_logits − softplus(x_logits), for binary x.

    For pixels that are 0 or 1. Grey values are not binary: binarize them, or use a density.

    Example:

    >>> import numpy as np
    >>> x, x_logits = np.ones((1, 4), "float32"), np.zeros((1, 4), "float32")
    >>> round(float(Bernoulli().log_prob(x, x_logits)[0]), 4)  # 4 log(1/2)
    -2.7726

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, appendix C.1.
    """

    raw_of_either_sign = True
    support = "binary data (0 or 1)"
    advice = (
        "Binarize grey values by keras_vae.datasets.binarize, in training anew in each step by "
        "augment='binarize', or use a density, likelihood='normal'"
    )

    def log_density(self, x, x_logits):
        # softplus(a) = (a + |a|) / 2 − log sigmoid(|a|), without log1p, which no runtime has fast
        size = ops.abs(x_logits)
        return (x - 0.5) * x_logits - 0.5 * size + ops.log(ops.sigmoid(size))

    def mean(self, x_logits):
        return ops.sigmoid(x_logits)

    def draw_each(self, u, x_logits):
        return ops.cast(u < ops.sigmoid(x_logits), x_logits.dtype)

    def in_support(self, x):
        return ops.equal(x, ops.square(x))

    def all_in_support(self, x, axes):
        # A sum is 0 if all its terms are; a comparison of each takes PyTorch a tenth of a step.
        return ops.equal(ops.sum(ops.abs(x - ops.square(x)), axis=axes), 0)
