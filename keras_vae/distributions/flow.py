"""A normalizing flow as the prior p(z): affine couplings, invertible by construction."""

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.base import Prior, check_count
from keras_vae.distributions.diagonal_normal import standard_normal
from keras_vae.distributions.tensors import TakesArrays


@keras.saving.register_keras_serializable("keras_vae")
class FlowPrior(Prior):
    """log p(z) = log N(f⁻¹(z); 0, I) + log |det ∂f⁻¹/∂z|, with f a chain of `AffineCoupling`.

    Both directions and the determinant are exact and cost the same. At first f is the identity.

    Args:
        num_layers: couplings; they leave even and odd entries of z unchanged by turns.
        units: of the two hidden layers of each coupling.
        seed: integer seed of the initial weights.

    Raises:
        ValueError: `num_layers` is not a whole number from 1 to 1000, or `units` not one >= 1.

    Example:

    >>> import numpy as np
    >>> prior = FlowPrior(num_layers=2)
    >>> prior.build((None, 2))
    >>> round(float(prior.log_prob(np.zeros((1, 2), "float32"))[0]), 4)  # -log(2 pi)
    -1.8379

    Reference: Dinh et al., Density Estimation Using Real NVP, 2017, section 3.
    """

    warmup_epochs = 4

    def __init__(self, num_layers=6, units=64, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.num_layers = check_count("num_layers", num_layers)
        if num_layers > 1000:  # each is made by itself, as a model's file may ask for
            raise ValueError(f"num_layers must be at most 1000, got {num_layers}")
        self.units = check_count("units", units)
        self.seed = seed

    def build(self, input_shape):
        super().build(input_shape)
        self.couplings = [
            AffineCoupling(i % 2, self.units, self.seed + i, dtype=self.variable_dtype)
            for i in range(self.num_layers)
        ]
        for coupling in self.couplings:
            coupling.build(input_shape)

    def transform(self, epsilon, u=None):
        z = epsilon
        for coupling in self.couplings:
            z = coupling.forward(z)
        return z

    def inverse(self, z):
        """f⁻¹(z), `(..., latent_dim)`, and log |det ∂f⁻¹/∂z|, `(...)`."""
        log_det = 0.0
        for coupling in reversed(self.couplings):
            z, change = coupling.inverse(z)
            log_det = log_det + change
        return z, log_det

    def log_prob(self, z):
        epsilon, log_det = self.inverse(z)
        return standard_normal(epsilon).log_prob(epsilon) + log_det

    def get_config(self):
        sizes = {"num_layers": self.num_layers, "units": self.units, "seed": self.seed}
        return {**super().get_config(), **sizes}


class AffineCoupling(TakesArrays, keras.layers.Layer):
    """z_j ↦ z_j exp(s_j) + t_j for half of the entries; s and t are functions of the other half.

    |s_j| < 1, by a tanh, so that no layer scales by more than e.

    Args:
        kept: 0 or 1: entry j stays as it is if j mod 2 is `kept`.
        units: of the two hidden layers that compute s and t.
        seed: integer seed of the initial weights.

    Example:

    >>> import numpy as np
    >>> coupling = AffineCoupling(kept=0, units=8, seed=0)
    >>> coupling.build((None, 3))
    >>> z = np.ones((1, 3), "float32")
    >>> [float(value) for value in coupling.forward(z)[0]]  # at first the identity
    [1.0, 1.0, 1.0]

    Reference: Dinh et al., Density Estimation Using Real NVP, 2017, equations 7 to 9.
    """

    on_arrays = ("forward", "inverse")

    def __init__(self, kept, units, seed, **kwargs):
        super().__init__(**kwargs)
        self.kept = kept
        self.net = [
            keras.layers.Dense(
                units,
                activation="relu",
                kernel_initializer=keras.initializers.GlorotUniform(2 * seed + i),
                dtype=self.dtype_policy,
            )
            for i in range(2)
        ]

    def build(self, input_shape):
        latent_dim = input_shape[-1]
        self.mask = (np.arange(latent_dim) % 2 == self.kept).astype(self.variable_dtype)
        zeros = {"kernel_initializer": "zeros", "dtype": self.dtype_policy}
        self.net.append(keras.layers.Dense(2 * latent_dim, **zeros))
        for layer in self.net:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def forward(self, z):
        """f(z): `(..., latent_dim)`."""
        log_scale, shift = self._scale_and_shift(z)
        return z * ops.exp(log_scale) + shift

    def inverse(self, z):
        """f⁻¹(z), `(..., latent_dim)`, and log |det ∂f⁻¹/∂z|, `(...)`."""
        log_scale, shift = self._scale_and_shift(z)
        return (z - shift) * ops.exp(-log_scale), -ops.sum(log_scale, axis=-1)

    def _scale_and_shift(self, z):
        """s and t, which are the same before and after: they see what is kept alone."""
        kept = ops.convert_to_tensor(self.mask)
        h = z * kept
        for layer in self.net:
            h = layer(h)
        log_scale, shift = ops.split(h, 2, axis=-1)
        return ops.tanh(log_scale) * (1 - kept), shift * (1 - kept)
