"""Encode, decode, reconstruct and sample: arrays in, arrays out, in batches of bounded memory."""

import math

import numpy as np
from keras import ops

from keras_vae import noise
from keras_vae.models.guards import check_batch_size, checked_array, checked_finite


class Inference:
    """What a trained VAE is used for."""

    def encode(self, x, batch_size=256):
        """`(z_mean, z_log_var)`, `(B, latent_dim)` each."""
        x = checked_finite("x", x, self.input_shape)
        return self._in_batches(lambda x: self.posterior(x)[:2], batch_size, x)

    def decode(self, z, batch_size=256, label=None):
        """`x_hat`, the mean of p(x|z): `(B, *input_shape)`.

        A conditional model is given `label`: one for all, or one for each z, `(B,)`.
        """
        z = checked_finite("z", z, (self.latent_dim,))
        labels = self.checked_labels(label, len(z))
        return self._in_batches(self._x_hat, batch_size, z, *labels)[0]

    def reconstruct(self, x, batch_size=256, label=None):
        """`x_hat` at z = z_mean: `(B, *input_shape)`; see `decode` for `label`."""
        return self.decode(self.encode(x, batch_size)[0], batch_size, label)

    def sample(self, count, seed=0, temperature=1.0, first=0, batch_size=256, label=None):
        """`x_hat` of z drawn from the prior: `(count, *input_shape)`.

        Args:
            count: number of samples.
            seed: integer; sample i of a seed is always the same.
            temperature: factor of the noise; 1 draws from the prior, less draws nearer its middle.
            first: index of the first sample.
            label: for a conditional model: what to draw, one label for all.

        Raises:
            ValueError: an argument is out of range, or so many samples do not fit into memory.
        """
        noise.check_draw(count, seed, temperature, first)
        check_batch_size(batch_size)
        label = self.checked_label(label)
        x_hat = self._empty(count)
        for start in range(0, count, batch_size):
            size = min(batch_size, count - start)
            epsilon = self._noise(size, seed, temperature, first + start)
            x_hat[start : start + size] = self._in_batches(
                lambda epsilon, u: self._x_hat(self.prior.transform(epsilon, u), *label),
                batch_size,
                epsilon,
                noise.component(seed, first + start, size),
            )[0]
        return x_hat

    def _empty(self, count):
        """Memory for `count` examples."""
        shape = (count, *self.input_shape)
        try:
            return np.empty(shape, "float32")
        except (MemoryError, ValueError) as error:
            gigabytes = 4e-9 * math.prod(shape)
            raise ValueError(
                f"{count} samples take {gigabytes:.3g} GB, more than there is memory for: draw "
                "them in parts, as in sample(1000, first=0), sample(1000, first=1000)"
            ) from error

    def _noise(self, count, seed, temperature, first):
        with np.errstate(over="ignore"):
            epsilon = np.float32(temperature) * noise.latent(seed, first, count, self.latent_dim)
        if not np.isfinite(epsilon).all():
            raise ValueError(f"temperature {temperature} is more than float32 can hold")
        return epsilon

    def score(self, x, num_samples=100, seed=0, first=0, batch_size=256, label=None):
        """How well the model explains each example: estimates from `num_samples` draws of z.

        The same seed gives the same numbers, here and in `scorer.onnx`: example i takes the noise
        `keras_vae.noise.draws(seed, first + i, ...)`.

        Args:
            x: `(B, *input_shape)`.
            num_samples: draws of z for each example, K, at least 1.
            seed: integer in [-2**63, 2**63).
            first: index of the first example, for data that are scored in parts.
            batch_size: how many z are decoded at once.
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
        parts = self.densities_in_parts(x, num_samples, seed, first, batch_size, label)
        for rows, densities in parts:
            log_px_z[rows] += densities.log_px_z.sum(axis=0)
            kl[rows] += len(densities.log_px_z) * densities.kl_terms.sum(axis=-1)
            log_w[rows] = log_add(log_w[rows], densities.log_w)
        costs = {"reconstruction_loss": -log_px_z / num_samples, "kl_loss": kl / num_samples}
        log_likelihood = log_w - np.log(num_samples)
        return {"elbo": -sum(costs.values()), **costs, "log_likelihood": log_likelihood}

    def densities_in_parts(self, x, num_samples, seed=0, first=0, batch_size=256, label=None):
        """What `score` sums up, one by one: `(rows, densities)`, at most `batch_size` draws each.

        `rows` is a slice of the examples and `densities` the `Densities`, in float64, of their
        next draws. All the draws of some rows come before those of the next. Arguments and errors
        are those of `score`.
        """
        x = checked_array("x", x, self.input_shape)
        self.likelihood.check(x)
        labels = self.checked_labels(label, len(x))
        noise.check_score(len(x), num_samples, seed, first)
        check_batch_size(batch_size)
        size = max(1, batch_size // num_samples)
        return (
            (slice(i, i + size), densities)
            for i in range(0, len(x), size)
            for densities in self._score(
                (array[i : i + size] for array in (x, *labels)),
                num_samples,
                seed,
                first + i,
                batch_size // size,
            )
        )

    def _score(self, examples, num_samples, seed, first, draws):
        """The `Densities` of `num_samples` draws for each example, `draws` draws at once."""
        x, *label = (self._tensor(array) for array in examples)
        qz_x, label = self.posterior(x), self.one_hot(*label or [None])
        for start in range(0, num_samples, draws):
            size = min(draws, num_samples - start)
            epsilon = noise.draws(seed, first, len(x), start, size, self.latent_dim)
            yield self._densities(x, qz_x, epsilon, label)

    def _densities(self, x, qz_x, epsilon, label):
        z = self.draw(qz_x, self._tensor(epsilon))
        densities, _ = self.densities(x, qz_x, z, label=label)
        return type(densities)(*(ops.convert_to_numpy(d).astype("float64") for d in densities))

    def _x_hat(self, z, label=None):
        return (self.likelihood.mean(self.x_params(z, label=self.one_hot(label))),)

    def _tensor(self, array):
        """`array` as a tensor; labels, the only integers of one axis, stay whole numbers."""
        labels = array.ndim == 1 and array.dtype.kind == "i"
        dtype = "int32" if labels else self.variable_dtype
        return ops.convert_to_tensor(array, dtype)

    def _in_batches(self, function, batch_size, *arrays):
        """`function` of tensors to a tuple of tensors, over rows of `arrays`, as arrays."""
        check_batch_size(batch_size)
        count = len(arrays[0])
        if not count:  # TensorFlow gives the convolution of an empty batch a wrong shape
            arrays = [np.zeros((1, *a.shape[1:]), a.dtype) for a in arrays]
        batches = [
            function(*(self._tensor(a[i : i + batch_size]) for a in arrays))
            for i in range(0, len(arrays[0]), batch_size)
        ]
        return tuple(
            np.concatenate([ops.convert_to_numpy(h) for h in column])[:count]
            for column in zip(*batches, strict=True)
        )


def log_add(total, log_w):
    """log(exp(total) + Σ exp(log_w)), `log_w` summed over axis 0."""
    with np.errstate(invalid="ignore"):  # of a model that diverged
        return np.logaddexp(total, np.logaddexp.reduce(log_w, axis=0))
