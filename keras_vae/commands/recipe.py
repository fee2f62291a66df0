"""What a training is made of, from its `Settings`: data, model, optimizer."""

import dataclasses
import importlib.util
import inspect
import os
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_vae import datasets, tables
from keras_vae.architectures import ARCHITECTURES
from keras_vae.commands import testing
from keras_vae.defaults import kind_of, settings_for, whole
from keras_vae.distributions import SizedCounts
from keras_vae.distributions.likelihoods import LIKELIHOODS
from keras_vae.distributions.priors import PRIORS
from keras_vae.lookup import named, settings_of
from keras_vae.models import VAE
from keras_vae.models.packed import is_packed
from keras_vae.models.parts import checked_seed
from keras_vae.names import POSTERIORS
from keras_vae.objectives import OBJECTIVES

STAGES = 8
"""Of the piecewise schedule: stage i is 3^i times as long as the first (Burda et al. 2016)."""

BEGINNING = 0.01
"""How much of the average of the weights may be what training began with, and harm nothing."""


class Data(NamedTuple):
    """What a training sees, and what it is tested on."""

    x: Any
    """`(N, *input_shape)`, as `fit` takes it: grey levels where the model makes them binary."""
    y: Any
    """The labels of a conditional model, else None."""
    validation: Any
    """`(x,)` or `(x, y)`, held out; None where nothing is."""
    test: Any
    """A `testing.TestSet`."""

    @property
    def watched(self):
        """Some examples as the model is tested on them, to see what z is used for."""
        return (self.validation or self.test)[0][:500]


def resolved(settings, dataset):
    """The settings with what the data and the other settings decide, where nothing was said."""
    for name in ("likelihood", "levels", "preprocessing", "binarize", "size_factor"):
        if dataset.columns is not None and getattr(settings, name) is not None:
            raise ValueError(
                f"{name} is not for a table, each column of which has its own likelihood: leave it "
                "out, or say by columns what each column is"
            )
    data, data_dir = settings.data, settings.data_dir
    kind = "binary" if settings.binarize else kind_of(dataset.x_train)
    kind = kind if dataset.columns is None else "table"
    count = dataset.x_train.shape[0]
    count -= held_out(settings, count)
    said = settings.likelihood, settings.epochs, settings.architecture
    chosen = settings_for(dataset.input_shape, count, kind, *said)
    chosen |= {
        "data": data if data in datasets.NAMES else absolute(data),
        "data_dir": data_dir and absolute(data_dir),
        "columns": settings.columns and absolute(settings.columns),
        "conditional": has_label(settings, dataset),
        "keep": settings.keep or ("best" if settings.validation else "last"),
    }
    always = ("data", "data_dir", "columns", "conditional", "keep")
    return dataclasses.replace(
        settings,
        **{n: v for n, v in chosen.items() if n in always or getattr(settings, n) is None},
    )


def absolute(path):
    """A path that means the same from every folder."""
    return os.path.abspath(os.path.expanduser(path))


def load(settings):
    """The data set that the settings name; without its labels, if the model takes none."""
    given = settings.data, settings.data_dir, settings.columns, settings.label
    dataset = datasets.load(*given, unseen=None)
    if has_label(settings, dataset):
        testing.labels(dataset, dataset.y_train)
        return dataset
    return dataclasses.replace(dataset, y_train=None, y_test=None, classes=None)


def has_label(settings, dataset):
    """Whether the decoder is given labels: by a setting, or by the columns of a table."""
    return settings.conditional or settings.label is not None or bool(dataset.covariates)


