"""Score: how well a model explains data, by importance sampling, in batches of bounded memory."""

import itertools
import math

import keras
import numpy as np

from keras_vae import backend, noise
from keras_vae.models import fused_noise
from keras_vae.models.ahead import ahead
from keras_vae.models.arrays import check_batch_size, check_values, checked_array
from keras_vae.objectives import Densities


class Scoring:
    """What a trained VAE says of how likely data are."""

    def score(self, x, num_samples=100, seed=0, index=None, batch_size=None, label=None):
        """How well the model explains each example: estimates from `num_samples` draws of z.

        The same seed gives the same numbers, here and in `scorer.onnx`: an example takes the noise
        `keras_vae.noise.draws(seed, index, ...)`. So its score is the same alone, in a batch, and
        in any order, if its index is given.

        Args:
            x: `(B, *input_shape)`; packed rows are made an array batch by batch.
            num_samples: draws of z for each example, K, at least 1.
            seed: integer in [-2**63, 2**63).
            index: of each example, `(B,)`, whole numbers from 0 to 2**44 − 1; None: 0, 1, 2, …, for
                data that are scored whole. One number for all makes the score a function of x
                alone, so that equal examples have equal scores: for ranking examples. For the
                mean over a test set the examples' errors then no longer average out.
            batch_size: how many z are decoded at once; None: as many as are fast.
            label: for a conditional model, whose log p(x|y) it is: one, or one each, `(B,)`.

        Returns:
            A dictionary of arrays `(B,)`, in nats: `elbo` = −`reconstruction_loss` − `kl_loss`,
            whose KL divergence is in closed form where there is one, and `log_likelihood`,
            log (1/K) Σ p(x, z_k) / q(z_k|x), with z_k drawn from q(z|x).

        Raises:
            ValueError: `x` has another shape, or is outside the likelihood's support; another
                argument is out of range.

        Reference: Burda et al., Importance Weighted Autoencoders, 2016, equation 8.
        """
        x = checked_array("x", x, self.input_shape)
        log_px_z, kl, log_w = np.zeros(len(x)), np.zeros(len(x)), np.full(len(x), -np.inf)
        parts = self.densities_in_parts(x, num_samples, seed, index, batch_size, label)
        for rows, densities in parts:
            log_px_z[rows] += densities.log_px_z.sum(axis=0)
            kl[rows] += len(densities.log_px_z) * densities.kl_terms.sum(axis=-1)
            log_w[rows] = log_add(log_w[rows], densities.log_w)
        costs = {"reconstruction_loss": -log_px_z / num_samples, "kl_loss": kl / num_samples}
        log_likelihood = log_w - np.log(num_samples)
        return {"elbo": -sum(costs.values()), **costs, "log_likelihood": log_likelihood}

    def element_log_prob(self, x, num_samples=100, seed=0, index=None, batch_size=None, label=None):
        """Where an example is strange: the terms of E_q[log p(x|z)], element by element, in nats.

        The mean over the draws that `score` takes with the same arguments, so that the sum over an
        example is −`reconstruction_loss`.

        Args:
            x, num_samples, seed, index, batch_size, label: as in `score`.

        Returns:
            `(B, *likelihood.element_shape(input_shape))`, float64: a number for each element of x,
            or for each pixel or vector of classes whose entries go together, on a last axis of 1.

        Raises:
            ValueError: as `score`; the likelihood has no such terms.
        """
        x = checked_array("x", x, self.input_shape)
        parts = self._in_parts(self._element_terms, x, num_samples, seed, index, batch_size, label)
        total = np.zeros((len(x), *self.likelihood.element_shape(self.input_shape)))
        for rows, (terms,) in parts:
            total[rows] += terms.sum(axis=0)
        return total / num_samples

    def densities_in_parts(self, x, num_samples, seed=0, index=None, batch_size=None, label=None):
        """What `score` sums up, one by one: `(rows, densities)`, at most `batch_size` draws each.

        `rows` is a slice of the examples and `densities` the `Densities`, in float64, of their
        next draws. All the draws of some rows come before those of the next. Arguments and errors
        are those of `score`.
        """
        parts = self._in_parts(self._densities, x, num_samples, seed, index, batch_size, label)
        return ((rows, Densities(*columns)) for rows, columns in parts)

    def _in_parts(self, method, x, num_samples, seed, index, batch_size, label):
        """What `method` makes of x and noise, `(rows, arrays)`, after a look at the request."""
        x = checked_array("x", x, self.input_shape)
        check_values(self.likelihood, x)
        labels = self.labels.checked(label, len(x))
        noise.check_score(num_samples, seed)
        index = noise.checked_index(index, len(x))
        batch_size = rows_at_once(self.decoder) if batch_size is None else batch_size
        check_batch_size(batch_size)
        size = max(1, batch_size // num_samples)  # examples at once
        chunks = math.ceil(num_samples * size / batch_size)  # of equal size: one shape to compile
        draws = math.ceil(num_samples / chunks)
        return self._scored(method, (x, *labels), num_samples, seed, index, size, draws)

    def _scored(self, method, examples, num_samples, seed, index, size, draws):
        """The parts: `size` examples and `draws` draws for each, at once."""
        count = len(examples[0])
        starts = itertools.product(range(0, count, size), range(0, num_samples, draws))
        draw = fused_noise.fastest_draws(count * int(num_samples) * self.latent_dim)

        def part(start):
            i, k = start
            x, z = min(size, count - i), min(draws, num_samples - k)
            rows = slice(i, i + x)
            return rows, draw(seed, index[rows], k, z, self.latent_dim)

        run = self._programs.of(method, count * math.ceil(num_samples / draws), size)

        def begun():
            for rows, epsilon in (ahead if backend.LIMITS.draws_ahead else map)(part, starts):
                x, *label = (array[rows] for array in examples)
                yield rows, run(x, epsilon, *label)

        for rows, columns in one_behind(begun()):
            yield rows, tuple(column.astype("float64") for column in as_arrays(columns))

    def _densities(self, x, epsilon, label=None):
        return self._drawn(x, epsilon, label)[0]

    def _element_terms(self, x, epsilon, label=None):
        return (self.likelihood.element_log_prob(x, self._drawn(x, epsilon, label)[1]),)

    def _drawn(self, x, epsilon, label):
        """The `Densities` of draws of q(z|x), and their x_params."""
        label = self.labels.encoded(label)
        z, qz_x, decode = self.draw(self.posterior(x), epsilon)
        return self.densities(x, qz_x, z, label=label, decode=decode)


def rows_at_once(decoder):
    """Returns how many z to decode at once, by the largest layer of the decoder and models in it.

    More take more memory and save little time, or none.
    """
    return max(1, min(backend.LIMITS.rows, backend.LIMITS.values // largest_layer(decoder)))


def largest_layer(model):
    """How many numbers the largest layer of a model, and of models in it, makes of one example."""
    outputs = [getattr(layer, "output", []) for layer in model._flatten_layers()]
    shapes = [output.shape[1:] for output in keras.tree.flatten(outputs)]
    return max(math.prod(size or 1 for size in shape) for shape in shapes)


def one_behind(items):
    """`items`, each when the next one has been begun: there is something to compute meanwhile.

    So two are in memory, and the error of one is raised before the one before it is given.

    Example:

    >>> def begun():
    ...     for item in range(2):
    ...         print("begin", item)
    ...         yield item
    >>> for item in one_behind(begun()):
    ...     print("wait for", item)
    begin 0
    begin 1
    wait for 0
    wait for 1
    """
    items = iter(items)
    begun = list(itertools.islice(items, 1))
    for item in items:
        yield begun.pop()
        begun.append(item)
    yield from begun


def as_arrays(tensors):
    """Tensors as NumPy arrays, as soon as they are computed."""
    return tuple(map(keras.ops.convert_to_numpy, tensors))


def log_add(total, log_w):
    """log(exp(total) + Σ exp(log_w)), `log_w` summed over axis 0."""
    with np.errstate(invalid="ignore"):  # of a model that diverged
        return np.logaddexp(total, np.logaddexp.reduce(log_w, axis=0))
