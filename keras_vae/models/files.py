"""A model's `.keras` file, read with one clear line when it is bad."""

import re
import zipfile
from pathlib import Path

import keras

from keras_vae.models.vae import VAE

PARTS = {"config.json", "model.weights.h5"}


def load_model(path):
    """Loads a VAE from a `.keras` file.

    Raises:
        ValueError: the file is missing, cut short or damaged, or holds something else.
    """
    path = Path(path)
    check_archive(path)
    try:
        model = keras.saving.load_model(path)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, ImportError) as error:
        raise ValueError(f"cannot load {path}: {reason(error)}") from error
    if not isinstance(model, VAE):
        raise ValueError(f"{path} holds a {type(model).__name__}, and a keras_vae.VAE was expected")
    return model


def reason(error):
    """The line of Keras' error that says why."""
    unknown = re.search(r"Could not locate \w+ '[^']+'", str(error))
    if unknown:
        return (
            f"{unknown[0]}. A class or function of your own has to be registered before: load the "
            "model in Python, and export it by vae.export(folder)"
        )
    return str(error).strip().splitlines()[0]


def check_archive(path):
    """Raises `ValueError` unless `path` is a whole `.keras` file."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}: train a model first, or mend the path")
    try:
        with zipfile.ZipFile(path) as archive:
            missing, damaged = PARTS - set(archive.namelist()), archive.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not a .keras file, or was cut short") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    if missing:
        raise ValueError(f"{path} is not a .keras file: it holds no {min(missing)}")
    if damaged:
        raise ValueError(f"{path} is damaged: {damaged} in it does not match its checksum")
