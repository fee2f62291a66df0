"""What a training leaves: the model, what it is worth, its record, its history and pictures."""

import csv

import numpy as np

from keras_vae import plotting, tables
from keras_vae.commands import runs, testing
from keras_vae.commands.callbacks import best_epoch
from keras_vae.commands.checkpoints import assign
from keras_vae.models.archive import canonical

SHOWN = 500
"""Test examples that are reconstructed for a figure, at most; of images, fewer."""


def write_run(vae, state, settings, data, out):
    """Writes all that a run holds into `out`; returns the names, and what the models are worth.

    Raises:
        FloatingPointError: there is no model whose test ELBO is finite.
    """
    last = measured(vae, data.test, state.epoch)
    epochs = {"last": last} if np.isfinite(last["elbo"]) else {}
    if state.best:
        assign(vae.weights, state.best)
        epochs["best"] = measured(vae, data.test, best_epoch(state.history) + 1)
    kept = epochs.get(settings.keep, last)
    if not np.isfinite(kept["elbo"]):
        raise FloatingPointError(
            f"training diverged: the test ELBO is {kept['elbo']}. Lower --learning-rate, and "
            "look for very large values in the data"
        )
    write_files(vae, state.history, data.test, out)
    run = runs.Run(out)
    run.write_record(state.record)
    made, classes = (settings.data, settings.data_dir, settings.binarize), data.test.classes
    label = {"column": settings.label, "classes": list(classes)} if classes else None
    source = runs.Source(*made, label)
    run.write_metrics(source, kept, epochs)
    plotting.save(plotting.kl_per_dimension(state.kl), out / "kl_per_dimension.png")
    return sorted(path.name for path in out.iterdir()), epochs


def measured(vae, test, epoch):
    """What the model is worth on the test set after `epoch` epochs."""
    return {"epoch": epoch, **testing.test_metrics(vae, test, seed=0)}


def write_files(vae, history, test, out):
    """Writes the model, its history and the pictures of a run."""
    write_model(vae, test, out)
    write_history(history, out)
    plotting.save(plotting.training_curves(history), out / "training_curves.png")


def write_history(history, out):
    """Writes what was logged, a dictionary of columns with an entry for each epoch."""
    with open(out / "history.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history)
        writer.writerows(zip(*history.values(), strict=True))


def write_model(vae, test, out):
    """Writes the model, and pictures of what it makes of examples."""
    vae.save(runs.Run(out).model)
    canonical(runs.Run(out).model)
    if isinstance(vae.likelihood, tables.Columns):
        text = tables.told(vae.likelihood.table)
        (out / "columns.json").write_text(text, encoding="utf-8")
    for name, figure in pictures(vae, test):
        plotting.save(figure, out / name)


def pictures(vae, test):
    """The names and figures of examples, if these have one."""
    suited = plotting.suited(vae)
    if suited is None:
        return
    shown = test.first(min(SHOWN, test.x.shape[0]))
    if hasattr(shown.x, "toarray"):  # and no more than these are made dense
        test = shown = shown._replace(x=shown.x.toarray())
    x_hat = vae.reconstruct(shown.x, label=shown.label)
    yield "reconstructions.png", suited.reconstructions(shown.x, x_hat)
    samples = suited.samples(test.x, test.label)
    if samples is not None:
        yield "samples.png", samples
