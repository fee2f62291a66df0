"""What the commands do: train, evaluate, sample, plot."""

import contextlib
import csv
import dataclasses
import hashlib
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_vae import datasets, evaluation, plotting, runs
from keras_vae.files import atomic_write
from keras_vae.lookup import named
from keras_vae.models import VAE, load_model
from keras_vae.models.guards import checked_seed
from keras_vae.models.labels import gallery
from keras_vae.objectives import OBJECTIVES
from keras_vae.schedules import KLWarmup


def train(
    *,
    data,
    data_dir,
    binarize,
    conditional,
    architecture,
    activation,
    likelihood,
    prior,
    latent_dim,
    objective,
    num_samples,
    estimator,
    beta,
    free_bits,
    kl_warmup,
    epochs,
    batch_size,
    learning_rate,
    seed,
    out,
):
    """Trains a model and leaves it in `out` with its history, test ELBO and pictures."""
    for name, value in {"epochs": epochs, "batch_size": batch_size}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"learning_rate must be a positive number, got {learning_rate}")
    given = {"num_samples": num_samples, "free_bits": free_bits}
    objective = make_objective(objective, beta=beta, estimator=estimator, **given)
    options = {"activation": activation}
    keras.utils.set_random_seed(checked_seed(seed))
    dataset = datasets.load(data, data_dir)
    if conditional:
        options["num_classes"] = 1 + int(runs.labels(dataset, dataset.y_train).max())
    else:
        dataset = dataclasses.replace(dataset, y_train=None, y_test=None)
    batches, test = prepare(dataset, binarize, batch_size, seed)
    vae = VAE.from_architecture(
        architecture,
        dataset.input_shape,
        latent_dim,
        likelihood or ("bernoulli" if binarize else "normal"),
        prior,
        objective,
        seed,
        **options,
    )
    vae.compile(optimizer=keras.optimizers.Adam(learning_rate))
    callbacks = [] if kl_warmup is None else [KLWarmup(kl_warmup)]
    with output_folder(out):
        print(f"{len(dataset.x_train)} examples of {data}, {len(test.x)} to test on", flush=True)
        history = fit(vae, batches, test, epochs, callbacks)
        source = data if data in datasets.NAMES else os.path.abspath(data)
        settings = {"data": source, "data_dir": data_dir, "binarize": binarize}
        write_run(vae, history, settings, test, out)


def make_objective(name, **settings):
    """The objective of that name; settings that are None keep its defaults."""
    settings = {key: value for key, value in settings.items() if value is not None}
    kind = named("objective", name, OBJECTIVES)
    foreign = settings.keys() - inspect.signature(kind).parameters
    if foreign:
        raise ValueError(f"the objective {name} has no {min(foreign)}: leave it out")
    return kind(**settings)


def prepare(dataset, binarize, batch_size, seed):
    """What `fit` is given, and the test set, which is binarized once in either case."""
    x, y = dataset.x_train, dataset.y_train
    if binarize:
        dataset = dataset.binarized(runs.TEST_SEED)
    test = runs.TestSet(dataset.x_test, dataset.y_test, dataset.name, binarize)
    if binarize == "dynamic":
        return {"x": datasets.DynamicBinarization(x, batch_size, seed, y=y)}, test
    return {"x": dataset.x_train, "y": y, "batch_size": batch_size}, test


def fit(vae, batches, test, epochs, callbacks):
    """Trains, until the last epoch or Ctrl-C, and returns the history."""
    verbose = 1 if sys.stdout.isatty() else 2
    try:
        vae.fit(
            **batches,
            validation_data=(test.x,) if test.label is None else (test.x, test.label),
            epochs=epochs,
            callbacks=callbacks,
            verbose=verbose,
        )
    except KeyboardInterrupt:
        if not vae.history.epoch:
            raise
        print(f"\nstopped after {len(vae.history.epoch)} of {epochs} epochs")
    return {"epoch": vae.history.epoch, **vae.history.history}


def write_run(vae, history, settings, test, out):
    """Writes model.keras, history.csv, metrics.json and the pictures: all of them or none."""
    metrics = test_metrics(vae, test, seed=0)
    if not np.isfinite(metrics["elbo"]):
        raise FloatingPointError(
            f"training diverged: the test ELBO is {metrics['elbo']}. Lower --learning-rate, and "
            "look for very large values in the data"
        )
    with tempfile.TemporaryDirectory(prefix=".", dir=out) as folder:
        write_files(vae, history, {**settings, "test": metrics}, test, Path(folder))
        names = sorted(path.name for path in Path(folder).iterdir())
        for name in names:
            os.replace(Path(folder, name), out / name)
    print(describe(metrics))
    print(f"wrote {out}/: {', '.join(names)}")


