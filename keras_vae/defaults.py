"""What `train` takes where nothing is said, by kind and size of the data. Loads no Keras."""

import math

SECONDS = 480
"""How long training is to take on two cores; of ten minutes start, tests and pictures have the
rest."""

GREY, COLOUR = 2_500_000, 350_000
"""Pixels that two shared cores train on in a second, on TensorFlow: `conv` on pictures in one
channel (64 of 28×28 in 21 ms), `resnet` on colour with the mixture (32 of 32×32 in 86 ms)."""

PIXELS = {"resnet": COLOUR, "topdown": 400_000}
"""The same of architectures that take longer than what the data would get: `topdown` on pictures in
one channel (64 of 28×28 in 125 ms)."""

OF_ANY_NUMBERS = ("normal", "heteroscedastic_normal")
"""The likelihoods of data that may be standardized."""

SMALL = 16 * 16
"""Pictures in one channel of no more pixels are learned as vectors are."""

MOST_EPOCHS = 300
"""However few the examples."""

ROWS = 8_000_000
"""Of a table, how many are trained on, the same ones again and again."""

AT_ONCE = 2**20
"""How many numbers `kind_of` looks at together."""


COUNTS = 3_000_000
"""Counts, most of them 0, that two shared cores train on in a second, on TensorFlow: an `mlp` with
the negative binomial distribution and a size factor."""

OF_COUNTS = ("negative_binomial", "poisson", "zero_inflated_negative_binomial")
"""The likelihoods that may have a size factor."""