def notes(settings, dataset):
    """Lines for who trains: those of the data, the numbers of labels, and what x may be besides."""
    yield from dataset.notes
    if dataset.classes:
        told = [f"{y} is {name}" for y, name in enumerate(dataset.classes[:12])]
        yield "labels: " + ", ".join(told) + (", …" if dataset.classes[12:] else "")
    x, said = dataset.x_train, settings.likelihood or settings.binarize or dataset.columns
    if said or x.ndim != 2:
        return
    if hasattr(x, "tocsr"):
        if not whole(x.data):
            yield (
                "x holds numbers that are not whole, and is taken as real: if they are counts that "
                "were normalized or logged, give the counts"
            )
    elif whole(x.ravel()) and x.max() > 1:
        yield (
            "x holds whole numbers from 0: if they are counts, give --likelihood "
            "negative_binomial, and --size-factor observed where their total says how much was "
            "measured"
        )


def split(settings, dataset):
    """The `Data` of a training: which examples are held out is a function of the seed."""
    test = testing.test_set(dataset, settings.data, settings.binarize, settings.conditional)
    x, y, validation = dataset.x_train, dataset.y_train, None
    if settings.validation:
        count = x.shape[0]
        out = np.isin(np.arange(count), order(settings.seed, count)[: held_out(settings, count)])
        held = x[out]
        if settings.binarize:
            held = datasets.binarize(held, testing.SEED + 2)
        validation = (held,) if y is None else (held, y[out])
        x, y = x[~out], None if y is None else y[~out]
    if settings.binarize == "static":
        x = datasets.binarize(x, testing.SEED + 1)
    if settings.binarize == "dynamic":
        x = datasets.binarization.grey_levels(x)
    return Data(x, y, validation, test)


def held_out(settings, count):
    """How many of `count` examples are held out.

    Raises:
        ValueError: none would be left to train on.

    Example:

    >>> from keras_vae.settings import Settings
    >>> held_out(Settings(validation=0.1), 60000)
    6000
    """
    held = max(1, round(settings.validation * count)) if settings.validation else 0
    if held >= count:
        raise ValueError(
            f"validation must leave examples to train on: {settings.validation} of {count} are "
            f"{held}"
        )
    return held


def order(seed, count):
    """An order of `count` examples."""
    return np.random.default_rng(seed).permutation(count)


def check(settings):
    """Raises `ValueError` if the parts of the model that are chosen cannot be made."""
    checked_seed(settings.seed)
    parts(settings)
    if settings.architecture is not None:
        known = inspect.signature(named("architecture", settings.architecture, ARCHITECTURES))
        for name in options_of(settings).keys() - known.parameters.keys():
            raise ValueError(
                f"the architecture {settings.architecture} has no {name}: leave it out"
            )
    for package in ("tensorboard", "tensorflow") if settings.tensorboard else ():
        if importlib.util.find_spec(package) is None:  # Keras writes by TensorFlow, on any backend
            raise ValueError(f"--tensorboard needs the package {package}: pip install {package}")


def parts(settings):
    """The likelihood, the prior and the objective; None for what the data are to choose."""
    if settings.prior_warmup is not None and settings.prior == "standard_normal":
        raise ValueError("the prior standard_normal does not learn: leave prior_warmup out")
    if settings.size_factor == "observed" and settings.likelihood is not None:
        SizedCounts(settings.likelihood)  # or it says that there is no such one
    return (
        make("likelihood", settings.likelihood, LIKELIHOODS, levels=settings.levels),
        make("prior", settings.prior, PRIORS, num_components=settings.prior_components),
        make(
            "objective",
            settings.objective,
            OBJECTIVES,
            num_samples=settings.num_samples,
            free_bits=settings.free_bits,
            beta=settings.beta,
            estimator=settings.estimator,
        ),
    )


def model(settings, dataset, x, y=None):
    """The VAE, not compiled, for training on `x` and the labels `y`."""
    options = options_of(settings)
    likelihood, *others = parts(settings)
    if dataset.columns is not None:
        likelihood = tables.Columns(tables.fitted(dataset.columns, x, y), name="likelihood")
    if settings.size_factor == "observed":
        likelihood = SizedCounts.of(settings.likelihood, x, name="likelihood")
    if settings.conditional and not dataset.covariates:
        options["num_classes"] = num_classes(dataset)
    if dataset.covariates and dataset.columns is None:
        options["covariates"] = tables.standardized(dataset.covariates, y)
    return VAE.from_architecture(
        settings.architecture,
        dataset.input_shape,
        settings.latent_dim,
        *(likelihood, *others),
        settings.seed,
        augment="binarize" if settings.binarize == "dynamic" else None,
        preprocessing=standardizing(x) if settings.preprocessing == "standardize" else None,
        **options,
    )


