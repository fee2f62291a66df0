"""What a trained model is worth, in nats, with its error bar."""

from typing import NamedTuple

import numpy as np

from keras_vae import noise


class Estimate(NamedTuple):
    """A mean over examples and its standard error, both in nats."""

    mean: float
    standard_error: float

    def __str__(self):
        return f"{self.mean:.2f} ± {self.standard_error:.2f}"


def estimate(values):
    """The mean of `values`, `(N,)`, with the standard error of the mean.

    Example:

    >>> print(estimate(np.array([1.0, 3.0])))
    2.00 ± 1.00
    """
    values = np.asarray(values, "float64")
    spread = values.std(ddof=1) if len(values) > 1 else float("nan")
    return Estimate(float(values.mean()), float(spread / np.sqrt(len(values))))


def bounds(vae, x, seed=0, batch_size=256):
    """The evidence lower bound of each example and its two terms, with one draw of z each.

    Unlike `evaluate`, which draws new noise each time, the same seed gives the same numbers.

    Args:
        vae: the model.
        x: `(N, *input_shape)`.
        seed: integer seed of the noise; example i is given the noise of sample i.

    Returns:
        A dictionary of `elbo`, `reconstruction_loss` and `kl_loss`, `(N,)` each, in nats:
        elbo = −reconstruction_loss − kl_loss.

    Raises:
        ValueError: `x` is empty, has another shape than the model's, or is outside the support.
    """
    if not len(x):
        raise ValueError("x holds no example")
    epsilon = noise.latent(seed, 0, len(x), vae.latent_dim)
    costs = vae.costs(x, epsilon, batch_size)
    return {"elbo": -sum(costs.values()), **costs}