def write_files(vae, history, metrics, test, out):
    """Writes the files of a run."""
    vae.save(out / "model.keras")
    digest = hashlib.sha256((out / "model.keras").read_bytes()).hexdigest()
    with open(out / "history.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history)
        writer.writerows(zip(*history.values(), strict=True))
    metrics = {**metrics, "model_sha256": digest}  # an exported ELBO is of these very weights
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    shown = test.first(min(32, len(test.x)))
    x_hat = vae.reconstruct(shown.x, label=shown.label)
    plotting.save(plotting.reconstructions(shown.x, x_hat), out / "reconstructions.png")
    plotting.save(plotting.training_curves(history), out / "training_curves.png")
    plotting.save(plotting.images(gallery(vae)), out / "samples.png")


def test_metrics(vae, test, seed):
    """The test ELBO with its error bar, and its two terms: nats per example, one draw of z each."""
    score = vae.score(test.x, num_samples=1, seed=seed, label=test.label)
    elbo = evaluation.estimate(score["elbo"])
    return {
        "elbo": elbo.mean,
        "standard_error": None if np.isnan(elbo.standard_error) else elbo.standard_error,
        "reconstruction_loss": float(score["reconstruction_loss"].mean()),
        "kl_loss": float(score["kl_loss"].mean()),
        "examples": len(test.x),
        "seed": seed,
    }


def describe(test):
    """One line about the test ELBO."""
    error = "" if test["standard_error"] is None else f" ± {test['standard_error']:.2f}"
    return (
        f"test ELBO {test['elbo']:.2f}{error} nats per example (reconstruction_loss "
        f"{test['reconstruction_loss']:.2f}, kl_loss {test['kl_loss']:.2f}; "
        f"{test['examples']} examples, one draw of z each, seed {test['seed']})"
    )


def evaluate(*, run, data, data_dir, num_samples, examples, seed, out):
    """Prints what a trained model is worth; with `num_samples` all of it, and JSON beside it."""
    if out is not None and num_samples is None:
        raise ValueError("--out is for the report that --num-samples K asks for: give both")
    if out is not None and out.suffix != ".json":
        raise ValueError(f"--out must end in .json, got {out}")
    vae = load_model(run / "model.keras")
    test = runs.load_test_set(vae, run, data, data_dir).first(examples)
    if num_samples is None:
        print(describe(test_metrics(vae, test, seed)))
        return
    protocol = {"data": test.data, "binarization": test.binarization, "split": "test"}
    out = out or run / "evaluation.json"
    with output_folder(out.parent):
        report = evaluation.report(vae, test.x, num_samples, seed, test.label, **protocol)
        print(report)
        write_report(report, out)


def write_report(report, out):
    """Writes a report as JSON and the picture of its convergence beside it: both or neither."""
    picture, found = out.with_suffix(".png"), report.importance
    with atomic_write(out) as path, atomic_write(picture) as picture_path:
        path.write_text(json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n")
        plotting.save(plotting.convergence(found.convergence, found.elbo), picture_path)
    print(f"wrote {out} and {picture}")


def sample(*, run, count, seed, temperature, first, label, out):
    """Draws samples into a picture or an array."""
    if out.suffix not in (".png", ".npy"):
        raise ValueError(f"--out must end in .png or .npy, got {out}")
    if out.suffix == ".png" and count < 1:
        raise ValueError(f"a picture needs a count of at least 1, got {count}")
    x_hat = load_model(run / "model.keras").sample(count, seed, temperature, first, label=label)
    with output_folder(out.parent):
        if out.suffix == ".png":
            plotting.save(plotting.images(x_hat), out)
        else:
            with atomic_write(out) as path:
                np.save(path, x_hat)
    print(f"wrote {out}")


def plot(*, run, label):
    """Draws the latent traversal, and the manifold if z has two dimensions."""
    vae = load_model(run / "model.keras")
    figures = {"traversal.png": plotting.latent_traversal(vae, label=label)}
    if vae.latent_dim == 2:
        figures["manifold.png"] = plotting.manifold(vae, label=label)
    for name, figure in figures.items():
        plotting.save(figure, run / name)
        print(f"wrote {run / name}")


@contextlib.contextmanager
def output_folder(path):
    """Makes the folder, and takes it away again if nothing was written into it.

    Fails before the work begins if the folder cannot be written.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise ValueError(f"cannot write into {path}: {error.strerror}") from error
        yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
