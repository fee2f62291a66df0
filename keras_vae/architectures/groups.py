"""The layers of a top-down hierarchy: a start, and groups of latents one after the other."""

import math

import keras
from keras import layers, ops

from keras_vae.architectures.heads import Seeded

LOG_SCALE = 5.0
"""The scale of a group in the prior stays between exp(-5) and exp(5)."""


@keras.saving.register_keras_serializable("keras_vae")
class Start(layers.Layer):
    """What the top of a hierarchy begins with, whatever z: learned, the same for every example.

    Args:
        shape: of it, for one example.

    Call arguments:
        z: `(B, latent_dim)`, for the size of the batch.

    Output shape: `(B, *shape)`.
    """

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, input_shape):
        self.value = self.add_weight(self.shape, "zeros", name="value")

    def call(self, z):
        nothing = ops.reshape(0 * z[:, :1], (-1, *(1 for _ in self.shape)))
        return nothing + ops.convert_to_tensor(self.value)

    def get_config(self):
        return {**super().get_config(), "shape": list(self.shape)}


@keras.saving.register_keras_serializable("keras_vae")
class Group(layers.Layer):
    """One group of latents: p(z_l | z_<l), q(z_l | x, z_<l), and what z_l adds to the path.

    All that is above, z_<l, stands in the state h of the path from top to bottom. The prior of the
    group is N(m(h), s(h)²), and the posterior is relative to it: its mean is m + s · mean, and its
    standard deviation s · exp(log_var / 2). So z_l is written in the unit of the prior, as
    (latent − m) / s: then the prior of z_l is N(0, I) whatever h, and its posterior is N(mean,
    exp(log_var)). Nothing else changes by that: the densities of both change by the same factor.

    Args:
        shape: of the state for one example, `(height, width, channels)` or `(units,)`.
        channels: of z_l, at each position of a map.
        begin: where z_l stands in the vector z.
        level: which output of the encoder its posterior looks at.
        activation: of the hidden layers.
        seed: integer seed of the initial weights; at first posterior and prior are the same.

    Call arguments:
        inputs: `[h, z]`, the state `(B, *shape)` and the whole of z, `(B, latent_dim)`.

    Output shape: the state after the group, `(B, *shape)`.

    Reference: Vahdat & Kautz, NVAE: A Deep Hierarchical Variational Autoencoder, 2020, sections
    3.1 and 3.2 (the residual normal); Child, Very Deep VAEs, 2021, figure 3.
    """

    def __init__(self, shape, channels, begin, level, activation="silu", seed=None, **kwargs):
        super().__init__(**kwargs)
        self.shape, self.channels, self.begin, self.level = tuple(shape), channels, begin, level
        self.activation, self.seed = activation, seed
        self.size = channels * math.prod(self.shape[:-1])
        *space, width = self.shape
        net = Net(len(space), activation, Seeded(seed), self.dtype_policy)
        h, f = keras.Input(self.shape), keras.Input(self.shape)
        v = keras.Input((*space, channels))
        self.prior = keras.Model(h, net.inner(h, width, 2 * channels + width))
        both = net.made(layers.Concatenate)([h, f])
        self.merged = keras.Model([h, f], net.inner(both, width, 2 * channels))
        grown = net.made(layers.Add)([h, net.plain(v, width)])
        self.grown = keras.Model([h, v], net.block(grown))
        self.built = True

    @property
    def place(self):
        """Where z_l stands in the vector z."""
        return slice(self.begin, self.begin + self.size)

    @property
    def latent_shape(self):
        """Shape of z_l of one example."""
        return (*self.shape[:-1], self.channels)

    def opened(self, h):
        """The state as the group sees it, and mean and scale of its prior."""
        mean, log_scale, more = ops.split(
            self.prior(h), [self.channels, 2 * self.channels], axis=-1
        )
        return h + more, mean, ops.exp(LOG_SCALE * ops.tanh(log_scale / LOG_SCALE))

    def posterior(self, h, features):
        """`mean` and `log_var` of q(z_l | x, z_<l), `(B, size)` each, at an opened state."""
        split = ops.split(self.merged([h, features]), 2, axis=-1)
        return [ops.reshape(half, (-1, self.size)) for half in split]

    def closed(self, h, mean, scale, z):
        """The state after the group, with z_l, `(B, size)`, in it."""
        z = ops.reshape(z, (-1, *self.latent_shape))
        return self.grown([h, mean + scale * z])

    def call(self, inputs):
        h, z = inputs
        return self.closed(*self.opened(h), z[:, self.place])

    def get_config(self):
        names = ("channels", "begin", "level", "activation", "seed")
        own = {"shape": list(self.shape), **{name: getattr(self, name) for name in names}}
        return {**super().get_config(), **own}


class Net:
    """What a hierarchy is made of: convolutions of maps, or dense layers of vectors.

    Args:
        axes: 2 of maps, 0 of vectors.
        activation: its name.
        seeded: `heads.Seeded`.
        dtype: policy of the layers; None: that of Keras.
    """

    def __init__(self, axes, activation, seeded, dtype=None):
        self.axes, self.activation, self.seeded, self.dtype = axes, activation, seeded, dtype

    def made(self, layer, *args, **options):
        """A layer of the dtype policy."""
        return layer(*args, **{"dtype": self.dtype, **options})

    def layer(self, units, kernel=3, **options):
        """A convolution, or a dense layer."""
        options = {"dtype": self.dtype, **options}
        if not self.axes:
            return self.seeded(layers.Dense, units, **options)
        options = {"padding": "same", "data_format": "channels_last", **options}
        return self.seeded(layers.Conv2D, units, kernel, **options)

    def plain(self, h, units):
        """h, position by position, with another number of channels."""
        return self.layer(units, kernel=1)(h)

    def inner(self, h, width, units, kernel=1):
        """Two layers, each after the activation; at first they give zeros."""
        h = self.layer(width)(self.activated(h))
        options = {"padding": "same", "data_format": "channels_last"} if self.axes else {}
        kind = layers.Conv2D if self.axes else layers.Dense
        size = (units, kernel) if self.axes else (units,)
        last = self.made(kind, *size, kernel_initializer="zeros", **options)
        return last(self.activated(h))

    def block(self, h):
        """h + f(h), the identity at first."""
        return self.made(layers.Add)([h, self.inner(h, h.shape[-1], h.shape[-1], kernel=3)])

    def activated(self, h):
        """h through the activation."""
        return self.made(layers.Activation, self.activation)(h)