def kind_of(x):
    """What the numbers of `x` are: `"binary"`, `"levels"` of 8 bits from 0 to 1, or `"real"`.

    Of sparse rows `"binary"`, `"counts"` or `"real"`. Of arrays whole numbers are taken as real
    ones: they may as well be pixels or codes.

    Example:

    >>> import numpy as np
    >>> kind_of(np.array([0.0, 1.0])), kind_of(np.array([0.2, 1.0])), kind_of(np.array([-1.0]))
    ('binary', 'levels', 'real')
    """
    if hasattr(x, "tocsr"):
        return "binary" if (x.data == 1).all() else "counts" if whole(x.data) else "real"
    x = getattr(x, "numbers", x)  # that stand in pictures
    rows = max(1, AT_ONCE // max(1, math.prod(x.shape[1:])))
    parts = [x[start : start + rows] for start in range(0, len(x), rows)]
    if all(((part == 0) | (part == 1)).all() for part in parts):
        return "binary"
    return "levels" if all(map(in_levels, parts)) else "real"


def whole(x):
    """Whether all that an array holds are whole numbers from 0."""
    parts = (x[start : start + AT_ONCE] for start in range(0, len(x), AT_ONCE))
    return all(((part >= 0) & (part == part.round())).all() for part in parts)


def in_levels(x):
    """Whether every number of `x` is k/255 with k from 0 to 255."""
    level = 255 * x
    return bool((abs(level - level.round()) < 1e-3).all() and x.min() >= 0 and x.max() <= 1)


def settings_for(shape, count, kind, likelihood=None, epochs=None, architecture=None):
    """The settings of `train` that depend on the data, such that it is done in ten minutes.

    Vectors, small pictures in one channel, and what is neither, such as voxels, get an `mlp`.
    Larger pictures in one channel get a `conv`; colour gets a `resnet`, a flow as its prior, and
    if its numbers are levels the mixture of discretized logistics. Real numbers that are no
    pictures are standardized, because the columns of a table may have different units. The
    learning rate for pictures falls to 0, and the number of epochs is what there is time for on
    two cores.

    Args:
        shape: of one example: `(D,)`, `(H, W, C)`, or of another number of axes.
        count: how many there are to train on.
        kind: as `kind_of` says; `"binary"` also for what is drawn binary in training; `"table"`.
        likelihood, epochs, architecture: the names and the number, where they were said.

    Returns:
        A dict with the names of the settings.

    Example:

    >>> settings_for((8, 8, 1), 1437, "real")["architecture"]
    'mlp'
    >>> settings_for((32, 32, 3), 6000, "levels")["likelihood"]
    'mixture_of_discretized_logistics'
    """
    said = of_kind(shape, count, kind, likelihood, epochs) | OF_ARCHITECTURES.get(architecture, {})
    if architecture in PIXELS and len(shape) == 3:
        said["epochs"] = min(
            said["epochs"], in_time(PIXELS[architecture], math.prod(shape[:-1]) * count)
        )
    return said


def of_kind(shape, count, kind, likelihood, epochs):
    """The settings for the kind of the data, with the architecture that it gets."""
    usual = {
        "likelihood": "bernoulli" if kind == "binary" else "normal",
        "prior": "standard_normal",
        "learning_rate": 1e-3,
        "schedule": "constant",
        "preprocessing": "none",
    }
    picture = len(shape) == 3
    if not picture and kind == "real" and likelihood in (None, *OF_ANY_NUMBERS):
        usual["preprocessing"] = "standardize"
    if kind == "counts":
        return {**usual, **of_counts(count, shape[-1], likelihood)}
    if kind == "table":
        return {**usual, **of_tables(count, epochs)}
    pixels, channels = math.prod(shape[:-1]), shape[-1]
    if not picture or (channels == 1 and pixels <= SMALL):
        return {**usual, "architecture": "mlp", "latent_dim": 8, "epochs": 100, "batch_size": 64}
    if channels == 1:
        return {**usual, **of_pictures("conv", 16, pixels, 64, in_time(GREY, pixels * count))}
    usual["prior"] = "flow"
    latent_dim = 64 if pixels <= SMALL else 128
    if kind == "levels":
        usual["likelihood"] = "mixture_of_discretized_logistics"
    epochs = in_time(COLOUR, pixels * count)
    return {**usual, **of_pictures("resnet", latent_dim, pixels, 32, epochs)}


OF_ARCHITECTURES = {
    "topdown": {"latent_dim": 4, "width": 16, "prior": "standard_normal"},
    "topdown_mlp": {"latent_dim": 20, "prior": "standard_normal"},
}
"""What an architecture wants whatever the data: a hierarchy has several groups of latents, and is a
learned prior itself."""


def of_tables(count, epochs=None):
    """The settings for a table of so many rows, of which each column has its own likelihood.

    Of the tables that `benchmarks/synthesis.py` has, rows drawn with the flow as prior were nearer
    to the real ones than those with N(0, I), and more steps helped the small ones most.
    """
    epochs = epochs or max(1, min(MOST_EPOCHS, ROWS // count))
    return {
        "likelihood": None,
        "architecture": "mlp",
        "prior": "flow",
        "latent_dim": 8,
        "batch_size": max(16, min(64, count // 50), min(1024, count // 2000)),
        "epochs": epochs,
        "kl_warmup": epochs / 10,
        "schedule": "cosine",
    }


def of_counts(count, width, likelihood):
    """The settings for sparse rows of so many counts, with a size factor where it can be had.

    As scVI has it: ten dimensions, the negative binomial, the total as an input of the likelihood.
    """
    likelihood = likelihood or "negative_binomial"
    return {
        "likelihood": likelihood,
        "size_factor": "observed" if likelihood in OF_COUNTS else "none",
        "architecture": "mlp",
        "latent_dim": 10,
        "batch_size": 128,
        "epochs": in_time(COUNTS, count * width),
    }


def in_time(rate, pixels):
    """How many epochs there is time for, of so many pixels, at a rate in pixels a second."""
    return max(1, min(MOST_EPOCHS, int(SECONDS * rate / pixels)))


def of_pictures(architecture, latent_dim, pixels, batch_size, epochs):
    """The settings of an architecture for pictures.

    Args:
        pixels: of a picture.
        batch_size: up to 32×32 of them; larger pictures get smaller batches, in proportion to
            their side, since a step costs more and needs more memory.
    """
    return {
        "architecture": architecture,
        "latent_dim": latent_dim,
        "batch_size": max(1, min(batch_size, int(batch_size * 32 / math.sqrt(pixels)))),
        "epochs": epochs,
        "schedule": "cosine",
    }
