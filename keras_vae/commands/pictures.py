"""python -m keras_vae sample, plot: pictures of what a model has learnt."""

import numpy as np

from keras_vae import plotting
from keras_vae.commands import runs
from keras_vae.files import atomic_write
from keras_vae.folders import output_folder


def sample(*, run, count, seed, temperature, first, label, draw, out):
    """Draws samples of a run or a bundle into a picture or an array."""
    if out.suffix not in (".png", ".npy"):
        raise ValueError(f"--out must end in .png or .npy, got {out}")
    if out.suffix == ".png" and count < 1:
        raise ValueError(f"a picture needs a count of at least 1, got {count}")
    with output_folder(out.parent), atomic_write(out) as path:
        vae, request = runs.find(run).open(), (count, seed, temperature, first)
        suited = figures_of(vae) if out.suffix == ".png" else None
        x = vae.sample(*request, label=label, mean=not draw)
        if suited:
            plotting.save(suited.drawn(x), path)
        else:
            np.save(path, x)
    print(f"wrote {out}")


def plot(*, run, label):
    """Draws the latent traversal, and the manifold if z has two dimensions, into a run."""
    folder = runs.Run(run)
    vae = folder.open()
    suited = figures_of(vae)
    figures = {"traversal.png": suited.traversal(label)}
    if vae.latent_dim == 2:
        figures["manifold.png"] = suited.manifold(label)
    for name, figure in figures.items():
        plotting.save(figure, folder.path / name)
        print(f"wrote {folder.path / name}")


def figures_of(vae):
    """What draws the examples of a model.

    Raises:
        ValueError: nothing does; it says what to do instead.
    """
    suited = plotting.suited(vae)
    if suited is None:
        raise ValueError(
            f"only images, (height, width, channels), and vectors have a picture, and the examples "
            f"of this model have shape {tuple(vae.input_shape)}: write numbers, by python -m "
            "keras_vae sample --out samples.npy"
        )
    return suited
