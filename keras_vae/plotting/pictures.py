"""Pictures of examples: samples, reconstructions, what z does."""

import math
from statistics import NormalDist

import numpy as np
from keras import ops

from keras_vae.plotting.tiles import examples, grid_figure, label_columns, label_rows

_MAX_ROWS = 16


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
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`. If it has more than 16 labels, the
            first 16 are shown.

    Example:

    >>> from keras_vae import VAE
    >>> gallery(VAE.from_architecture("mlp", (8, 8, 1), latent_dim=2)).shape
    (64, 8, 8, 1)
    """
    if vae.num_classes is None:
        return as_seen(vae, vae.sample(64))
    labels = range(min(16, vae.num_classes))
    return as_seen(vae, np.concatenate([vae.sample(8, label=label) for label in labels]))


def as_seen(vae, x):
    """x as the model sees it after its preprocessing, such as pixels from 0 to 1.

    Args:
        vae: a `keras_vae.VAE`, an `export.runtime.OnnxVAE`, or what decodes as they do.
        x: in its own unit, `(n, *input_shape)`.
    """
    if hasattr(vae, "as_seen"):
        return vae.as_seen(x)
    preprocess = getattr(getattr(vae, "likelihood", None), "preprocess", None)
    return x if preprocess is None else ops.convert_to_numpy(preprocess(x))


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
    start = np.zeros(vae.latent_dim, np.float32) if z is None else np.asarray(z, np.float32)
    if start.shape != (vae.latent_dim,):
        raise ValueError(f"z must have shape ({vae.latent_dim},), got {start.shape}")
    if columns < 2:
        raise ValueError(f"columns must be at least 2, got {columns}")
    decode = _decoder(vae, label)
    dims = _liveliest(decode, start)
    values = np.linspace(-3, 3, columns, dtype=np.float32)
    x_hat = decode(_moved(start, dims, values))
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
    if vae.latent_dim != 2:
        raise ValueError(
            f"latent_dim must be 2 for a manifold, got {vae.latent_dim}: see latent_traversal"
        )
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    quantiles = [NormalDist().inv_cdf((i + 0.5) / size) for i in range(size)]
    z = np.array([(z0, z1) for z1 in reversed(quantiles) for z0 in quantiles], np.float32)
    return grid_figure(examples(_decoder(vae, label)(z)), size, joined=True)[0]


def _decoder(vae, label):
    given = {} if label is None else {"label": label}
    return lambda z: as_seen(vae, vae.decode(z, **given))


def _liveliest(decode, start):
    """The dimensions, at most 16, by how far they move the decoded mean between -3 and 3."""
    ends = decode(_moved(start, range(len(start)), np.array([-3, 3], np.float32)))
    ends = np.asarray(ends).reshape(len(start), 2, -1)
    change = np.abs(ends[:, 1] - ends[:, 0]).mean(axis=1)
    return np.argsort(-change, kind="stable")[:_MAX_ROWS]


def _moved(start, dims, values):
    """`start` with each of `dims` set to each of `values`: (dims * values, latent_dim)."""
    z = np.tile(start, (len(dims), len(values), 1))
    for row, dim in enumerate(dims):
        z[row, :, dim] = values
    return z.reshape(-1, len(start))
