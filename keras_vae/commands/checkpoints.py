"""The state of a training after an epoch, on the disk, so that it can go on after a kill."""

import json
import re
import warnings
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_vae.datasets.arrays import check_member, reason_of
from keras_vae.files import atomic_write, remove

KEPT = 2
"""How many are kept: should the newest be damaged, training goes on from the one before."""


RECORDED = {"settings", "data", "backend", "versions", "machine", "time"}


class State(NamedTuple):
    """All that a training is after an epoch."""

    record: dict
    """What run.json will say."""
    history: dict
    """What was logged, a list with an entry for each epoch."""
    kl: Any
    """The KL divergence of each latent dimension: `(epochs, latent_dim)`."""
    variables: list
    """The values of all variables of the model and its optimizer, of generators of noise too."""
    best: list
    """The weights of the best epoch by the validation loss; empty where there is none."""

    @property
    def epoch(self):
        """How many epochs are done."""
        return len(self.kl)


class Checkpoints:
    """The folder `checkpoints` of a run: `epoch-000012.npz` is the state after 12 epochs.

    Args:
        folder: the path. Whoever writes holds the lock of the run.
    """

    def __init__(self, folder):
        self.folder = folder

    def paths(self):
        """The files, the newest first."""
        found = self.folder.glob("epoch-*.npz") if self.folder.is_dir() else ()
        return sorted((p for p in found if re.fullmatch(r"epoch-\d{6,}", p.stem)), reverse=True)

    def write(self, state):
        """Writes the state after an epoch, and removes what is older than the one before it."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"epoch-{state.epoch:06}.npz"
        about = {"record": state.record, "history": state.history}
        arrays = {"about": np.frombuffer(json.dumps(about).encode(), "uint8"), "kl": state.kl}
        arrays |= {f"variable-{i}": value for i, value in enumerate(state.variables)}
        arrays |= {f"best-{i}": value for i, value in enumerate(state.best)}
        with atomic_write(path) as new:
            np.savez(new, **arrays)
        self.tidy(KEPT)

    def tidy(self, kept):
        """Removes all but the newest, and what a killed run left half-written."""
        for path in self.paths()[kept:]:
            path.unlink()
        for left in self.folder.glob(".epoch-*.npz.writing"):
            remove(left)
        if not kept:
            with suppress(OSError):
                self.folder.rmdir()

    def newest(self):
        """The newest `State` that can be read; a damaged one is told of.

        Raises:
            ValueError: there is none.
        """
        damaged = []
        for path in self.paths():
            try:
                state = read(path)
            except Exception as error:  # NumPy, zipfile and json have errors of many kinds
                damaged.append(f"{path.name} cannot be read ({reason_of(error)})")
                continue
            for line in damaged:
                warnings.warn(f"{line}: going on from epoch {state.epoch}", stacklevel=2)
            return state
        what = "; ".join(damaged) or "it holds no checkpoints"
        raise ValueError(
            f"there is no training in {self.folder.parent} that can go on: {what}. Begin one "
            "without --resume, over an older one with --overwrite"
        )


def read(path):
    """The `State` in a file."""
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            check_member(archive.zip, name)
        arrays = {name: archive[name] for name in archive.files}
    about = json.loads(arrays["about"].tobytes())
    if RECORDED - about["record"].keys():
        raise ValueError(f"its record has no {min(RECORDED - about['record'].keys())}")
    state = State(about["record"], about["history"], arrays["kl"], *map(arrays_of(arrays), PARTS))
    lengths = {len(column) for column in state.history.values()}
    if lengths - {state.epoch} or f"{state.epoch:06}" != path.stem.removeprefix("epoch-"):
        raise ValueError("its parts are of different epochs")
    return state


PARTS = ("variable", "best")


def arrays_of(arrays):
    """A function that gives the arrays `name-0`, `name-1`, … as a list."""
    return lambda name: [arrays[f"{name}-{i}"] for i in range(_count(arrays, name))]


def _count(arrays, name):
    return sum(key.startswith(f"{name}-") for key in arrays)


def variables_of(vae):
    """All variables of a compiled model, whose values are what training goes on from."""
    return [*vae.variables, *vae.optimizer.variables]


def values_of(variables):
    """Copies of their values, as arrays that no step changes."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables, values):
    """Gives the variables these values.

    Raises:
        ValueError: the values are of another model.
    """
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise ValueError("the checkpoint is of another model than its settings describe")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
