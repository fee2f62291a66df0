"""The figures that suit the data: images side by side, vectors by column, none of anything else."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_vae.plotting import columns, pictures
from keras_vae.plotting.panels import names_of

DRAWS, FEWEST = 1000, 64
"""Samples in a histogram; and how many they are at least, however long a vector is."""

NUMBERS = 2**22
"""That these samples hold together, unless this were fewer than `FEWEST` samples."""


def suited(vae):
    """What draws the examples of a model: `Images`, `Vectors`, or None.

    (H, W, C) is an image and (D,) a vector. Sequences, voxels and video have no picture that a
    person could read.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.

    Example:

    >>> from keras_vae import VAE
    >>> suited(VAE.from_architecture("mlp", (4, 4, 4, 1), latent_dim=2)) is None
    True
    """
    kind = {3: Images, 1: Vectors}.get(len(vae.input_shape))
    return kind and kind(vae)


@dataclass(frozen=True)
class Images:
    """Images side by side, as the model sees them after its preprocessing."""

    vae: Any

    def samples(self, x=None, label=None):
        """64 means of p(x|z), or 8 for each label; they stand for themselves, without test data."""
        return pictures.images(pictures.gallery(self.vae))

    def drawn(self, x):
        """Samples that were drawn already."""
        return pictures.images(pictures.as_seen(self.vae, x))

    def reconstructions(self, x, x_hat):
        """Each example with its reconstruction under it; of the first 32."""
        shown = (pictures.as_seen(self.vae, part[:32]) for part in (x, x_hat))
        return pictures.reconstructions(*shown)

    def traversal(self, label=None):
        """See `pictures.latent_traversal`."""
        return pictures.latent_traversal(self.vae, label=label)

    def manifold(self, label=None):
        """See `pictures.manifold`."""
        return pictures.manifold(self.vae, label=label)


@dataclass(frozen=True)
class Vectors:
    """Vectors column by column, in the unit of the data."""

    vae: Any

    def samples(self, x=None, label=None):
        """Histograms of x ~ p(x|z), with test data behind them; None if x cannot be drawn.

        Args:
            x: test data, (N, D), or None.
            label: of a conditional model: the labels of x, or None.
        """
        try:
            drawn = draws(self.vae, label)
        except ValueError:  # it takes more noise than there is: see `noise.event_size`
            return None
        return columns.histograms(drawn, x, names_of(self.vae))

    def drawn(self, x):
        """Histograms of samples that were drawn already."""
        return columns.histograms(x, names=names_of(self.vae))

    def reconstructions(self, x, x_hat):
        """x_hat over x."""
        return columns.column_reconstructions(x, x_hat, names_of(self.vae))

    def traversal(self, label=None):
        """See `columns.column_traversal`."""
        return columns.column_traversal(self.vae, label=label)

    def manifold(self, label=None):
        """See `columns.column_manifold`."""
        return columns.column_manifold(self.vae, label=label)


def draws(vae, label=None):
    """x ~ p(x|z), about 1000 of them, fewer if they are long: `(n, *input_shape)`.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
        label: of a conditional model: labels, (N,) or (N, C), each of which is drawn as often as it
            stands there, of many different ones some; None: the first 16, each as often as the
            others.

    Raises:
        ValueError: one x takes more noise than there is.
    """
    count = max(FEWEST, min(DRAWS, NUMBERS // math.prod(vae.input_shape)))
    if not vae.covariates:
        return vae.sample(count, mean=False)
    label = pictures.first_labels(vae) if label is None else some(np.asarray(label))
    known, often = np.unique(label, return_counts=True, axis=0)
    shares = np.maximum(1, np.round(count * often / often.sum())).astype(int)
    firsts = np.cumsum(shares) - shares  # each with noise of its own
    asked = zip(known, shares.tolist(), firsts.tolist(), strict=True)
    return np.concatenate([vae.sample(n, first=i, label=y, mean=False) for y, n, i in asked])


def some(label):
    """Labels from all of the data, if more than `FEWEST` differ: so many are drawn one by one."""
    if len(np.unique(label, axis=0)) <= FEWEST or label.ndim == 1:
        return label
    return label[np.linspace(0, len(label) - 1, FEWEST).astype(int)]
