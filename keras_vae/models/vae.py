"""The variational autoencoder, a keras.Model."""

from functools import partial
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_vae import architectures, backend, objectives
from keras_vae.distributions import likelihoods, priors
from keras_vae.distributions.transformed import Transformed
from keras_vae.layers import Sampling
from keras_vae.models import augment as augments
from keras_vae.models.chunks import in_chunks
from keras_vae.models.costs import Costs
from keras_vae.models.fitting import Fitting
from keras_vae.models.inference import Inference
from keras_vae.models.inputs import tensor
from keras_vae.models.labels import labels_of
from keras_vae.models.levels import levels_of
from keras_vae.models.parts import (
    as_columns,
    check_dtype,
    check_event,
    check_options,
    check_parts,
    checked_seed,
    covariates_of,
    with_width,
)
from keras_vae.models.programs import Programs


class Bound(NamedTuple):
    """What one batch costs, in nats per example."""

    loss: Any
    """Minus the objective: `(B,)`."""
    reconstruction_loss: Any
    """−E_q[log p(x|z)]: `(B,)`."""
    kl_loss: Any
    """KL(q(z|x) ‖ p(z)): `(B,)`."""
    x_params: Any
    """The decoder's raw output for the first chunk of draws, all K if few: `(k, B, ...)`."""
    draw_weights: Any
    """How much each of these draws counts in the objective: `(k, B)`."""


