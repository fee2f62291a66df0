"""The shape contract, stated once.

A density is of one *event*: all the pixels of an image, all the entries of `z`. `log_prob` sums
over the event axes and keeps the others: `x` is `(B, *event)`, the decoder's raw output
`x_params` is `(B, *event)` or `(K, B, *event)` but for its last axis, which has `num_params`
entries, and `log_prob(x, x_params)` is `(B,)` or `(K, B)`, in nats.
"""

import abc
import math
import numbers

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.interpolated import Interpolated
from keras_vae.distributions.tensors import TakesArrays

AT_ONCE = 2**20
"""How many numbers of x `Likelihood.check` looks at together: these stay in a processor's cache."""


class SupportError(ValueError):
    """The data hold values that have no density under the likelihood."""


class Likelihood(TakesArrays, keras.layers.Layer, abc.ABC):
    """p(x|z): gives the decoder's raw output its meaning.

    A layer, so that what it learns is trained and saved with the model. Subclasses set the class
    attributes and write `log_prob`, `mean` and `draw`.
    """

    on_arrays = ("features", "log_prob", "element_log_prob", "mean", "draw", "in_support")
    params_per_element = 1
    """Raw decoder outputs for each element of x."""
    uniforms_per_element = 1
    """Uniform numbers that `draw` takes for each element of x."""
    raw_of_either_sign = False
    """Whether the raw outputs are logits or logarithms: a decoder then ends in no sigmoid."""
    support = "any finite number"
    """The values that x may take, in words."""
    event_shape = None
    """The shape of one x, where the likelihood is of that alone."""
    missing = False
    """Whether x may hold NaN, for an entry that is missing and counts for nothing."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True  # whatever there is to learn is made in __init__

    def num_params(self, channels):
        """Raw decoder outputs on the last axis, where x has `channels` entries."""
        return channels * self.params_per_element

    def noise_shape(self, event_shape):
        """Shape of the uniform numbers that `draw` takes for one x, of shape `event_shape`."""
        several = self.uniforms_per_element > 1
        return (*event_shape, self.uniforms_per_element) if several else tuple(event_shape)

    def start(self, channels):
        """The raw output of a decoder before training, `(num_params(channels),)`; None: as it is.

        `VAE.from_architecture` begins there, whatever z.
        """

    def features(self, x):
        """What the encoder is given of x, `(B, *feature_shape(event))`: x, if nothing is better."""
        return x

    def feature_shape(self, event_shape):
        """Shape of what the encoder is given of one x: that of x, if nothing is better."""
        return tuple(event_shape)

    @abc.abstractmethod
    def log_prob(self, x, x_params):
        """log p(x|z) in nats, summed over the event: `(B,)` or `(K, B)`."""

    def element_shape(self, event_shape):
        """Shape of the terms of one x: its own, or with a last axis of 1 where that is one term."""
        return tuple(event_shape)

    def element_log_prob(self, x, x_params):
        """The terms of log p(x|z), element by element, in nats: `(..., *element_shape(event))`.

        Their sum is `log_prob`. Where x is outside the support, the term is −inf.

        Raises:
            ValueError: the likelihood has no such terms.
        """
        raise ValueError(f"{type(self).__name__} has no terms by element: write element_log_prob")

    @abc.abstractmethod
    def mean(self, x_params):
        """E[x|z], called `x_hat`: `(..., *event)`."""

    @abc.abstractmethod
    def draw(self, x_params, u):
        """Uniform numbers to x ~ p(x|z): `(..., *event)`.

        It takes a fixed number of operations, that an exported graph can hold.

        Args:
            x_params: the decoder's raw output, `(..., *event)` but for its last axis.
            u: ~ U(0, 1), `(..., *noise_shape(event))`.
        """

    def statistics(self, x, x_params, weight):
        """Sums over the batch of a training step, from which `adapt` learns: a tuple, here ().

        Args:
            x: the batch, `(B, *event)`.
            x_params: the decoder's raw output for some draws of z, `(k, B, ...)`.
            weight: how much each draw of each example counts, `(k, B)`, not negative.
        """
        return ()

    def adapt(self, statistics):
        """Learns at the end of a training step what has a closed form and needs no gradient.

        What it writes belongs in variables that are not trainable: if the step is skipped, they are
        put back. By default there is nothing to learn.

        Args:
            statistics: of the whole batch; those of its parts, on several devices, are added.
        """

    def in_support(self, x):
        """Which entries of `x`, of as many axes, have a density; of the others the log is −inf."""
        return ops.isfinite(x)

    def all_in_support(self, x, axes):
        """Whether all entries of `x` along `axes` have a density."""
        return ops.all(self.in_support(x), axis=axes)

    def total(self, log_density, x):
        """Sums over the event; −inf if an entry of `x` is outside the support."""
        axes = tuple(range(1 - len(x.shape), 0))
        return ops.where(self.all_in_support(x, axes), ops.sum(log_density, axis=axes), -math.inf)

    def check(self, x):
        """Raises `ValueError` if an entry of `x` is outside the support."""
        x = np.asarray(x)
        rows = max(1, AT_ONCE // max(1, math.prod(x.shape[1:])))
        for start in range(0, len(x), rows):
            outside = self._outside(finite(x[start : start + rows], x))
            if outside.any():
                raise self._refusal_of(finite(x))

    def _outside(self, x):
        return ~ops.convert_to_numpy(self.in_support(ops.convert_to_tensor(x)))

    def _refusal_of(self, x):
        outside = self._outside(x)
        return self.refusal(
            f"x holds {x[outside][0]:g} ({outside.mean():.1%} of its values are outside)",
            unscaled=x[outside].max() > 2,
        )

    def check_entries(self, x):
        """As `check`, for some entries of x, `(N,)`, whose places are not known.

        Whether they are finite; their support is seen in the step where it is no matter of one
        entry.
        """
        finite(x)

    def refusal(self, found, unscaled=False):
        """The error about data outside the support, of which `found` says where.

        Where x has to be in [0, 1], advice about what is `unscaled` begins by scaling it.
        """
        inside, beyond = ops.convert_to_numpy(self.in_support(np.array([1.0, 2.0])))
        scale = "First scale x to [0, 1], as x / 255 does with 8-bit pixels. "
        return SupportError(
            f"{type(self).__name__} is for {self.support}, but {found}. "
            f"{scale if unscaled and inside and not beyond else ''}{self.advice}"
        )

    advice = ""
    """What to do about data outside the support."""


class Elementwise(Likelihood):
    """A likelihood under which the elements of x are independent given z.

    Subclasses write `log_density` and `draw_each`, and `in_support` element by element.
    """

    @abc.abstractmethod
    def log_density(self, x, *params):
        """log p of each element of `x`, given as many parameters as `params_per_element` says."""

    @abc.abstractmethod
    def draw_each(self, u, *params):
        """A draw of each element, by `u`: of the same shape, or with one more axis (see `draw`)."""

    def log_prob(self, x, x_params):
        params = self._params(x_params)
        if len(x.shape) > 2 and x.shape[-1] == 1:  # onnxruntime takes such an axis 60 times as long
            x, *params = (ops.squeeze(values, axis=-1) for values in (x, *params))
        return self.total(self.log_density(x, *params), x)

    def element_log_prob(self, x, x_params):
        terms = self.log_density(x, *self._params(x_params))
        return ops.where(self.in_support(x), terms, -math.inf)

    def draw(self, x_params, u):
        params = self._params(x_params)
        if params[0].shape[-1] > 1:
            return self.draw_each(u, *params)
        axis = len(params[0].shape) - 1  # see log_prob
        u, *params = (ops.squeeze(values, axis=axis) for values in (u, *params))
        return ops.expand_dims(self.draw_each(u, *params), -1)

    def _params(self, x_params):
        several = self.params_per_element > 1
        return ops.split(x_params, self.params_per_element, axis=-1) if several else [x_params]

    def check_entries(self, x):
        self.check(x)


class Prior(TakesArrays, keras.layers.Layer, abc.ABC):
    """p(z): a density, and a function from noise to z.

    A layer, so that what it learns is trained and saved with the model. A prior with weights makes
    them in `build((None, latent_dim))`, once the size of z is known.
    """

    on_arrays = ("log_prob", "transform", "kl_terms", "inverse")
    latent_dim = None
    """Size of z, once a model or `build` has said it; a prior without weights fits any."""
    warmup_epochs = 0
    """Of how many epochs the `PriorWarmup` is that a model's first `fit` has; 0: it has none."""
    conditional = False
    """Whether it is one prior for each label, p(z|y): then its functions are those of `given`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)  # without this, Keras puts all its own options into the config

    def build(self, input_shape):
        self.latent_dim = input_shape[-1]

    def bind(self, vae):
        """Called by the VAE that this is the prior of, as soon as it has its parts.

        Raises:
            ValueError: the prior was made for another size of z.
        """
        if not self.built:
            self.build((None, vae.latent_dim))
        elif self.weights and self.latent_dim != vae.latent_dim:
            raise ValueError(
                f"this {type(self).__name__} was built for latent_dim {self.latent_dim}, but the "
                f"model has latent_dim {vae.latent_dim}: make a new prior"
            )

    @abc.abstractmethod
    def log_prob(self, z):
        """log p(z) in nats: `(..., latent_dim)` → `(...)`."""

    @abc.abstractmethod
    def transform(self, epsilon, u):
        """Noise to z ~ p(z), row by row.

        Args:
            epsilon: ~ N(0, I), `(..., latent_dim)`.
            u: ~ U(0, 1), `(...)`, to choose a component by; a prior that is no mixture ignores it.

        Returns:
            z: `(..., latent_dim)`.
        """

    def fitting_loss(self, z, seed):
        """What `keras_vae.fit_prior` lowers, for each draw z of q(z|x): `(B, D)` → `(B,)`.

        −log p(z); a prior that learns otherwise overrides this. `seed` is that of what it draws.
        It is asked of `given(label)`.
        """
        return -self.log_prob(z)

    def prepare(self, z):
        """Sees draws of q(z|x), arrays `(N, latent_dim)`, before `fit_prior` fits it to such."""

    def settle(self, z):
        """Sees some of them when it is fitted; it is asked of `given(label)`."""

    def kl_terms(self, qz_x, z):
        """Terms of which KL(q(z|x) ‖ p(z)) is the sum, in nats: `(B, terms)`.

        One term, the Monte Carlo estimate from `z`, `(K, B, latent_dim)`; a prior with a closed
        form overrides this.
        """
        return ops.mean(qz_x.log_prob(z) - self.log_prob(z), axis=0)[..., None]

    def kl_divergence(self, qz_x, z):
        """KL(q(z|x) ‖ p(z)) in nats: `(B,)`; see `kl_terms`."""
        return ops.sum(self.kl_terms(qz_x, z), axis=-1)

    def given(self, label):
        """p(z|y): what has the functions of a prior, given `label`, `(B, width)`, of each row.

        This prior itself, if it is the same for all; a `conditional` one overrides this.

        Args:
            label: as the decoder takes it, `vae.labels.encoded(y)`; None without labels.
        """
        return self

    def interpolated(self, weight):
        """The density between N(0, I), at weight 0, and this prior, at 1."""
        return Interpolated(self, ops.copy(weight))  # of a variable: chunks take tensors alone


def finite(part, x=None):
    """`part` of x, or all of it, in floating-point numbers; a `ValueError` if one is not finite."""
    part = np.asarray(part)
    part = part.astype("float32") if part.dtype.kind in "iub" else part
    if not np.isfinite(part).all():
        bad = np.count_nonzero(~np.isfinite(part if x is None else x))
        raise ValueError(f"x holds {bad} values that are NaN or infinite: remove or replace them")
    return part


def halves(x_params):
    """Raw outputs for two parameters an element: the first half of the last axis, the second."""
    return ops.split(x_params, 2, axis=-1)


def check_count(name, value):
    """`value` as an int, or a `ValueError` if it is no whole number >= 1."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")
    return int(value)
