"""python -m keras_vae train: a model, its history, its record and pictures in a folder."""

import dataclasses
import signal
import sys
from contextlib import contextmanager, redirect_stdout
from dataclasses import fields
from io import StringIO

import keras
import numpy as np

from keras_vae import backend
from keras_vae.commands import recipe, runs, testing
from keras_vae.commands.callbacks import Keeper, Watch, all_of_them, finished
from keras_vae.commands.checkpoints import State, assign, values_of, variables_of
from keras_vae.commands.record import check_same, record
from keras_vae.commands.results import write_run
from keras_vae.distributions.base import SupportError
from keras_vae.folders import atomic_files, output_folder
from keras_vae.options import flag, from_dictionary, read
from keras_vae.quiet import quiet_stderr
from keras_vae.settings import Settings
from keras_vae.signals import Interrupted, put_off, raised


def train(*, given, config=None, out=None, resume=None, overwrite=False, shown="lines"):
    """Trains a model, or goes on with one, and leaves it in a folder.

    Args:
        given: the settings that were given, a dictionary; they go before those of `config`.
        config: a `.toml` or a run.json with settings.
        out: the folder, for a new training.
        resume: the folder, for one that goes on.
        overwrite: whether a run that is in the folder may be replaced.
        shown: of the progress: `"nothing"`, `"lines"` or `"everything"`.
    """
    with raised(), hushed(shown == "nothing"):
        if resume is None:
            run = runs.Run(out)
            check_free(run, overwrite)
            told = read(config, Settings) if config else {}
            settings, state = Settings(**{**told, **given}), None
        else:
            run = runs.Run(resume)
            settings, state = before(run, config, given)
        _train(run, settings, state, shown, overwrite)


def check_free(run, overwrite):
    """Raises `ValueError` if a run, or a file that it would replace, is there and may not go."""
    if run.model.name != runs.MODEL:
        raise ValueError(f"--out must be a folder, for a run has several files, got {run.model}")
    held = run.holds()
    if held and not overwrite:
        goes_on = f"--resume {run.path} to go on with it, " if run.checkpoints.paths() else ""
        raise ValueError(
            f"{run.path} holds a run ({held}): give {goes_on}--overwrite to replace it, or another "
            "--out"
        )
    other = run.in_the_way()
    if other and not overwrite:
        raise ValueError(
            f"{run.path} holds {other}, which a run would replace: give --overwrite to replace it, "
            "or another --out"
        )


def before(run, config, given):
    """The settings and the `State` of a training that goes on.

    A training that depends on nothing but the number of its epoch can be made longer or shorter.
    """
    if config or given.keys() - {"epochs"}:
        name = "--config" if config else f"--{min(given.keys() - {'epochs'}).replace('_', '-')}"
        raise ValueError(
            f"{name} cannot be changed by --resume, which goes on with the settings of the run: "
            "only --epochs can"
        )
    state = run.checkpoints.newest()
    settings = Settings(**from_dictionary(state.record["settings"], Settings))
    if given.get("epochs", settings.epochs) != settings.epochs:
        if settings.schedule != "constant":
            raise ValueError(
                f"--epochs must stay {settings.epochs}, got {given['epochs']}: the learning rate "
                f"falls by the {settings.schedule} schedule for so many. Train anew"
            )
        settings = dataclasses.replace(settings, **given)
    return settings, state


def _train(run, settings, state, shown, overwrite):
    """Trains from the beginning or from `state`, with the lock of the run."""
    given, (settings, data, now, vae) = settings, made(settings)
    before = list(of_the_model_before(run))
    with output_folder(run.path), atomic_files(run.path, runs.STALE) as new:
        if state is None:
            check_free(run, overwrite)  # again, now that no other can write there
            state = begun(run, vae, now)
        else:
            state = gone_on(vae, now, state)
        print(told(data, settings, state), flush=True)
        flags = chosen(given, settings)
        if flags:
            print(f"chosen by the data: {flags}", flush=True)
        keeper = Keeper(settings, state, run.checkpoints, Watch(data.watched, state.kl))
        with saved(keeper, run), raised() as signals:
            callbacks = all_of_them(keeper, vae, signals, run, shown)
            fit(vae, data, keeper, callbacks, shown)
            names, epochs = write_run(vae, keeper.state, settings, data, new)
        run.checkpoints.tidy(1)
    for name, metrics in epochs.items():
        print(testing.describe(metrics, name))
    print(f"wrote {run.path}/: {', '.join(names)}", *before, sep="\n")


