"""The layers that draw, and the clip that keeps a log-variance finite."""

import keras
from keras import ops

from keras_vae.distributions import full_normal

Z_LOG_VAR_RANGE = (-20.0, 10.0)  # standard deviations from 4.5e-5 to 148


@ops.custom_gradient
def clip_z_log_var(z_log_var):
    """Clips to `Z_LOG_VAR_RANGE`; the gradient passes as if it were not clipped.

    Inside the range this is the identity. Outside, exp(z_log_var) stays finite, and the gradient
    of the KL divergence still pulls the value back, where a plain clip would leave it stuck.
    """

    def gradient(*args, upstream=None):
        return args[0] if upstream is None else upstream

    return ops.clip(z_log_var, *Z_LOG_VAR_RANGE), gradient


class Seeded(keras.layers.Layer):
    """A layer that draws with a generator of its own.

    The state of the generator is saved with the weights, so training that goes on after loading
    does not repeat its noise.

    Args:
        seed: integer seed of what it draws; without one, every layer draws something else.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def save_own_variables(self, store):
        store["seed_generator_state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store):
        self.seed_generator.state.assign(store["seed_generator_state"])

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("keras_vae")
class Sampling(Seeded):
    """z = z_mean + exp(z_log_var / 2) * epsilon, with epsilon ~ N(0, I).

    The reparameterization trick: the randomness enters as an input, so gradients reach `z_mean`
    and `z_log_var`.

    Args:
        seed: integer seed of the noise. The state of the generator is saved with the weights, so
            training that goes on after loading does not repeat its noise.

    Call arguments:
        inputs: `[z_mean, z_log_var]`, each of shape `(B, latent_dim)`, or all parameters of a
            `distributions.FullNormal`.
        num_samples: draws K for each example, on a new axis 0; without it there is one draw and no
            such axis.
        epsilon: the noise to use, of the output's shape, instead of drawing it.

    Output shape: `(B, latent_dim)`, or `(num_samples, B, latent_dim)`.

    Example:

    >>> import numpy as np
    >>> z = Sampling(seed=0)([np.zeros((3, 2)), np.zeros((3, 2))], num_samples=5)
    >>> tuple(z.shape)
    (5, 3, 2)

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, section 2.4.
    """

    def call(self, inputs, num_samples=None, epsilon=None):
        qz_x = full_normal.posterior(*inputs)
        if epsilon is None:
            draws = () if num_samples is None else (num_samples,)
            epsilon = keras.random.normal(
                (*draws, *ops.shape(qz_x.mean)), dtype=qz_x.mean.dtype, seed=self.seed_generator
            )
        return qz_x.transform(epsilon)
