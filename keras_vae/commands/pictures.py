"""python -m keras_vae sample, impute, plot: what a model has learnt, in files."""

import numpy as np

from keras_vae import conditions, evaluation, plotting
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
        suited = figures_of(vae) if out.suffix == ".png" else None
        label = conditions.asked(vae.covariates, label, where)
        x = vae.sample(*request, label=label, mean=not draw and out.suffix != ".csv")
        if suited:
            plotting.save(suited.drawn(x), path)
        elif out.suffix == ".csv":
            write_rows(path, rows.texts(columns_of(vae), x, label))
        else:
            np.save(path, x)
    print(f"wrote {out}")


def impute(*, run, data, num_samples, seed, unseen, out):
    """Fills the gaps of a table by draws from p(missing | observed)."""
    if out.suffix != ".csv":
        raise ValueError(f"--out must end in .csv, got {out}")
    with output_folder(out.parent), atomic_write(out) as path:
        vae = runs.find(run).open()
        columns = columns_of(vae)
        head, lines, separator = rows.read(data)
        x = rows.numbers(columns, lines, head, unseen)
        labels = rows.labels(columns, lines, head)
        filled = rows.texts(columns, vae.impute(x, num_samples, seed, label=labels))
        write_rows(path, rows.filled(head, lines, filled), separator)
    print(f"wrote {out}: {len(lines)} rows, {rows.gaps(head, lines, filled)} gaps filled")


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


def plot(*, run, label, where):
    """Draws the latent traversal, and the manifold if z has two dimensions, into a run."""
    folder = runs.Run(run)
    vae = folder.open()
    label = conditions.asked(vae.covariates, label, where)
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
