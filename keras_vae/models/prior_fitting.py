"""A prior fitted to the posteriors of a model that is trained: `fit_prior`."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae.distributions import full_normal, priors
from keras_vae.distributions.base import check_count
from keras_vae.models import augment as augments
from keras_vae.models.arrays import check_values, checked_array, is_array
from keras_vae.models.inputs import one_form
from keras_vae.models.programs import Programs
from keras_vae.models.scoring import as_arrays

STEPS, MOST_EPOCHS = 12_000, 300
"""Of a training where no number of epochs is given: so many steps, but no more epochs."""
ROWS = 4096
"""How many examples are augmented at once."""
SOME = 500
"""Of the draws, how many `Prior.settle` sees."""


def fit_prior(
    vae,
    x,
    prior="flow_matching",
    epochs=None,
    batch_size=256,
    learning_rate=1e-3,
    seed=0,
    verbose="auto",
    callbacks=None,
    label=None,
):
    """Fits a prior to the aggregated posterior of a trained VAE: encoder and decoder stay.

    The aggregated posterior is the mean of q(z|x) over the data. Draws of N(0, I) that lie where it
    has no mass decode to what no example looks like; a prior that has its shape does not draw
    them, and the ELBO rises by what log p(z) rises. q(z|x) is computed once, and each epoch draws z
    anew.

    Args:
        vae: a trained `VAE`, which stays as it is.
        x: examples as `fit` takes them, `(N, *input_shape)`, all of them: an array or packed rows.
            If the model has an `augment`, it is done to them, once.
        prior: what is fitted: a name, config or `distributions.Prior`; see `priors.get`. One that
            was fitted before goes on from its weights.
        epochs: passes over the data; None: as many as make 12,000 steps, at most 300.
        batch_size: draws in a step.
        learning_rate: of Adam, at first; it falls to 0 as a cosine.
        seed: of all that is drawn.
        verbose, callbacks: as in `keras.Model.fit`. What is logged as `loss` is
            `Prior.fitting_loss`: −log p(z) in nats, of flow matching the squared error.
        label: for a conditional model, the label of each example, as in `VAE.score`. A
            `FlowMatchingPrior` is then p(z|y), one for each label; the others are one for all, and
            need none.

    Returns:
        A new `VAE` with its own copy of encoder, decoder and likelihood, and with that prior; it is
        compiled as the given one is.

    Raises:
        ValueError: `x` does not fit the model or has fewer examples than z has dimensions; the
            prior has nothing to learn; labels are missing, or none of the model's; the model is a
            hierarchy, whose levels have priors already.
        FloatingPointError: the prior diverged.

    Example:

    >>> import numpy as np
    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), latent_dim=2, likelihood="normal", seed=0)
    >>> fitted = fit_prior(vae, np.zeros((32, 8, 8, 1)), "flow", epochs=1, verbose=0)
    >>> type(fitted.prior).__name__, type(vae.prior).__name__
    ('FlowPrior', 'StandardNormal')

    References: Hoffman & Johnson, ELBO Surgery, 2016, section 3; Vahdat et al., Score-based
    Generative Modeling in Latent Space, 2021, section 3.
    """
    for name, count in {"epochs": epochs, "batch_size": batch_size}.items():
        check_count(name, 1 if count is None else count)
    if vae.levels.hierarchical:
        raise ValueError(f"vae must have one level of latents, got {', '.join(vae.levels.groups)}")
    fitted = with_prior(vae, priors.get(prior))
    prior = fitted.prior
    if not prior.trainable_variables:
        raise ValueError(f"prior must be one that learns, got {type(prior).__name__}")
    x = checked(fitted, x)
    draws = Draws(posteriors(fitted, x), batch_size, seed, labels(fitted, label, len(x)))
    epochs = min(MOST_EPOCHS, math.ceil(STEPS / len(draws))) if epochs is None else epochs
    prior.prepare(draws.rows[0])
    training = PriorTraining(prior, seed)
    training.compile(optimizer(learning_rate, epochs * len(draws)))
    training.fit(draws, epochs=epochs, shuffle=False, verbose=verbose, callbacks=callbacks)
    if not all(np.isfinite(ops.convert_to_numpy(weight)).all() for weight in prior.weights):
        raise FloatingPointError("the prior diverged: lower learning_rate")
    z, *given = (rows[:SOME] for rows in draws.rows)
    prior.given(*given or [None]).settle(z)
    for trained in fitted._trained:  # so that a `fit` that goes on has no warm-up
        trained.assign(1.0)
    return fitted


def with_prior(vae, prior):
    """A copy of a VAE with another prior; with its own, that is copied too."""
    own = ("prior",) if prior is vae.prior else ()
    names = ("encoder", "decoder", "likelihood", "objective", "augment", *own)
    parts = {"prior": prior, **{name: copied(getattr(vae, name)) for name in names}}
    fitted = type(vae)(**{**vae.get_config(), **parts})
    for name in ("encoder", "decoder", "likelihood", "augment", "sampling", *own):
        one, other = getattr(fitted, name), getattr(vae, name)
        for mine, its in zip(variables(one), variables(other), strict=True):
            mine.assign(ops.copy(its))
    if vae.compiled:
        fitted.compile_from_config(vae.get_compile_config())
    return fitted


def variables(part):
    """All that a part of a model holds, the states of its generators of noise too."""
    return [] if part is None else part.variables


def copied(part):
    """A part of a model, made anew from its config; code of its own runs here already."""
    layers = part._flatten_layers() if isinstance(part, keras.layers.Layer) else [part]
    classes = {type(layer).__name__: type(layer) for layer in layers}
    config = keras.saving.serialize_keras_object(part)
    return keras.saving.deserialize_keras_object(config, classes, safe_mode=False)


def checked(vae, x):
    """x as rows of which slices are arrays, once it is known to fit the model."""
    x = one_form("x", x)
    if not is_array(x):
        raise ValueError(f"x must hold all examples, as an array does, got a {type(x).__name__}")
    x, whole = checked_array("x", x, vae.input_shape), x
    if len(x) < vae.latent_dim:
        raise ValueError(
            f"x must hold at least as many examples as z has dimensions, {vae.latent_dim}, got "
            f"{len(x)}"
        )
    if vae.augment is None:
        check_values(vae.likelihood, whole)
    else:
        augments.check(vae.augment, vae.likelihood, x[: len(x)] if whole is x else x[:ROWS])
    return x


def labels(vae, label, count):
    """The labels of the examples as the prior takes them, `[(N, width)]`; of one for all, `[]`."""
    if label is None and not vae.prior.conditional:
        return []
    found = [ops.convert_to_numpy(vae.labels.encoded(y)) for y in vae.labels.checked(label, count)]
    return found if vae.prior.conditional else []


def posteriors(vae, x):
    """q(z|x) of the examples, as training sees them: arrays `(N, ...)`, a tuple."""
    run, columns = Programs(vae).of(vae.posterior, len(x), ROWS), []
    for start in range(0, len(x), ROWS):
        (rows, *_) = vae.augmented((ops.convert_to_tensor(x[start : start + ROWS]), None, None))
        columns.append(as_arrays(run(ops.convert_to_numpy(rows))))
    return tuple(map(np.concatenate, zip(*columns, strict=True)))


def optimizer(learning_rate, steps):
    """Adam with a rate that falls as a cosine, and averages of the weights over a tenth."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    return keras.optimizers.Adam(rate, use_ema=True, ema_momentum=1 - 10 / max(20, steps))


