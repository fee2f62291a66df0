"""Pictures of examples: samples, reconstructions, what z does."""

import math

import numpy as np
from keras import ops

from keras_vae import conditions
from keras_vae.distributions.transformed import Transformed
from keras_vae.plotting.latents import checked_start, liveliest, moved, plane
from keras_vae.plotting.tiles import examples, grid_figure, label_columns, label_rows

WHITES = (1, 255, 65535)


def images(x, columns=8):
    """A grid of examples, row by row.

    Args:
        x: (N, H, W, C) images, in [0, 1] or uint8, or (N, D) vectors; N at least 1.
        columns: examples in a row.

    Raises:
        ValueError: `x` is empty or has another shape, or `columns` < 1.

    Example:

    >>> figure = images(np.random.default_rng(0).random((16, 8, 8, 1)))
    """
    x = examples(x)
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    return grid_figure(x, min(columns, len(x)))[0]


def gallery(vae):
    """Samples that show a model: 64, or 8 of each label, `(n, *input_shape)`, `as_seen`.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`. If it has more than 16 labels, or
            combinations of covariates (see `conditions.in_turn`), the first 16 are shown.

    Example:

    >>> from keras_vae import VAE
    >>> gallery(VAE.from_architecture("mlp", (8, 8, 1), latent_dim=2)).shape
    (64, 8, 8, 1)
    """
    if not vae.covariates:
        return as_seen(vae, vae.sample(64))
    return as_seen(vae, np.concatenate([vae.sample(8, label=y) for y in first_labels(vae)]))


def first_labels(vae):
    """The first labels of a conditional model, or combinations of covariates: 16 at most."""
    most = min(16, conditions.combinations(vae.covariates))
    return conditions.in_turn(vae.covariates, np.arange(most))


def as_seen(vae, x):
    """x as it is shown: of images pixels from 0 to 1, of all else what the model sees.

    Args:
        vae: a `keras_vae.VAE`, an `export.runtime.OnnxVAE`, or what decodes as they do.
        x: in its own unit, `(n, *input_shape)`.
    """
    if hasattr(vae, "as_seen"):
        return vae.as_seen(x)
    likelihood = getattr(vae, "likelihood", None)
    if not isinstance(likelihood, Transformed):
        return x
    if likelihood.location.any() and np.ndim(x) == 4:
        return x / white_of(likelihood.location, likelihood.scale)
    return ops.convert_to_numpy(likelihood.preprocess(x))


def white_of(location, scale):
    """The value of a white pixel in the unit of x, of which the model sees (x − location) / scale.

    Where that centres the pixels, it does not say what white is: location + scale is at most
    somewhat larger than it, and it is 1, 255 or 65535.

    Example:

    >>> white_of(127.5, 127.5), white_of(0.13, 0.31), white_of(33.3, 78.6)
    (255, 1, 255)
    """
    reach = np.max(np.add(location, np.abs(scale)))
    return next((white for white in WHITES if reach <= 1.25 * white), reach)


def reconstructions(x, x_hat, columns=8):
    """Pairs: each example with its reconstruction under it.

    Args:
        x: the examples, (N, H, W, C) or (N, D).
        x_hat: the means of p(x|z), shaped as `x`.
        columns: pairs in a row.

    Raises:
        ValueError: the shapes differ.
    """
    x, x_hat = examples(x), examples(x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(f"x_hat must have the shape of x, {x.shape}, got {x_hat.shape}")
    columns = min(columns, len(x))
    rows = math.ceil(len(x) / columns)
    pairs = np.full((rows, 2, columns, *x.shape[1:]), np.nan, dtype=np.float32)
    for row in range(rows):
        part = slice(row * columns, (row + 1) * columns)
        pairs[row, 0, : len(x[part])] = x[part]
        pairs[row, 1, : len(x[part])] = x_hat[part]
    figure, axes, tile = grid_figure(pairs.reshape(-1, *x.shape[1:]), columns)
    label_rows(axes, tile, ["x", r"$\hat{x}$"] * rows)
    return figure


def latent_traversal(vae, columns=9, z=None, label=None):
    """One row for each latent dimension, moved from -3 to 3 while the others stay.

    Of more than 16 dimensions, those are shown that change the decoded mean most; the row that
    changes it most is at the top.

    Args:
        vae: a model with `decode` and `latent_dim`.
        columns: values on the way from -3 to 3, at least 2.
        z: (latent_dim,), where the others stay; the prior's mean, zero, if not given.
        label: for a conditional model: of all pictures.

    Raises:
        ValueError: `z` has another shape, or `columns` < 2.
    """
    start, decode = checked_start(vae, z, columns), _decoder(vae, label)
    dims = liveliest(decode, start)
    values = np.linspace(-3, 3, columns, dtype=np.float32)
    x_hat = decode(moved(start, dims, values))
    figure, axes, tile = grid_figure(examples(x_hat), columns)
    label_rows(axes, tile, [f"z[{dim}]" for dim in dims])
    label_columns(axes, tile, [f"{value:.3g}" for value in values])
    return figure


def manifold(vae, size=20, label=None):
    """The decoded plane of a VAE of two latent dimensions.

    `z` runs over a grid of standard normal quantiles, so equal areas of the picture hold equal
    probability: z[0] grows to the right, z[1] upwards.

    Args:
        vae: a model with `decode` and `latent_dim` 2.
        size: points on each side, at least 1.
        label: for a conditional model: of all pictures.

    Raises:
        ValueError: `latent_dim` is not 2.
    """
    x_hat = _decoder(vae, label)(plane(vae, size))
    return grid_figure(examples(x_hat), size, joined=True)[0]


def _decoder(vae, label):
    given = {} if label is None else {"label": label}
    return lambda z: as_seen(vae, vae.decode(z, **given))