def num_classes(dataset):
    """How many labels there are: those that the data list by name, else up to the largest."""
    if dataset.classes:
        return len(dataset.classes)
    return 1 + max(int(y.max()) for y in (dataset.y_train, dataset.y_test) if y is not None)


def standardizing(x):
    """A layer that gives each column of `x` mean 0 and variance 1; constant ones stay as wide."""
    if hasattr(x, "tocsr"):
        mean, variance = datasets.sparse.standardizing(x)
    elif is_packed(x):
        mean, variance = datasets.packed.standardizing(x)
    else:
        axes = tuple(range(x.ndim - 1))
        mean, variance = (f(x, axis=axes, dtype="float64") for f in (np.mean, np.var))
    constant = variance <= (1e-7 * mean) ** 2  # as far as float32 can tell
    return keras.layers.Normalization(mean=mean, variance=np.where(constant, 1.0, variance))


def options_of(settings):
    """The settings of the architecture alone that are not its defaults."""
    names = ("hidden", "gated", "activation", "width", "depth", "num_groups", "groups")
    said = {name: getattr(settings, name) for name in names}
    options = {n: value for n, value in said.items() if value is not None and value is not False}
    plain = settings.posterior == POSTERIORS[0]
    return options if plain else {"posterior": settings.posterior, **options}


def optimizer(settings, examples):
    """Adam, as the settings want it for so many examples in an epoch."""
    steps = -(-examples // settings.batch_size)
    if settings.ema is not None:
        check_average(settings.ema, settings.epochs * steps)
    return keras.optimizers.Adam(
        rate(settings, steps),
        global_clipnorm=settings.clip_norm,
        use_ema=settings.ema is not None,
        ema_momentum=0.99 if settings.ema is None else settings.ema,
        gradient_accumulation_steps=settings.accumulate if settings.accumulate > 1 else None,
    )


def check_average(momentum, steps):
    """Warns where the average of the weights still holds much of those that training began with."""
    share = momentum**steps
    if share > BEGINNING:
        fits = max(0.01, 1 - 5 / steps)
        warnings.warn(
            f"the average of the weights (--ema {momentum:g}) after all {steps} steps is still "
            f"{share:.0%} of those that training begins with: take --ema {fits:.3g}, or more "
            "epochs",
            stacklevel=2,
        )


def rate(settings, steps):
    """The learning rate, a number or a schedule of Keras, for so many steps in an epoch."""
    highest, total = settings.learning_rate, settings.epochs * steps
    if settings.schedule == "cosine":
        rising = round(settings.rate_warmup * steps)
        first, target = (0.0, highest) if rising else (highest, None)
        return keras.optimizers.schedules.CosineDecay(
            first, total - rising, warmup_target=target, warmup_steps=rising
        )
    if settings.schedule == "piecewise":
        ends = np.cumsum(3.0 ** np.arange(STAGES))
        boundaries = np.round(ends[:-1] / ends[-1] * total).astype(int).tolist()
        rates = (highest * 10 ** (-np.arange(STAGES) / 7)).tolist()
        return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    return highest


def make(what, name, table, **settings):
    """The object of that name, None without one; settings that are None keep its defaults."""
    if name is None:
        return None
    settings = {key: value for key, value in settings.items() if value is not None}
    kind = named(what, name, table)
    foreign = settings.keys() - settings_of(kind)
    if foreign:
        raise ValueError(f"the {what} {name} has no {min(foreign)}: leave it out")
    if issubclass(kind, keras.layers.Layer):
        settings["name"] = what  # else Keras would count how many were made before
    return kind(**settings)
