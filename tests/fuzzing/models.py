"""Damaged `.keras` files: loaded, and asked for a prediction and a sample."""

import io
import json
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

import keras
import numpy as np

from keras_vae.models import VAE, load_model
from tests.fuzzing.campaign import campaign
from tests.fuzzing.damage import damaged_bytes, damaged_json

SHAPE = (8, 8, 1)
MADE = (
    {"architecture": "mlp"},
    {"architecture": "conv"},
    {"num_classes": 3, "likelihood": "bernoulli"},
    {"prior": "flow", "posterior": "full_normal"},
    {"prior": "vamp", "objective": "iwae"},
)
HUGE = (10**4, 10**5, 10**6, 10**9, 2**31 - 1, 2**31, 2**32, 2**62)


def run(count, seed=0):
    """Opens `count` damaged models: an `Outcome`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        return campaign("models", count, lambda rng: attempt(rng, path), seed)


def attempt(rng, path):
    """Damages one of the models, writes it to `path`, loads and uses it."""
    damage = WAYS[rng.integers(len(WAYS))]
    path.write_bytes(damage(rng, models()[rng.integers(len(MADE))]))
    keras.utils.clear_session(free_memory=bool(rng.random() < 0.05))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras, as of an optimizer of other weights
        use(load_model(path))


def use(vae):
    """Asks for little; a model that was loaded may still refuse.

    A layer of Keras that cannot run, such as a convolution of dilation 0, says so in many lines,
    of which our commands make one.
    """
    try:
        sample(vae)
    except ValueError as error:
        raise ValueError(" ".join(str(error).split())) from error


def sample(vae):
    """One sample, and one reconstruction."""
    label = None if vae.num_classes is None else 0
    assert vae.sample(1, label=label).shape == (1, *vae.input_shape)
    x = np.zeros((1, *vae.input_shape), "float32")
    assert vae.reconstruct(x, label=label).shape == x.shape


@cache
def models():
    """The bytes of each model."""
    return [saved({"architecture": "mlp", "likelihood": "normal", **made}) for made in MADE]


def saved(options):
    """The bytes of a small model, compiled."""
    small = (
        {"filters": (4, 4), "units": 8} if options["architecture"] == "conv" else {"hidden": (8,)}
    )
    vae = VAE.from_architecture(input_shape=SHAPE, latent_dim=2, seed=0, **small, **options)
    vae.compile(optimizer="adam")
    return bytes_of(vae)


def bytes_of(vae):
    """What `save` writes."""
    with tempfile.TemporaryDirectory() as folder:
        vae.save(Path(folder, "model.keras"))
        return Path(folder, "model.keras").read_bytes()


def replaced(data, name, change):
    """The archive `data` with one part changed or added, and its checksum with it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    parts[name] = change(parts.get(name, b""))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return file.getvalue()


def _of_json(name):
    def damage(rng, data):
        def change(text):
            return damaged_json(rng, text.decode()).encode("utf-8", "surrogateescape")

        return replaced(data, name, change)

    return damage


def _of_weights(rng, data):
    return replaced(data, "model.weights.h5", lambda weights: damaged_bytes(rng, weights))


def _of_numbers(rng, data):
    """One number of the config, from 1 on, becomes a huge one."""

    def change(text):
        numbers = []
        json.loads(text, parse_int=lambda digits: numbers.append(digits))
        chosen, huge = rng.integers(len(numbers)), int(rng.choice(HUGE))
        seen = iter(range(len(numbers)))
        as_is = {"parse_int": lambda digits: huge if next(seen) == chosen else int(digits)}
        return json.dumps(json.loads(text, **as_is)).encode()

    return replaced(data, "config.json", change)


WAYS = (
    damaged_bytes,
    _of_json("config.json"),
    _of_json("config.json"),
    _of_json("metadata.json"),
    _of_weights,
    _of_numbers,
)