def made(settings):
    """The settings with nothing left open, the `recipe.Data`, the record, and the VAE, compiled."""
    recipe.check(settings)
    with quiet_stderr():  # it loads TensorFlow, on any backend
        keras.utils.set_random_seed(settings.seed)
    dataset = recipe.load(settings)
    for note in recipe.notes(settings, dataset):
        print(note)
    settings = recipe.resolved(settings, dataset)
    recipe.check(settings)
    data = recipe.split(settings, dataset)
    vae = recipe.model(settings, dataset, data.x, data.y)
    with advice():  # now, and not when all is trained
        testing.check(vae, data.test)
    vae.compile(optimizer=recipe.optimizer(settings, data.x.shape[0]))
    with backend.memory_errors("the weights, three times for Adam, do not fit into memory"):
        vae.optimizer.build(vae.trainable_variables)
    return settings, data, record(settings, dataset, data), vae


def of_the_model_before(run):
    """Lines about what a folder holds of an older model, and what becomes of it."""
    gone = [name for name in runs.DERIVED if (run.path / name).is_file()]
    if gone:
        yield f"removed what told of the model before: {', '.join(gone)}"
    for manifest in sorted(run.path.glob("*/manifest.json")):
        yield f"note: {manifest.parent} is a bundle of the model before: export anew"


def begun(run, vae, now):
    """The `State` of a training that begins, in a folder without what is left of another."""
    run.forget()
    return State(now, {}, np.zeros((0, vae.latent_dim)), values_of(variables_of(vae)), [])


def gone_on(vae, now, state):
    """The `State` that a training goes on from, once the model has it and nothing has changed."""
    for difference in check_same(state.record, now):
        print(f"note: {difference}: the last bits may differ", file=sys.stderr)
    assign(variables_of(vae), state.variables)
    kept = {name: state.record[name] for name in ("time", "versions")}
    return state._replace(record={**now, **kept})


@contextmanager
def saved(keeper, run):
    """A context of a training that keeps the last epoch that is complete, whatever ends it.

    Raises:
        Interrupted: by a signal; it says how to go on.
    """
    try:
        yield
    except KeyboardInterrupt as interrupted:
        raise stopped(interrupted, keeper, run) from None
    except Exception as error:
        if keeper.is_of_no_use(error):
            run.checkpoints.tidy(0)
        else:
            keeper.try_to_save()
        raise


def told(data, settings, state):
    """What is trained on, in a line."""
    held = f", {data.validation[0].shape[0]} held out" if data.validation else ""
    begun = f"; going on after epoch {state.epoch} of {settings.epochs}" if state.epoch else ""
    count, test = data.x.shape[0], data.test.x.shape[0]
    return f"{count} examples of {settings.data}{held}, {test} to test on{begun}"


def chosen(given, settings):
    """The settings that were left to the data, as flags."""
    pairs = ((f.name, getattr(given, f.name), getattr(settings, f.name)) for f in fields(settings))
    return " ".join(
        f"{flag(n)} {value}" for n, before, value in pairs if before is None is not value
    )


def fit(vae, data, keeper, callbacks, shown):
    """Trains until the last epoch; `keeper` has the state then."""
    settings, state = keeper.settings, keeper.state
    keeper.save()
    with advice():
        vae.fit(
            data.x,
            data.y,
            batch_size=settings.batch_size,
            validation_data=data.validation,
            epochs=state.epoch if finished(settings, state.history) else settings.epochs,
            initial_epoch=state.epoch,
            callbacks=callbacks,
            verbose=1 if shown == "lines" and sys.stdout.isatty() else 0,
        )


def stopped(interrupted, keeper, run):
    """Saves the last epoch that is complete; returns the `Interrupted` that says how to go on."""
    with put_off():
        keeper.try_to_save()
    return Interrupted(
        getattr(interrupted, "number", signal.SIGINT),
        f"interrupted after {keeper.state.epoch} of {keeper.settings.epochs} epochs; to go on: "
        f"python -m keras_vae train --resume {run.path}",
    )


@contextmanager
def hushed(hush):
    """Keeps what is printed from the screen."""
    with redirect_stdout(StringIO() if hush else sys.stdout):
        yield


@contextmanager
def advice():
    """Says which flags help, when the data have no density."""
    try:
        yield
    except SupportError as error:
        flags = "--binarize dynamic, --likelihood normal or --levels N"
        raise ValueError(f"{error}. As flags: {flags}") from error