@keras.saving.register_keras_serializable("keras_vae")
class VAE(Fitting, Inference, keras.Model):
    """loss = −(E_q[log p(x|z)] − KL(q(z|x) ‖ p(z))): a variational autoencoder.

    Trains, evaluates, saves and loads as every Keras model does. `compile` takes an optimizer and
    no loss: the objective is the model's own. `fit` and `evaluate` log `loss`,
    `reconstruction_loss` and `kl_loss` in nats per example, summed over the pixels; training logs
    `skipped_steps` too, the steps whose loss or gradient was not finite, which change no weight.

    Args:
        encoder: model of `likelihood.features(x)`, which is x unless counts, `(B, *input_shape)`
            → `[z_mean, z_log_var]`, `(B, latent_dim)` each; one
            with a third output, `(B, latent_dim (latent_dim − 1) / 2)`, makes q(z|x) a
            `distributions.FullNormal`, whose `correlation` it is.
        decoder: model of `(B, latent_dim)` → raw parameters of p(x|z). One that also takes a label,
            one-hot `(B, num_classes)`, makes the model conditional: p(x|z, y), `fit(x, y)`. With
            `covariates` it takes all of these, categories one-hot and numbers standardized.
        likelihood: name, config or `distributions.Likelihood`; see `likelihoods.get`.
        prior: name, config or `distributions.Prior`; see `priors.get`.
        objective: name, config or `objectives.Objective`; see `objectives.get`.
        seed: seed of the noise in training, 0 to 2**31 - 1; `from_architecture` also starts the
            weights from it.
        augment: what is done to x in training alone, anew in each step: a random layer of Keras,
            such as `keras.layers.RandomFlip`, or `"binarize"`, a `Binarize`. It
            leaves the shape as it is. Validation, `evaluate` and all else see x as it is given.
        preprocessing: an invertible map from x, in its own unit, to what encoder, decoder and
            `likelihood` are for: a `keras.layers.Rescaling` or `Normalization`, or a list of them,
            adapted to the training data. It becomes part of the model, as `likelihood`, a
            `distributions.Transformed`, and of all that is exported: x is in its own unit
            everywhere, and so are densities.
        covariates: what y holds, if it is more than one label: `distributions.Column`s, each a
            category or a number with its mean and scale, as `tables.covariates` finds them. y is
            then `(B, C)`, or has values by name. Of a table they are its columns with `label`.

    Call arguments:
        inputs: x, `(B, *input_shape)`; of a conditional model `[x, label]`.

    Output shape: `(B, *input_shape)`: the mean of p(x|z) at z = z_mean.

    Raises:
        ValueError: encoder, decoder and likelihood do not fit together; the data does not fit the
            model or the likelihood.
        FloatingPointError: 32 steps in a row were skipped.

    Example:

    >>> import numpy as np
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), latent_dim=2, likelihood="normal", seed=0)
    >>> vae.compile(optimizer="adam")
    >>> history = vae.fit(np.zeros((32, 8, 8, 1)), epochs=1, verbose=0)
    >>> sorted(history.history)
    ['kl_loss', 'loss', 'reconstruction_loss', 'skipped_steps']
    >>> vae.sample(4, seed=7).shape
    (4, 8, 8, 1)

    Reference: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, sections 2.3 and 2.4.
    """

    def __init__(
        self,
        encoder,
        decoder,
        likelihood=None,
        prior=None,
        objective=None,
        seed=None,
        augment=None,
        preprocessing=None,
        covariates=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_dtype(self.dtype_policy)
        self.encoder, self.decoder = encoder, decoder
        likelihood = likelihoods.get(likelihood)
        if preprocessing is not None:
            likelihood = Transformed.of(likelihood, preprocessing, encoder.input_shape[1:])
        self.likelihood = likelihood
        self.prior = priors.get(prior)
        self.seed = checked_seed(seed)
        self.sampling = Sampling(self.seed, dtype=self.variable_dtype, name="sampling")
        check_parts(encoder, decoder, self.likelihood)
        self.levels = levels_of(decoder, self.sampling)
        self.objective = objective
        self.augment = augments.get(augment, self.seed)
        self._given = as_columns(covariates)
        self.labels = labels_of(decoder, covariates_of(self._given, self.likelihood, decoder))
        self.costs = Costs()
        self._programs = Programs(self)
        with backend.memory_errors(
            "the prior's weights do not fit into memory, take a smaller one"
        ):
            self.prior.bind(self)
        warmed = type(self.prior).warmup_epochs or self.levels.warmup_epochs  # as a file is read
        self._trained = [self._flag("trained")] if warmed else []  # see `Fitting`
        self.built = True

    def _flag(self, name):
        """A variable that is saved with the model: 0, and later perhaps 1."""
        return self.add_weight((), "zeros", trainable=False, autocast=False, name=name)

    @classmethod
    def from_architecture(
        cls,
        architecture,
        input_shape,
        latent_dim,
        likelihood=None,
        prior=None,
        objective=None,
        seed=None,
        augment=None,
        preprocessing=None,
        covariates=None,
        **options,
    ):
        """A VAE with an encoder and a decoder made for it.

        Args:
            architecture: `"mlp"`, `"conv"`, `"resnet"`, `"topdown"`, `"topdown_mlp"`, or a function
                like those of `architectures`.
            input_shape: shape of one example, such as `(28, 28, 1)`.
            latent_dim: size of z.
            likelihood, prior, objective: names or objects.
            seed: integer seed of the initial weights and of the noise.
            augment, preprocessing, covariates: as for the class.
            **options: for the architecture: `hidden=(200, 200)`, `posterior="full_normal"`, or
                `num_classes=10` for a decoder that is given a label: `fit(x, y)`,
                `sample(64, label=7)`.
        """
        likelihood, covariates = likelihoods.get(likelihood), as_columns(covariates)
        options = with_width(options, covariates_of(covariates, likelihood))
        make = architectures.get(architecture)
        check_options(make, options)
        shape = architectures.heads.check_shape(input_shape, latent_dim)
        check_event(shape, likelihood)
        size = (likelihood.feature_shape(shape), latent_dim, likelihood.num_params(shape[-1]))
        with backend.memory_errors("the weights do not fit into memory"):
            encoder, decoder = make(*size, checked_seed(seed), **options)
            architectures.heads.begin(decoder, likelihood.start(shape[-1]))
        parts = encoder, decoder, likelihood, prior, objective, seed, augment, preprocessing
        return cls(*parts, covariates=covariates or None)

    @property
    def input_shape(self):
        """Shape of one example, without the batch axis."""
        return self.likelihood.event_shape or self.encoder.inputs[0].shape[1:]

    @property
    def latent_dim(self):
        """Size of z."""
        return self.decoder.inputs[0].shape[-1]

    @property
    def groups(self):
        """The groups of latents that z is made of, from the top, by name: their shapes."""
        return self.levels.groups

    @property
    def num_classes(self):
        """How many labels there are, y from 0 to num_classes - 1; None where y is no label."""
        return self.labels.num_classes

    @property
    def covariates(self):
        """What y holds: dictionaries of the fields of `Column`s; empty without labels."""
        return list(self.labels.told)

    @property
    def kl_weight(self):
        """The weight of the KL divergence in the next training step, a variable; see `KLWarmup`."""
        return self.costs.weights["kl_weight"].value

    @property
    def prior_weight(self):
        """The weight of the prior in the next training step, a variable; see `PriorWarmup`."""
        return self.costs.weights["prior_weight"].value

    @property
    def objective(self):
        """The bound that is trained; another one may be assigned between two calls of `fit`."""
        return self._objective

    @objective.setter
    def objective(self, objective):
        objective = objectives.get(objective)
        self.levels.check(objective)
        self._objective = objective
        if self.compiled:
            self._loop.forget()

    def posterior(self, x, training=False):
        """q(z|x): a `DiagonalNormal` or `FullNormal` of `(B, latent_dim)`; see `levels`."""
        h = keras.tree.flatten(self.encoder(self.likelihood.features(x), training=training))
        return self.levels.posterior(*(ops.cast(output, self.variable_dtype) for output in h))

    def draw(self, qz_x, epsilon, training=False):
        """A `levels.Draw` of z from q(z|x) with standard normal noise, `(..., latent_dim)`."""
        return self.levels.draw(qz_x, epsilon, training)

    def x_params(self, z, training=False, label=None):
        """The raw parameters of p(x|z): `(..., latent_dim)` → `(..., *event)`.

        A conditional model is given `label`, as the decoder takes it: `labels.encoded(y)`.
        """
        draws = ops.shape(z)[:-1]
        inputs = ops.reshape(z, (-1, self.latent_dim))
        if label is not None:
            classes = label.shape[-1]
            label = ops.reshape(ops.broadcast_to(label, (*draws, classes)), (-1, classes))
            inputs = [inputs, label]
        x_params = ops.cast(self.decoder(inputs, training=training), self.variable_dtype)
        return ops.reshape(x_params, (*draws, *x_params.shape[1:]))

    def densities(self, x, qz_x, z, training=False, label=None, pz=None, decode=None):
        """The `Densities` of draws `z`, `(K, B, latent_dim)`, for the batch `x`; and x_params.

        `pz` stands in for the prior, and `decode` for `x_params`: see `levels.Draw`.
        """
        pz = pz or self.prior.given(label)
        x_params = (decode or self.x_params)(z, training, label)
        densities = objectives.Densities(
            log_px_z=self.likelihood.log_prob(x, x_params),
            log_pz=pz.log_prob(z),
            log_qz_x=qz_x.log_prob(z),
            kl_terms=self.levels.by_group(pz.kl_terms(qz_x, z)),
        )
        return densities, x_params

    def bound(self, x, epsilon, kl_weight=1.0, training=False, label=None, prior_weight=None):
        """What the batch `x` costs with the noise `epsilon`, `(K, B, latent_dim)`: a `Bound`.

        `prior_weight` between 0 and 1 makes the prior one between N(0, I) and its own; None: 1.
        """
        pz = self.prior.given(label)
        pz = pz if prior_weight is None else pz.interpolated(prior_weight)
        x = ops.cast(tensor(x, self.input_shape), self.variable_dtype)
        qz_x = self.posterior(x, training)
        drawn = self.draw(qz_x, epsilon, training)  # z: (K, B, latent_dim)

        def densities(qz_x, z):
            decode = drawn.decode if z is drawn.z else None
            return self.densities(x, qz_x, z, training, label, pz, decode)

        chunked = in_chunks(densities, self)
        path_weights = partial(self.objective.path_weights, kl_weight=kl_weight)
        densities, x_params = self.objective.estimator(chunked, drawn.qz_x, drawn.z, path_weights)
        return Bound(
            loss=-self.objective(densities, kl_weight),
            reconstruction_loss=-ops.mean(densities.log_px_z, axis=0),
            kl_loss=densities.kl,
            x_params=x_params,
            draw_weights=self.objective.draw_weights(densities, kl_weight)[: x_params.shape[0]],
        )

    def call(self, inputs, training=False):
        x, label = self.labels.unpacked(inputs)
        x = tensor(x, self.input_shape)
        z_mean, _ = self.levels.encoded(self.posterior(x, training))
        return self.likelihood.mean(self.x_params(z_mean, training, label))

    def export(self, filepath, format="onnx", verbose=None, input_signature=None, **kwargs):
        """Writes the bundle of ONNX files; other formats are those of `keras.Model.export`."""
        if format == "onnx":
            from export import bundle  # the one import upwards: training needs no converter

            return bundle.write(self, filepath, **kwargs)
        x, label = keras.InputSpec("float32", (None, *self.input_shape)), self.labels.signature()
        signature = input_signature or [[x, *label] if label else x]
        return super().export(filepath, format, verbose, signature, **kwargs)

    def get_config(self):
        parts = ("encoder", "decoder", "likelihood", "prior", "objective", "augment")
        serialize = keras.saving.serialize_keras_object
        told = [column.told() for column in self._given]
        return {
            **super().get_config(),
            **{name: serialize(getattr(self, name)) for name in parts},
            "seed": self.seed,
            **({"covariates": told} if told else {}),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if custom_objects:  # a scope of Keras hides the one around it
            with keras.saving.custom_object_scope(custom_objects):
                return cls.from_config(config)
        parts = {
            name: keras.saving.deserialize_keras_object(config.get(name))
            for name in ("encoder", "decoder")
        }
        return cls(**{**config, **parts})
