"""A sheet of pictures side by side."""

import math

import numpy as np
from matplotlib.figure import Figure

_INCHES = 8


def examples(x):
    """`x` as float32: images (N, H, W, C), or vectors (N, D).

    The pixels of uint8 images, 0 to 255, become grey values from 0 to 1.

    Raises:
        ValueError: `x` is empty or has another shape.

    Example:

    >>> examples(np.full((1, 2, 2, 1), 51, "uint8")).max()
    np.float32(0.2)
    """
    x = np.asarray(x)
    if x.ndim not in (2, 4) or x.size == 0:
        raise ValueError(f"x must have shape (N, H, W, C) or (N, D), N from 1, got {x.shape}")
    scale = 255 if x.ndim == 4 and x.dtype == np.uint8 else 1
    return np.divide(x, scale, dtype=np.float32)


def grid_figure(x, columns, joined=False):
    """Lays examples out row by row, `joined` images without a gap.

    Returns the figure, its axes, and the distance (down, right) from one tile to the next.
    """
    tiles, style = _tiles(x)
    height, width = tiles.shape[1:3]
    gap = 0 if joined and x.ndim == 4 else max(1, round(min(height, width) / 14))
    canvas = _canvas(tiles, columns, gap)
    aspect = canvas.shape[0] / canvas.shape[1]
    size = min(_INCHES, _INCHES / aspect, 1.2 * columns + 1)
    figure = Figure(figsize=(size, size * aspect), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(canvas, interpolation="nearest", **style)
    if x.ndim == 2:
        figure.colorbar(picture, ax=axes, shrink=0.6)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return figure, axes, (height + gap, width + gap)


def _tiles(x):
    """Pictures (N, height, width, 1 or 3), and how to colour them."""
    if x.ndim == 2:
        return _folded(x), {"cmap": "viridis"}
    x = x.clip(0, 1)
    channels = 3 if x.shape[3] in (3, 4) else 1
    grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
    return x[..., :channels], grey


def _folded(x):
    count, length = x.shape
    width = math.ceil(math.sqrt(length))
    height = math.ceil(length / width)
    folded = np.full((count, height * width), np.nan, dtype=np.float32)
    folded[:, :length] = x
    return folded.reshape(count, height, width, 1)


def _canvas(tiles, columns, gap):
    """All tiles on one sheet. The gaps between them are NaN, which is drawn as paper."""
    count, height, width, channels = tiles.shape
    rows = math.ceil(count / columns)
    sheet = np.full((rows * columns, height + gap, width + gap, channels), np.nan, np.float32)
    sheet[:count, :height, :width] = tiles
    sheet = sheet.reshape(rows, columns, height + gap, width + gap, channels)
    sheet = sheet.swapaxes(1, 2).reshape(rows * (height + gap), columns * (width + gap), channels)
    sheet = sheet[: sheet.shape[0] - gap, : sheet.shape[1] - gap]
    return np.nan_to_num(sheet, nan=1.0) if channels == 3 else sheet


def label_rows(axes, tile, labels):
    """Writes a label to the left of each row of tiles."""
    centres = [row * tile[0] + tile[0] / 2 - 0.5 for row in range(len(labels))]
    axes.set_yticks(centres, labels, fontsize=9)
    axes.tick_params(length=0)


def label_columns(axes, tile, labels):
    """Writes a label above each column of tiles."""
    axes.xaxis.tick_top()
    centres = [column * tile[1] + tile[1] / 2 - 0.5 for column in range(len(labels))]
    axes.set_xticks(centres, labels, fontsize=9)
    axes.tick_params(length=0)
