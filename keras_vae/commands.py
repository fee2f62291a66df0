"""What the commands do: train, evaluate, sample, plot."""

import contextlib
import csv
import hashlib
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_vae import datasets, evaluation, plotting
from keras_vae.files import atomic_write
from keras_vae.lookup import named
from keras_vae.models import VAE, load_model
from keras_vae.models.guards import checked_seed
from keras_vae.objectives import OBJECTIVES
from keras_vae.schedules import KLWarmup

TEST_SEED = 0  # of the binary test set: one for all, so that numbers can be compared


def train(
    *,
    data,
    data_dir,
    binarize,
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
    keras.utils.set_random_seed(checked_seed(seed))
    dataset = datasets.load(data, data_dir)
    batches, x_test = prepare(dataset, binarize, batch_size, seed)
    vae = VAE.from_architecture(
        architecture,
        dataset.input_shape,
        latent_dim,
        likelihood or ("bernoulli" if binarize else "normal"),
        prior,
        objective,
        seed,
        activation=activation,
    )
    vae.compile(optimizer=keras.optimizers.Adam(learning_rate))
    callbacks = [] if kl_warmup is None else [KLWarmup(kl_warmup)]
    with output_folder(out):
        print(f"{len(dataset.x_train)} examples of {data}, {len(x_test)} to test on", flush=True)
        history = fit(vae, batches, x_test, epochs, callbacks)
        source = data if data in datasets.NAMES else os.path.abspath(data)
        settings = {"data": source, "data_dir": data_dir, "binarize": binarize}
        write_run(vae, history, settings, x_test, out)


def make_objective(name, **settings):
    """The objective of that name; settings that are None keep its defaults."""
    settings = {key: value for key, value in settings.items() if value is not None}
    kind = named("objective", name, OBJECTIVES)
    foreign = settings.keys() - inspect.signature(kind).parameters
    if foreign:
        raise ValueError(f"the objective {name} has no {min(foreign)}: leave it out")
    return kind(**settings)


def prepare(dataset, binarize, batch_size, seed):
    """What `fit` is given, and x_test, which is binarized once in either case."""
    if binarize == "dynamic":
        batches = {"x": datasets.DynamicBinarization(dataset.x_train, batch_size, seed)}
        return batches, datasets.binarize(dataset.x_test, TEST_SEED)
    if binarize == "static":
        dataset = dataset.binarized(TEST_SEED)
    return {"x": dataset.x_train, "batch_size": batch_size}, dataset.x_test


def fit(vae, batches, x_test, epochs, callbacks):
    """Trains, until the last epoch or Ctrl-C, and returns the history."""
    verbose = 1 if sys.stdout.isatty() else 2
    try:
        vae.fit(
            **batches,
            validation_data=(x_test,),
            epochs=epochs,
            callbacks=callbacks,
            verbose=verbose,
        )
    except KeyboardInterrupt:
        if not vae.history.epoch:
            raise
        print(f"\nstopped after {len(vae.history.epoch)} of {epochs} epochs")
    return {"epoch": vae.history.epoch, **vae.history.history}


def write_run(vae, history, settings, x_test, out):
    """Writes model.keras, history.csv, metrics.json and the pictures: all of them or none."""
    test = test_metrics(vae, x_test, seed=0)
    if not np.isfinite(test["elbo"]):
        raise FloatingPointError(
            f"training diverged: the test ELBO is {test['elbo']}. Lower --learning-rate, and look "
            "for very large values in the data"
        )
    with tempfile.TemporaryDirectory(prefix=".", dir=out) as folder:
        write_files(vae, history, {**settings, "test": test}, x_test, Path(folder))
        names = sorted(path.name for path in Path(folder).iterdir())
        for name in names:
            os.replace(Path(folder, name), out / name)
    print(describe(test))
    print(f"wrote {out}/: {', '.join(names)}")


def write_files(vae, history, metrics, x_test, out):
    """Writes the files of a run."""
    vae.save(out / "model.keras")
    digest = hashlib.sha256((out / "model.keras").read_bytes()).hexdigest()
    with open(out / "history.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history)
        writer.writerows(zip(*history.values(), strict=True))
    metrics = {**metrics, "model_sha256": digest}  # an exported ELBO is of these very weights
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    shown = x_test[:32]
    plotting.save(
        plotting.reconstructions(shown, vae.reconstruct(shown)), out / "reconstructions.png"
    )
    plotting.save(plotting.training_curves(history), out / "training_curves.png")
    plotting.save(plotting.images(vae.sample(64)), out / "samples.png")


def test_metrics(vae, x_test, seed):
    """The test ELBO with its error bar, and its two terms: nats per example, one draw of z each."""
    score = vae.score(x_test, num_samples=1, seed=seed)
    elbo = evaluation.estimate(score["elbo"])
    return {
        "elbo": elbo.mean,
        "standard_error": None if np.isnan(elbo.standard_error) else elbo.standard_error,
        "reconstruction_loss": float(score["reconstruction_loss"].mean()),
        "kl_loss": float(score["kl_loss"].mean()),
        "examples": len(x_test),
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
    vae, settings = load_model(run / "model.keras"), load_settings(run)
    if data is None:
        data, data_dir = settings["data"], data_dir or settings["data_dir"]
    x_test = datasets.load(data, data_dir).x_test
    if settings["binarize"]:
        x_test = datasets.binarize(x_test, TEST_SEED)
    x_test = first_examples(x_test, examples)
    if num_samples is None:
        print(describe(test_metrics(vae, x_test, seed)))
        return
    binarization = f"once, seed {TEST_SEED}" if settings["binarize"] else "none"
    protocol = {"data": data, "binarization": binarization, "split": "test"}
    out = out or run / "evaluation.json"
    with output_folder(out.parent):
        report = evaluation.report(vae, x_test, num_samples, seed, **protocol)
        print(report)
        write_report(report, out)


def first_examples(x, count):
    """The first `count` examples, all if it is None."""
    if count is not None and not 1 <= count <= len(x):
        raise ValueError(f"--examples must be from 1 to {len(x)}, all there are, got {count}")
    return x[:count]


def write_report(report, out):
    """Writes a report as JSON and the picture of its convergence beside it: both or neither."""
    picture, found = out.with_suffix(".png"), report.importance
    with atomic_write(out) as path, atomic_write(picture) as picture_path:
        path.write_text(json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n")
        plotting.save(plotting.convergence(found.convergence, found.elbo), picture_path)
    print(f"wrote {out} and {picture}")


def sample(*, run, count, seed, temperature, first, out):
    """Draws samples into a picture or an array."""
    if out.suffix not in (".png", ".npy"):
        raise ValueError(f"--out must end in .png or .npy, got {out}")
    if out.suffix == ".png" and count < 1:
        raise ValueError(f"a picture needs a count of at least 1, got {count}")
    x_hat = load_model(run / "model.keras").sample(count, seed, temperature, first)
    with output_folder(out.parent):
        if out.suffix == ".png":
            plotting.save(plotting.images(x_hat), out)
        else:
            with atomic_write(out) as path:
                np.save(path, x_hat)
    print(f"wrote {out}")


def plot(*, run):
    """Draws the latent traversal, and the manifold if z has two dimensions."""
    vae = load_model(run / "model.keras")
    figures = {"traversal.png": plotting.latent_traversal(vae)}
    if vae.latent_dim == 2:
        figures["manifold.png"] = plotting.manifold(vae)
    for name, figure in figures.items():
        plotting.save(figure, run / name)
        print(f"wrote {run / name}")


def load_settings(run):
    """How the data of the folder `run` was made, as `train` wrote it down."""
    path = run / "metrics.json"
    try:
        settings = json.loads(path.read_text())
        return {name: settings[name] for name in ("data", "data_dir", "binarize")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is missing or is not what train wrote: train again") from error


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
