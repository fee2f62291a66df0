"""python -m keras_vae train: a model, its history, test ELBO and pictures in a folder."""

import csv
import dataclasses
import inspect
import os
import sys

import keras
import numpy as np

from keras_vae import datasets, evaluation, plotting
from keras_vae.commands import runs, testing
from keras_vae.distributions.base import SupportError
from keras_vae.distributions.likelihoods import LIKELIHOODS
from keras_vae.distributions.priors import PRIORS
from keras_vae.folders import atomic_files, output_folder
from keras_vae.lookup import named
from keras_vae.models import VAE
from keras_vae.models.parts import checked_seed
from keras_vae.objectives import OBJECTIVES
from keras_vae.quiet import quiet_stderr
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
    levels,
    prior,
    prior_components,
    posterior,
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
    given |= {"beta": beta, "estimator": estimator}
    objective = make("objective", objective, OBJECTIVES, **given)
    prior = make("prior", prior, PRIORS, num_components=prior_components)
    likelihood = likelihood or ("bernoulli" if binarize else "normal")
    likelihood = make("likelihood", likelihood, LIKELIHOODS, levels=levels)
    options = {"posterior": posterior, **({"activation": activation} if activation else {})}
    seed = checked_seed(seed)
    with quiet_stderr():  # it loads TensorFlow, on any backend
        keras.utils.set_random_seed(seed)
    dataset = datasets.load(data, data_dir)
    if conditional:
        options["num_classes"] = 1 + int(testing.labels(dataset, dataset.y_train).max())
    else:
        dataset = dataclasses.replace(dataset, y_train=None, y_test=None)
    test = testing.test_set(dataset, data, binarize, conditional)
    x = training_images(dataset, binarize)
    vae = VAE.from_architecture(
        architecture,
        dataset.input_shape,
        latent_dim,
        likelihood,
        prior,
        objective,
        seed,
        augment="binarize" if binarize == "dynamic" else None,
        **options,
    )
    vae.compile(optimizer=keras.optimizers.Adam(learning_rate))
    watch = Watch(test.x[:500])
    callbacks = [watch] if kl_warmup is None else [watch, KLWarmup(kl_warmup)]
    gone = [name for name in runs.DERIVED if (out / name).is_file()]
    with output_folder(out), atomic_files(out, runs.DERIVED) as new:
        print(f"{len(dataset.x_train)} examples of {data}, {len(test.x)} to test on", flush=True)
        history = fit(vae, x, dataset.y_train, test, epochs, batch_size, callbacks)
        source = data if data in datasets.NAMES else os.path.abspath(data)
        settings = runs.Settings(source, data_dir, binarize)
        metrics, names = write_run(vae, history, watch.kl, settings, test, new)
    print(testing.describe(metrics))
    print(f"wrote {out}/: {', '.join(names)}")
    if gone:
        print(f"removed what told of the model before: {', '.join(gone)}")


class Watch(evaluation.PosteriorCollapse):
    """Logs the number of active units alone: a column for each dimension would bury the loss."""

    def on_epoch_end(self, epoch, logs=None):
        found = {}
        super().on_epoch_end(epoch, found)
        logs["active_units"] = found["active_units"]


def make(what, name, table, **settings):
    """The object of that name; settings that are None keep its defaults."""
    settings = {key: value for key, value in settings.items() if value is not None}
    kind = named(what, name, table)
    foreign = settings.keys() - inspect.signature(kind).parameters
    if foreign:
        raise ValueError(f"the {what} {name} has no {min(foreign)}: leave it out")
    return kind(**settings)


def training_images(dataset, binarize):
    """The images to train on: grey, or binary once; the model makes grey ones binary anew."""
    if binarize == "static":
        return dataset.binarized(testing.SEED).x_train
    if binarize == "dynamic":
        return datasets.binarization.grey_levels(dataset.x_train)
    return dataset.x_train


def fit(vae, x, y, test, epochs, batch_size, callbacks):
    """Trains, until the last epoch or Ctrl-C, and returns the history."""
    verbose = 1 if sys.stdout.isatty() else 2
    try:
        vae.fit(
            x,
            y,
            batch_size=batch_size,
            validation_data=(test.x,) if test.label is None else (test.x, test.label),
            epochs=epochs,
            callbacks=callbacks,
            verbose=verbose,
        )
    except SupportError as error:
        flags = "--binarize dynamic, --likelihood normal or --levels N"
        raise ValueError(f"{error}. As flags: {flags}") from error
    except KeyboardInterrupt:
        if not vae.history.epoch:
            raise
        print(f"\nstopped after {len(vae.history.epoch)} of {epochs} epochs")
    return {"epoch": vae.history.epoch, **vae.history.history}


def write_run(vae, history, kl, settings, test, out):
    """Writes model.keras, history.csv, metrics.json and the pictures; returns what they are."""
    metrics = testing.test_metrics(vae, test, seed=0)
    if not np.isfinite(metrics["elbo"]):
        raise FloatingPointError(
            f"training diverged: the test ELBO is {metrics['elbo']}. Lower --learning-rate, and "
            "look for very large values in the data"
        )
    write_files(vae, history, test, out)
    runs.Run(out).write_metrics(settings, metrics)
    plotting.save(plotting.kl_per_dimension(kl), out / "kl_per_dimension.png")
    return metrics, sorted(path.name for path in out.iterdir())


def write_files(vae, history, test, out):
    """Writes the model, its history and the pictures of a run."""
    vae.save(runs.Run(out).model)
    with open(out / "history.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history)
        writer.writerows(zip(*history.values(), strict=True))
    shown = test.first(min(32, len(test.x)))
    x_hat = vae.reconstruct(shown.x, label=shown.label)
    plotting.save(plotting.reconstructions(shown.x, x_hat), out / "reconstructions.png")
    plotting.save(plotting.training_curves(history), out / "training_curves.png")
    plotting.save(plotting.images(plotting.gallery(vae)), out / "samples.png")