class Draws(keras.utils.PyDataset):
    """A draw of each q(z|x), in batches and in an order that are other ones in each epoch.

    A batch holds z, `(B, latent_dim)`, and for a conditional prior the labels, `(B, width)`.
    """

    def __init__(self, parameters, batch_size, seed, labels=()):
        super().__init__()
        self.qz_x, self.labels = full_normal.posterior(*parameters), labels
        self.size = min(batch_size, len(self.qz_x.mean))
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        epsilon = self.rng.standard_normal(self.qz_x.mean.shape, dtype="float32")
        z, order = self.qz_x.transform(epsilon), self.rng.permutation(len(epsilon))
        self.rows = [rows[order] for rows in (ops.convert_to_numpy(z), *self.labels)]

    def __len__(self):
        return len(self.rows[0]) // self.size

    def __getitem__(self, index):
        batch = slice(index * self.size, (index + 1) * self.size)
        return (tuple(rows[batch] for rows in self.rows),)


class PriorTraining(keras.Model):
    """loss = the mean of `Prior.fitting_loss` over a batch of `Draws`."""

    def __init__(self, prior, seed):
        super().__init__()
        self.prior, self.noise = prior, keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, rows, training=False):
        z, *label = rows
        return self.prior.given(*label or [None]).fitting_loss(z, self.noise)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """As in Keras: `y_pred` is the loss of each draw."""
        return ops.mean(y_pred)
