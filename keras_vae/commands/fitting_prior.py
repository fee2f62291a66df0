"""python -m keras_vae fit-prior: a run with another prior, fitted to the one of a run."""

import dataclasses
import datetime
import json
import shlex
import sys

import keras

import keras_vae
from keras_vae import options
from keras_vae.commands import recipe, runs, testing
from keras_vae.commands.machine import machine
from keras_vae.commands.record import described, record, versions
from keras_vae.commands.results import write_history, write_model
from keras_vae.commands.training import check_free
from keras_vae.distributions.priors import PRIORS
from keras_vae.folders import atomic_files, output_folder
from keras_vae.lookup import named
from keras_vae.models.parts import checked_seed
from keras_vae.settings import Settings


def fit_prior(*, run, prior, epochs, seed, data_dir, out, overwrite):
    """Fits a prior to what a run's model makes of its training data, and writes a run with it."""
    old = runs.find(run)
    if isinstance(old, runs.Bundle):
        raise ValueError(f"{run} is a bundle: fit a prior to the run that it was exported from")
    named("prior", prior, PRIORS)
    new = runs.Run(out or old.path.resolve().with_name(f"{old.path.resolve().name}-{prior}"))
    check_free(new, overwrite)
    vae, settings = old.open(), Settings(**options.read(old.record, Settings))
    known = old.published()
    if data_dir is not None:
        settings = dataclasses.replace(settings, data_dir=recipe.absolute(data_dir))
    before, data = json.loads(old.record.read_bytes()), same_data(settings, old)
    history = keras.callbacks.History()
    with output_folder(new.path), atomic_files(new.path, runs.STALE) as folder:
        check_free(new, overwrite)  # again, now that no other can write there
        print(f"fitting {prior} to z of {data.x.shape[0]} examples of {settings.data}", flush=True)
        fitted = keras_vae.fit_prior(
            vae,
            data.x,
            prior,
            epochs,
            seed=checked_seed(seed),
            verbose=1 if sys.stdout.isatty() else 0,
            callbacks=[history],
            label=data.y,
        )
        write_model(fitted, data.test, folder)
        write_history({"epoch": history.epoch, **history.history}, folder)
        written, metrics = runs.Run(folder), testing.test_metrics(fitted, data.test, seed=0)
        written.write_record(told(before, prior, len(history.epoch), seed))
        made = settings.data, settings.data_dir, settings.binarize, old.label()
        written.write_metrics(runs.Source(*made), metrics)
        names = sorted(path.name for path in folder.iterdir())
        new.forget()
    if known is not None:
        print("before:", testing.describe(known["test"]))
    print("after: ", testing.describe(metrics))
    print(f"wrote {new.path}/: {', '.join(names)}")


def same_data(settings, run):
    """The `recipe.Data` that a run was trained on.

    Raises:
        ValueError: they are not there, or have changed.
    """
    dataset = recipe.load(settings)
    data = recipe.split(settings, dataset)
    before, now = json.loads(run.record.read_bytes())["data"], record(settings, dataset, data)
    if now["data"] != before:
        raise ValueError(
            f"the data have changed since the training: {settings.data} held {described(before)}, "
            f"and now holds {described(now['data'])}"
        )
    return data


def told(before, prior, epochs, seed):
    """What run.json says: all of the training's, and how the prior was fitted."""
    flags = ["fit-prior", "DIR", "--prior", prior, "--epochs", str(epochs), "--seed", str(seed)]
    command = shlex.join(["python", "-m", "keras_vae", *flags])
    fitted = {
        "prior": prior,
        "epochs": epochs,
        "seed": seed,
        "command": command,
        "backend": keras.backend.backend(),
        "versions": versions(),
        "machine": machine(),
        "time": {"ended": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"},
    }
    return {**before, "fitted_prior": fitted}
