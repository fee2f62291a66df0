"""Mixtures of normals as priors p(z): with free components, or with those of pseudo-inputs."""

import abc
import math

import keras
from keras import ops

from keras_vae.distributions import drawing
from keras_vae.distributions.base import Prior, check_count
from keras_vae.distributions.diagonal_normal import DiagonalNormal
from keras_vae.distributions.transformed import Transformed, supports


class Mixture(Prior):
    """p(z) = Σ_k weight_k N(z; mean_k, diag(variance_k)).

    Subclasses give the components and the logarithm of their weights. Memory for the density grows
    with draws × examples × components × latent_dim.
    """

    warmup_epochs = 4

    @property
    @abc.abstractmethod
    def log_weights(self):
        """log weight_k: `(num_components,)`."""

    @property
    @abc.abstractmethod
    def components(self):
        """A `DiagonalNormal` or `FullNormal` of `(num_components, latent_dim)`."""

    def log_prob(self, z):
        log_probs = self.components.log_prob(z[..., None, :])  # (..., num_components)
        return ops.logsumexp(self.log_weights + log_probs, axis=-1)

    def transform(self, epsilon, u):
        k, components = drawing.category(self.log_weights, u), self.components
        chosen = type(components)(*(ops.take(parameter, k, axis=0) for parameter in components))
        return chosen.transform(epsilon)


@keras.saving.register_keras_serializable("keras_vae")
class MixtureOfNormals(Mixture):
    """p(z) = Σ_k softmax(logits)_k N(z; means_k, diag(exp(2 log_scales_k))), all of it learned.

    Args:
        num_components: how many normals.
        seed: integer seed of the initial means, which are ~ N(0, I).

    Raises:
        ValueError: `num_components` is not a whole number >= 1.

    Example:

    >>> import numpy as np
    >>> prior = MixtureOfNormals(num_components=1)
    >>> prior.build((None, 2))
    >>> round(float(prior.log_prob(prior.means)[0]), 4)  # -log(2 pi)
    -1.8379

    Reference: Tomczak & Welling, VAE with a VampPrior, 2018, section 3, whose baseline it is.
    """

    def __init__(self, num_components=100, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.num_components = check_count("num_components", num_components)
        self.seed = seed

    def build(self, input_shape):
        super().build(input_shape)
        shape, options = (self.num_components, self.latent_dim), {"autocast": False}
        spread = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
        self.logits = self.add_weight(shape[:1], "zeros", name="logits", **options)
        self.means = self.add_weight(shape, spread, name="means", **options)
        self.log_scales = self.add_weight(shape, "zeros", name="log_scales", **options)

    @property
    def log_weights(self):
        return ops.log_softmax(self.logits)

    @property
    def components(self):
        return DiagonalNormal(ops.convert_to_tensor(self.means), 2 * self.log_scales)

    def get_config(self):
        return {**super().get_config(), "num_components": self.num_components, "seed": self.seed}


@keras.saving.register_keras_serializable("keras_vae")
class VampPrior(Mixture):
    """p(z) = 1/K Σ_k q(z|u_k): the mean posterior of K pseudo-inputs u_k, which are learned.

    It fits the posteriors of the data wherever they are, and has no weights but the pseudo-inputs,
    u_k = activation(pseudo_inputs_k). The encoder is that of the model, as it infers: dropout is
    off. It encodes the K pseudo-inputs once a batch; an exported model holds what came of that.

    Args:
        num_components: pseudo-inputs, K; the paper has 500 for MNIST.
        activation: function to the range of the data, after the preprocessing if there is one:
            `"sigmoid"` for [0, 1], `"linear"` for any. None: `"linear"` for preprocessed real
            numbers, `"softplus"` for counts, else `"sigmoid"`.
        seed: integer seed of the initial pseudo-inputs, which are ~ N(0, 0.1²) before `activation`.

    Raises:
        ValueError: `num_components` is not a whole number >= 1; the prior has another model, or
            one of a table.

    Example:

    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, prior=VampPrior(num_components=5))
    >>> tuple(vae.prior.components.mean.shape)
    (5, 2)

    Reference: Tomczak & Welling, VAE with a VampPrior, 2018, section 3.
    """

    posterior = None
    """The model's function of x to q(z|x)."""
    own_unit = None
    """The function of what its encoder sees to x, where there is a preprocessing."""

    def __init__(self, num_components=100, activation=None, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.num_components = check_count("num_components", num_components)
        self.activation = None if activation is None else keras.activations.get(activation)
        self.seed = seed

    def bind(self, vae):
        if self.posterior is not None and self.posterior.__self__.encoder is not vae.encoder:
            raise ValueError(
                "this VampPrior is made of another model's encoder: give each model its own"
            )
        if vae.likelihood.event_shape:
            raise ValueError(
                "a VampPrior learns inputs of the encoder, which the columns of a table cannot be: "
                "take the prior 'flow' or 'mixture_of_normals'"
            )
        if vae.levels.hierarchical:
            raise ValueError(
                "a VampPrior is a mixture of q(z|x), whose density a hierarchy does not know at "
                "every z: take the prior 'standard_normal', 'flow' or 'mixture_of_normals'"
            )
        self.posterior = vae.posterior
        if isinstance(vae.likelihood, Transformed):
            self.own_unit = vae.likelihood.inverse
        if self.activation is None:
            self.activation = keras.activations.get(_activation_for(vae.likelihood))
        if self.built:
            return
        self.latent_dim = vae.latent_dim
        self.pseudo_inputs = self.add_weight(
            (self.num_components, *vae.input_shape),
            keras.initializers.RandomNormal(stddev=0.1, seed=self.seed),
            name="pseudo_inputs",
            autocast=False,
        )
        self.built = True

    @property
    def log_weights(self):
        return ops.full((self.num_components,), -math.log(self.num_components))

    @property
    def components(self):
        u = self.activation(ops.convert_to_tensor(self.pseudo_inputs))
        return self.posterior(u if self.own_unit is None else self.own_unit(u))

    def get_config(self):
        activation = self.activation  # None before there is a model
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "activation": activation and keras.activations.serialize(activation),
            "seed": self.seed,
        }


def _activation_for(likelihood):
    """The activation whose values the encoder of data with that likelihood sees."""
    if isinstance(likelihood, Transformed) and not likelihood.is_bounded:
        return "linear"
    counts = supports(likelihood, 2.0) and not supports(likelihood, -7.3)
    return "softplus" if counts else "sigmoid"
