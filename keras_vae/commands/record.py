"""The record of a training, run.json: what was run, on what, by what, and how to run it again."""

import dataclasses
import datetime
import hashlib
import importlib.metadata
import platform
import shlex

import keras
import numpy as np

import keras_vae
from keras_vae.commands.machine import machine


def record(settings, dataset, data):
    """What run.json says of a training that begins.

    Args:
        settings: `Settings`, with nothing left open.
        dataset: the `datasets.Dataset`.
        data: the `recipe.Data` that were made of it.
    """
    return {
        "settings": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(settings).items()
        },
        "command": shlex.join(["python", "-m", "keras_vae", "train", *settings.as_flags()])
        + " --out DIR",
        "data": {
            "sha256": digest(dataset),
            "shape": list(dataset.input_shape),
            "examples": data.x.shape[0],
            "validation": data.validation[0].shape[0] if data.validation else 0,
            "test": data.test.x.shape[0],
        },
        "backend": keras.backend.backend(),
        "versions": versions(),
        "machine": machine(),
        "time": {"began": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"},
    }


def digest(dataset):
    """SHA-256 of the examples and the labels of a data set, as they are loaded."""
    if dataset.sha256 is not None and dataset.y_train is None:
        return dataset.sha256
    found, names = hashlib.sha256(), ("x_train", "x_test", "y_train", "y_test")
    if dataset.sha256 is not None:  # of x
        found.update(dataset.sha256.encode())
        names = names[2:]
    for name in names:
        array = getattr(dataset, name)
        if array is not None:
            found.update(f"{name} {array.dtype} {array.shape}".encode())
            sparse = hasattr(array, "tocsr")
            for part in (array.indptr, array.indices, array.data) if sparse else (array,):
                found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()


def versions():
    """The versions of what computes: their last bits depend on it."""
    library = keras.backend.backend()  # its package has the same name
    return {
        "keras-vae": keras_vae.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        library: importlib.metadata.version(library),
        "numpy": np.__version__,
    }


def check_same(before, now):
    """Raises `ValueError` unless a training that was begun can go on here as if never stopped.

    Args:
        before: its record.
        now: the record of the same settings, made now.

    Returns:
        What else differs, in words; empty if nothing does.
    """
    mine, theirs = now["versions"]["keras-vae"], before["versions"]["keras-vae"]
    if mine != theirs:
        raise ValueError(f"it was begun by keras-vae {theirs}, and this is {mine}: go on with that")
    if now["backend"] != before["backend"]:
        raise ValueError(
            f"it was begun on the backend {before['backend']}, and this is {now['backend']}: set "
            f"KERAS_BACKEND={before['backend']}"
        )
    if now["data"] != before["data"]:
        raise ValueError(
            f"the data have changed since it was begun: {before['settings']['data']} held "
            f"{described(before['data'])}, and now holds {described(now['data'])}"
        )
    return [
        f"{name} {now[part][name]} in place of {before[part].get(name)}"
        for part in ("versions", "machine")
        for name in now[part]
        if now[part][name] != before[part].get(name)
    ]


def described(data):
    """The data in a few words."""
    shape = "x".join(map(str, data["shape"]))
    count = data["examples"] + data["validation"] + data["test"]
    return f"{count} examples of {shape} (SHA-256 {data['sha256'][:12]}…)"
