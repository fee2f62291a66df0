"""A model's `.keras` file, read with one clear line when it is bad."""

import json
import math
import re
from pathlib import Path

import keras
import numpy as np
from keras.src.backend.common import global_state

from keras_vae.models import archive
from keras_vae.models.scoring import largest_layer
from keras_vae.models.vae import VAE

SPARE = 2**20
"""How many numbers a model may have beside one for each byte of its weights."""
LARGEST = 2**30
"""How many numbers a layer may make of one example: 4 GiB."""
WHY = (r"Exception encountered: (.+)", r"\x1b\[1m([^\x1b]+)", r"Example error message .*:\n\n(.+)")
"""What Keras' texts of many lines say of the cause, after its advice to authors."""


def load_model(path):
    """Loads a VAE from a `.keras` file, which may come from a stranger.

    Nothing that stands in the file is executed, and no other file is read. Before Keras takes
    memory for the model, it is known to be no larger than the weights that are there.

    Raises:
        ValueError: the file is missing, cut short or damaged, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}: train a model first, or mend the path")
    try:
        check_size(*archive.checked(path))
        return keras.saving.load_model(path)
    except Exception as error:  # of any kind, and what is damaged has errors of every kind
        raise ValueError(f"cannot load {path}: {reason(error)}") from error


def check_finite(vae, path):
    """Raises `ValueError` if a weight of the model from `path` holds NaN or infinite values.

    `load_model` takes such a model, so that one can look at it; all that it computes is NaN.
    """
    for weight in vae.weights:
        values = keras.ops.convert_to_numpy(weight)
        count = np.count_nonzero(~np.isfinite(values))
        if count:
            raise ValueError(
                f"{path}: training diverged, {count:,} of the {values.size:,} values of the weight "
                f"{weight.path} are NaN or infinite. Lower the learning rate, and train again"
            )


def check_size(config, weights):
    """Raises `ValueError` if a config describes no VAE, or one too large for so many bytes.

    Keras registers the variables that are made in such a scope, and gives them no values.
    """
    described, foreign = json.loads(config, object_hook=without_optimizer), has_foreign_classes()
    size = max(sizes(described), default=0)
    if size > weights + SPARE and not foreign:
        raise ValueError(f"a size in it is {size:,}, and it has {weights:,} bytes of weights")
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(described)
        variables = global_state.get_global_attribute("uninitialized_variables", [])
        numbers = sum(math.prod(variable.shape) for variable in variables)
    except ValueError as error:
        if foreign and "stateless scope" in str(error):
            return  # a class of the user's own makes its variables of values
        raise
    finally:
        global_state.set_global_attribute("uninitialized_variables", [])
    if not isinstance(model, VAE):
        raise ValueError(f"it holds a {type(model).__name__}, and a keras_vae.VAE was expected")
    if numbers > weights + SPARE:
        raise ValueError(f"it describes {numbers:,} weights, and has {weights:,} bytes of them")
    output = max(largest_layer(part) for part in (model.encoder, model.decoder))
    if output > LARGEST:
        raise ValueError(f"a layer of it must make at most {LARGEST:,} numbers, got {output:,}")


def without_optimizer(config):
    """A JSON object without the `compile_config` of a model."""
    return {key: value for key, value in config.items() if key != "compile_config"}


def sizes(config):
    """Every whole number in a config that may be a size: kernels, dilations, units, layers."""
    if isinstance(config, dict):
        config = [config[key] for key in config.keys() - {"seed", "shared_object_id"}]
    if isinstance(config, list):
        for part in config:
            yield from sizes(part)
    elif isinstance(config, int):
        yield config


def has_foreign_classes():
    """Whether classes are registered with Keras that are not our own."""
    return any(not name.startswith("keras_vae>") for name in keras.saving.get_custom_objects())


def reason(error):
    """The line of Keras' error that says why, 300 characters of it at most."""
    text = str(error).strip()
    unknown = re.search(r"Could not locate \w+ '[^'\n]{1,100}'", text)
    if unknown:
        return (
            f"{unknown[0]}. A class or function of your own has to be registered before: load the "
            "model in Python, and export it by vae.export(folder)"
        )
    for pattern in WHY:
        text = (re.findall(pattern, text) or [text])[-1]
    line = "".join(c for c in next(iter(text.splitlines()), "") if c.isprintable())
    line = line if len(line) <= 300 else f"{line[:300]}…"
    return line if isinstance(error, ValueError) else f"{type(error).__name__}, {line}"
