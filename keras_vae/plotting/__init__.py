"""Pictures of a VAE.

`suited(vae)` has the figures that suit the data: images side by side, vectors column by column.
Every function but `as_seen`, `gallery`, `save` and `suited` returns a `matplotlib.figure.Figure`
and keeps no state.

Images are grey, or RGB for three channels. Their values are clipped to [0, 1]; pixels of uint8 are
divided by 255 first. The functions of images take vectors too, fold them into the rectangle closest
to a square, and draw a heat map.
"""

from keras_vae.files import atomic_write
from keras_vae.plotting.columns import (
    column_manifold,
    column_reconstructions,
    column_traversal,
    histograms,
)
from keras_vae.plotting.curves import convergence, kl_per_dimension, training_curves
from keras_vae.plotting.kinds import suited
from keras_vae.plotting.pictures import (
    as_seen,
    gallery,
    images,
    latent_traversal,
    manifold,
    reconstructions,
)

__all__ = [
    "as_seen",
    "column_manifold",
    "column_reconstructions",
    "column_traversal",
    "convergence",
    "gallery",
    "histograms",
    "images",
    "kl_per_dimension",
    "latent_traversal",
    "manifold",
    "reconstructions",
    "save",
    "suited",
    "training_curves",
]


def save(figure, path):
    """Writes a figure as a PNG, whole or not at all.

    Args:
        figure: a `matplotlib.figure.Figure`.
        path: the file to write.

    Raises:
        ValueError: another run is writing it.
        OSError: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
