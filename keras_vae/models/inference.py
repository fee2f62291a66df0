"""Encode, decode, reconstruct, sample: arrays in, arrays out, in batches of bounded memory."""

import math

import numpy as np

from keras_vae import noise
from keras_vae.models.arrays import check_batch_size, checked_finite
from keras_vae.models.imputing import Imputing
from keras_vae.models.scoring import as_arrays


class Inference(Imputing):
    """What a trained VAE is used for; `Programs` says what of it is compiled."""

    def encode(self, x, batch_size=256):
        """`(z_mean, z_log_var)`, `(B, latent_dim)` each; x may be sparse rows."""
        x = checked_finite("x", x, self.input_shape, self.likelihood.missing)
        return self._in_batches(self._z, batch_size, x)

    def decode(self, z, batch_size=256, label=None):
        """`x_hat`, the mean of p(x|z): `(B, *input_shape)`.

        A conditional model is given `label`: one for all, or one for each z, `(B,)`.
        """
        z = checked_finite("z", z, (self.latent_dim,))
        labels = self.labels.checked(label, len(z))
        return self._in_batches(self._x_hat, batch_size, z, *labels)[0]

    def reconstruct(self, x, batch_size=256, label=None):
        """`x_hat` at z = z_mean: `(B, *input_shape)`; see `decode` for `label`."""
        return self.decode(self.encode(x, batch_size)[0], batch_size, label)

    def sample(
        self, count, seed=0, temperature=1.0, first=0, batch_size=256, label=None, mean=True
    ):
        """`x_hat`, the mean of p(x|z), or x ~ p(x|z), for z drawn from the prior.

        A mean is smooth, and need not be a value that x can have: the mean of counts is no count.

        Args:
            count: number of samples.
            seed: integer; sample i of a seed is always the same.
            temperature: factor of the noise of z; 1 draws from the prior, less draws nearer its
                middle. What x is drawn by stays as it is.
            first: index of the first sample.
            label: for a conditional model: what to draw, one label for all.
            mean: True: `x_hat`, as sampler.onnx gives it. False: x, as generator.onnx does.

        Returns:
            `(count, *input_shape)`, float32.

        Raises:
            ValueError: an argument is out of range, or so many samples do not fit into memory.
        """
        noise.check_draw(count, seed, temperature, first)
        check_batch_size(batch_size)
        label = self.labels.checked_one(label)
        shape = self.likelihood.noise_shape(self.input_shape)
        noise.event_size(() if mean else shape)
        x = self._empty(count)
        method = self._x_hat_of_noise if mean else self._x_of_noise
        run = self._programs.of(method, count, batch_size)
        for start in range(0, count, batch_size):
            rows = first + start, min(batch_size, count - start)
            epsilon = self._noise(rows[1], seed, temperature, rows[0])
            u = [noise.component(seed, *rows)]
            u += [] if mean else [noise.event(seed, *rows, shape)]
            (x[start : start + batch_size],) = as_arrays(run(epsilon, *u, *label))
        return x

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

    def _z(self, x):
        return self.levels.encoded(self.posterior(x))

    def _x_hat_of_noise(self, epsilon, u, label=None):
        label = self.labels.encoded(label)
        return (self.likelihood.mean(self._x_params_of_noise(epsilon, u, label)),)

    def _x_of_noise(self, epsilon, u, u_of_x, label=None):
        label = self.labels.encoded(label)
        return (self.likelihood.draw(self._x_params_of_noise(epsilon, u, label), u_of_x),)

    def _x_params_of_noise(self, epsilon, u, label):
        return self.x_params(self.prior.given(label).transform(epsilon, u), label=label)

    def _x_hat(self, z, label=None):
        return (self.likelihood.mean(self.x_params(z, label=self.labels.encoded(label))),)

    def _in_batches(self, function, batch_size, *arrays):
        """`function` of tensors to a tuple of tensors, over rows of `arrays`, as arrays."""
        check_batch_size(batch_size)
        count = len(arrays[0])
        run = self._programs.of(function, count, batch_size)
        if not count:  # TensorFlow gives the convolution of an empty batch a wrong shape
            arrays = [np.zeros((1, *a.shape[1:]), a.dtype) for a in arrays]
        batches = [
            as_arrays(run(*(a[i : i + batch_size] for a in arrays)))
            for i in range(0, len(arrays[0]), batch_size)
        ]
        return tuple(np.concatenate(column)[:count] for column in zip(*batches, strict=True))
