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
        x = vae.sample(*request, label=label, mean=not draw)
        if out.suffix == ".png":
            plotting.save(plotting.images(plotting.as_seen(vae, x)), path)
        else:
            np.save(path, x)
    print(f"wrote {out}")


def plot(*, run, label):
    """Draws the latent traversal, and the manifold if z has two dimensions, into a run."""
    folder = runs.Run(run)
    vae = folder.open()
    figures = {"traversal.png": plotting.latent_traversal(vae, label=label)}
    if vae.latent_dim == 2:
        figures["manifold.png"] = plotting.manifold(vae, label=label)
    for name, figure in figures.items():
        plotting.save(figure, folder.path / name)
        print(f"wrote {folder.path / name}")
