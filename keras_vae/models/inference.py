"""Encode, decode, reconstruct and sample: arrays in, arrays out, in batches of bounded memory."""

import numpy as np
from keras import ops

from keras_vae import noise
from keras_vae.models.guards import checked_array, checked_finite


class Inference:
    """What a trained VAE is used for."""

    def encode(self, x, batch_size=256):
        """`(z_mean, z_log_var)`, `(B, latent_dim)` each."""
        x = checked_finite("x", x, self.input_shape)
        return self._in_batches(self.posterior, batch_size, x)

    def decode(self, z, batch_size=256):
        """`x_hat`, the mean of p(x|z): `(B, *input_shape)`."""
        z = checked_finite("z", z, (self.latent_dim,))
        return self._in_batches(lambda z: (self._x_hat(z),), batch_size, z)[0]

    def reconstruct(self, x, batch_size=256):
        """`x_hat` at z = z_mean: `(B, *input_shape)`."""
        return self.decode(self.encode(x, batch_size)[0], batch_size)

    def sample(self, count, seed=0, temperature=1.0, first=0, batch_size=256):
        """`x_hat` of z drawn from the prior: `(count, *input_shape)`.

        Args:
            count: number of samples.
            seed: integer; sample i of a seed is always the same.
            temperature: factor of the noise; 1 draws from the prior, less draws nearer its middle.
            first: index of the first sample.
        """
        noise.check_draw(count, seed, temperature, first)
        epsilon = noise.latent(seed, first, count, self.latent_dim)
        with np.errstate(over="ignore"):
            epsilon = np.float32(temperature) * epsilon
        if not np.isfinite(epsilon).all():
            raise ValueError(f"temperature {temperature} is more than float32 can hold")
        return self._in_batches(
            lambda epsilon: (self._x_hat(self.prior.transform(epsilon)),), batch_size, epsilon
        )[0]

    def costs(self, x, epsilon, batch_size=256):
        """`reconstruction_loss` and `kl_loss`, `(B,)` each, in nats, at one draw of z each.

        Args:
            x: `(B, *input_shape)`.
            epsilon: the noise of the draws, `(B, latent_dim)`.
        """
        x = checked_array("x", x, self.input_shape)
        self.likelihood.check(x)

        def costs(x, epsilon):
            bound = self.bound(x, epsilon[None])
            return bound.reconstruction_loss, bound.kl_loss

        names = ("reconstruction_loss", "kl_loss")
        return dict(zip(names, self._in_batches(costs, batch_size, x, epsilon), strict=True))

    def _x_hat(self, z):
        return self.likelihood.mean(self.x_params(z))

    def _in_batches(self, function, batch_size, *arrays):
        """`function` of tensors to a tuple of tensors, over rows of `arrays`, as arrays."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size!r}")
        batches = [
            function(
                *(ops.convert_to_tensor(a[i : i + batch_size], self.variable_dtype) for a in arrays)
            )
            for i in range(0, max(len(arrays[0]), 1), batch_size)  # an empty batch has a shape too
        ]
        return tuple(
            np.concatenate([ops.convert_to_numpy(h) for h in column])
            for column in zip(*batches, strict=True)
        )
