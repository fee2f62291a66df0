"""python -m keras_vae sample, impute, plot: what a model has learnt, in files."""

import numpy as np

from keras_vae import evaluation, plotting
from keras_vae.commands import runs
from keras_vae.files import atomic_write
from keras_vae.folders import output_folder
from keras_vae.tables import rows


def sample(*, run, count, seed, temperature, first, label, where, draw, out):
    """Draws samples of a run or a bundle into a picture, an array, or rows of a table."""
    if out.suffix not in (".png", ".npy", ".csv"):
        raise ValueError(f"--out must end in .png or .npy, or .csv for rows of a table, got {out}")
    if out.suffix == ".png" and count < 1:
        raise ValueError(f"a picture needs a count of at least 1, got {count}")
    with output_folder(out.parent), atomic_write(out) as path:
        vae, request = runs.find(run).open(), (count, seed, temperature, first)
        label = label if where is None else rows.place_of(columns_of(vae), where)
        x = vae.sample(*request, label=label, mean=not draw and out.suffix != ".csv")
        if out.suffix == ".csv":
            write_rows(path, rows.texts(columns_of(vae), x, label))
        elif out.suffix == ".png":
            plotting.save(plotting.images(plotting.as_seen(vae, x)), path)
        else:
            np.save(path, x)
    print(f"wrote {out}")


def impute(*, run, data, num_samples, seed, out):
    """Fills the gaps of a table by draws from p(missing | observed)."""
    if out.suffix != ".csv":
        raise ValueError(f"--out must end in .csv, got {out}")
    with output_folder(out.parent), atomic_write(out) as path:
        vae = runs.find(run).open()
        columns = columns_of(vae)
        head, lines, separator = rows.read(data)
        x, labels = (read(columns, lines, head) for read in (rows.numbers, rows.labels))
        filled = vae.impute(x, num_samples, seed, label=labels)
        write_rows(path, rows.filled(head, lines, rows.texts(columns, filled)), separator)
    print(f"wrote {out}: {len(lines)} rows, {int(np.isnan(x).sum())} gaps filled")


def columns_of(vae):
    """What the columns of a model of a table are, as dictionaries.

    Raises:
        ValueError: it is of something else.
    """
    columns = evaluation.columns_of(vae)
    if columns is None:
        raise ValueError("the model is not of a table, whose rows a .csv holds: give --out x.npy")
    return [column.told() for column in columns]


def write_rows(path, columns, separator=","):
    """Writes columns of text to a file."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows.write(file, columns, separator)


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
