"""A velocity field as the prior p(z): fitted by regression, with the density of its steps."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.base import Prior, check_count
from keras_vae.distributions.diagonal_normal import standard_normal
from keras_vae.distributions.velocity import (
    VelocityField,
    jacobian,
    log_det,
    time_features,
    velocity,
)

CONTRACTION = 0.9
"""The largest slope of what a step adds: below 1, so that the step has an inverse."""
LARGEST = 64
"""Of latent_dim: the density takes a determinant of so many rows at each step."""
MOST = 256
"""Of steps and of inversions, which are all written out."""
CLOSE = 2e-5
"""How well `settle` has the inverse agree, in standard deviations."""


@keras.saving.register_keras_serializable("keras_vae")
class FlowMatchingPrior(Prior):
    """z = location + scale y(1), dy/dt = v(y, t), y(0) ~ N(0, I), by Euler's steps.

    In a conditional model it is p(z|y): one field for all labels, v(y, t, label).

    For `keras_vae.fit_prior`, which trains it by flow matching: v(y_t, t) is fitted to y − epsilon
    on straight paths y_t = (1 − t) epsilon + t y, where y are the latents of the data. That needs
    no density, so that it is fast.

    The density is that of what is drawn, not of the differential equation. Each step
    y ↦ y + v(y, t) / steps is invertible, because the slope of v is at most 0.9 `steps`, whatever
    the weights; its inverse is found by iterating y ↦ y' − v(y, t) / steps, and its determinant is
    exact. So `log_prob` costs many times as much as `transform`. `fit` of a model with this prior
    works too, by `log_prob`, and slowly.

    Args:
        hidden: units of the hidden layers of v.
        steps: how many there are; more allow a steeper v.
        inversions: iterations that invert a step; `fit_prior` finds how many it takes.
        seed: integer seed of the initial weights.

    Raises:
        ValueError: a size is no whole number >= 1, there are more than 256 steps or inversions, or
            the latent dimension is above 64.

    Example:

    >>> import numpy as np
    >>> prior = FlowMatchingPrior(hidden=(8,), steps=4)
    >>> prior.build((None, 2))
    >>> round(float(prior.log_prob(np.zeros((1, 2), "float32"))[0]), 4)  # -log(2 pi)
    -1.8379

    References: Lipman et al., Flow Matching for Generative Modeling, 2023, section 4.1; Tong et
    al., Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport,
    2024, section 3.2; of the inverse, Behrmann et al., Invertible Residual Networks, 2019,
    section 2.
    """

    warmup_epochs = 4
    label_width = 0
    """How many numbers the label is that the field depends on, as the decoder takes it."""

    def __init__(self, hidden=(256, 256), steps=16, inversions=12, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.hidden = tuple(check_count("hidden", units) for units in hidden)
        self.steps = check_count("steps", steps)
        self.inversions = check_count("inversions", inversions)
        self.seed = seed
        for name in ("steps", "inversions"):  # a model's file may ask for any
            if getattr(self, name) > MOST:
                raise ValueError(f"{name} must be at most {MOST}, got {getattr(self, name)}")

    def build(self, input_shape):
        if input_shape[-1] > LARGEST:
            raise ValueError(
                f"a FlowMatchingPrior is for latent_dim up to {LARGEST}, because of its density, "
                f"got {input_shape[-1]}: take the prior 'flow'"
            )
        super().build(input_shape)
        fixed = {"shape": input_shape[-1:], "trainable": False, "autocast": False}
        self.location = self.add_weight(initializer="zeros", name="location", **fixed)
        self.scale = self.add_weight(initializer="ones", name="scale", **fixed)
        slope = CONTRACTION * self.steps
        self.field = VelocityField(
            self.hidden, slope, self.seed, self.label_width, dtype=self.variable_dtype
        )
        self.field.build(input_shape)

    @property
    def conditional(self):
        """Whether there is a label that the field depends on."""
        return bool(self.label_width)

    def bind(self, vae):
        if not self.built:
            self.label_width = vae.labels.width
        elif self.label_width != vae.labels.width:
            raise ValueError(
                f"this FlowMatchingPrior was built for labels of {self.label_width} numbers, but "
                f"those of the model have {vae.labels.width}: make a new prior"
            )
        super().bind(vae)

    def given(self, label):
        return Given(self, label) if self.conditional else self

    def transform(self, epsilon, u=None, label=None):
        y, (kernels, steps) = epsilon, self._network(label)
        for offsets in steps:
            y = y + velocity(kernels, offsets, y) / self.steps
        return self.location + self.scale * y

    def inverse(self, z, label=None):
        """epsilon, `(..., latent_dim)`, and log |det ∂epsilon/∂z|, `(...)`."""
        y, (kernels, steps) = (z - self.location) / self.scale, self._network(label)
        shift, jacobians = velocity(kernels, steps[-1], y) / self.steps, []
        for offsets in reversed(steps):  # a shift is nearly that of the step behind it
            for _ in range(self.inversions):
                shift = velocity(kernels, offsets, y - shift) / self.steps
            y = y - shift
            jacobians.append(jacobian(kernels, offsets, y) / self.steps)
        change = -ops.sum(log_det(ops.stack(jacobians)), axis=0) - ops.sum(ops.log(self.scale))
        return y, change + ops.zeros_like(y[..., 0])  # of a linear v it is one for all

    def _network(self, label=None):
        """The kernels of v, and for each step its offsets, a list."""
        t = (np.arange(self.steps, dtype="float32") + 0.5) / self.steps  # the middle of each step
        kernels, offsets = self.field.network(time_features(ops.convert_to_tensor(t)))
        steps = [[offset[k] for offset in offsets] for k in range(self.steps)]
        return kernels, self._with(label, steps)

    def _with(self, label, steps):
        """The offsets of each step, with those of a label where the prior is conditional."""
        if not self.conditional:
            return steps
        if label is None:
            raise ValueError("this prior is conditional: ask prior.given(label)")
        more = self.field.offsets_of(label)
        return [[one + its for one, its in zip(step, more, strict=True)] for step in steps]

    def log_prob(self, z, label=None):
        epsilon, change = self.inverse(z, label)
        return standard_normal(epsilon).log_prob(epsilon) + change

    def fitting_loss(self, z, seed, label=None):
        """|v(y_t, t) − (y − epsilon)|² of each draw z, `(B, latent_dim)` → `(B,)`."""
        y = (z - self.location) / self.scale
        epsilon = keras.random.normal(ops.shape(y), seed=seed)
        t = keras.random.uniform(ops.shape(y)[:1], seed=seed)
        kernels, offsets = self.field.network(time_features(t))
        (offsets,) = self._with(label, [offsets])
        found = velocity(kernels, offsets, epsilon + t[:, None] * (y - epsilon))
        return ops.sum(ops.square(found - (y - epsilon)), axis=-1)

    def prepare(self, z):
        self.location.assign(z.mean(axis=0))
        self.scale.assign(z.std(axis=0))

    def settle(self, z, label=None):
        """Finds how many `inversions` it takes: of draws, and of z, `(N, latent_dim)`."""
        epsilon = np.random.default_rng(0).standard_normal(z.shape).astype("float32")
        z = ops.concatenate([ops.convert_to_tensor(z), self.transform(epsilon, None, label)])
        label = label if label is None else ops.concatenate([label, label])
        for self.inversions in (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128):
            again = self.transform(self.inverse(z, label)[0], None, label)
            gap = ops.abs(again - z) / self.scale
            if float(ops.max(gap)) < CLOSE:
                break

    def get_build_config(self):
        config = super().get_build_config()  # None before it is built
        return config and {**config, "label_width": self.label_width}

    def build_from_config(self, config):
        self.label_width = config.get("label_width", 0)
        super().build_from_config(config)

    def get_config(self):
        sizes = {"steps": self.steps, "inversions": self.inversions, "seed": self.seed}
        return {**super().get_config(), "hidden": self.hidden, **sizes}


class Given(NamedTuple):
    """p(z|y), a prior given the label of each row: the functions of a prior, of z alone.

    Args:
        prior: a `FlowMatchingPrior` that is conditional.
        label: `(B, width)`, as the decoder takes it.
    """

    prior: Any
    label: Any

    def log_prob(self, z):
        return self.prior.log_prob(z, self.label)

    def transform(self, epsilon, u=None):
        return self.prior.transform(epsilon, u, self.label)

    def inverse(self, z):
        return self.prior.inverse(z, self.label)

    def fitting_loss(self, z, seed):
        return self.prior.fitting_loss(z, seed, self.label)

    def settle(self, z):
        self.prior.settle(z, self.label)

    kl_terms, kl_divergence = Prior.kl_terms, Prior.kl_divergence
    interpolated = Prior.interpolated
