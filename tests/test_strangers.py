"""A `.keras` file of a stranger: one clear line; no code runs, no file is read, no memory taken."""

import io
import json
import os
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_vae.models import VAE, archive, load_model
from tests.fuzzing import models as fuzzed
from tests.fuzzing.models import replaced

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


@pytest.fixture(scope="module")
def whole():
    """The bytes of a small model."""
    return fuzzed.saved({"architecture": "mlp", "likelihood": "normal", "prior": "flow"})


@pytest.fixture
def load(tmp_path):
    """Loads a model from bytes, in a folder of its own."""

    def load(data):
        (tmp_path / "m.keras").write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load_model(tmp_path / "m.keras")

    return load


def refused(load, data, words=""):
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        load(data)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_damaged_models_are_one_clear_line():
    outcome = fuzzed.run(24, seed=7)
    assert not outcome.faults
    assert outcome.refused > 8


def header_field(value, local, central):
    """Damages a field of 2 bytes in the headers of all members."""

    def damage(data):
        data = bytearray(data)
        for signature, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
            start = data.find(signature)
            while start >= 0:
                data[start + offset : start + offset + 2] = value.to_bytes(2, "little")
                start = data.find(signature, start + 4)
        return bytes(data)

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (header_field(1, 6, 8), "encrypted"),
        (header_field(99, 8, 10), "compression"),
        (header_field(8, 8, 10), "decompressing"),
        (lambda data: replaced(data, CONFIG, lambda _: b"[" * 10**5 + b"]" * 10**5), "recursion"),
        (lambda data: replaced(data, CONFIG, lambda _: b" " * (2**23 + 1)), "8,388,608 bytes"),
        (lambda data: replaced(data, CONFIG, lambda _: b"\xff"), "can't decode"),
        (lambda data: replaced(data, WEIGHTS, lambda weights: weights[:-9]), "are damaged"),
        (lambda data: replaced(data, WEIGHTS, lambda _: b""), "are damaged"),
    ],
    ids=["encrypted", "method", "deflate", "deep", "long", "no text", "cut", "empty"],
)
def test_a_damaged_archive(whole, load, damage, words):
    refused(load, damage(whole), words)


def packed(data):
    """The same archive, compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        old = zipfile.ZipFile(io.BytesIO(data))
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return file.getvalue()


def test_a_packed_model_loads_unless_it_unpacks_to_far_more(whole, load, monkeypatch):
    expected = load(whole).sample(2)
    np.testing.assert_array_equal(load(packed(whole)).sample(2), expected)
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 10**5)
    assert load(packed(whole))
    bomb = replaced(whole, "more.bin", lambda _: bytes(10**7))
    refused(load, packed(bomb), "unpack to 1")


def with_config(data, change):
    def changed(text):
        config = json.loads(text)
        change(config)
        return json.dumps(config).encode()

    return replaced(data, CONFIG, changed)


def layer(config, part, kind, number=0):
    """The config of a layer of the encoder or the decoder."""
    layers = config["config"][part]["config"]["layers"]
    return [at["config"] for at in layers if at["class_name"] == kind][number]


def setting(part, kind, **settings):
    return lambda config: layer(config, part, kind).update(settings)


def of(part, **settings):
    """Settings of a part, as the prior, or of the model itself."""
    return lambda config: (config["config"][part]["config"] if part else config["config"]).update(
        settings
    )


HUGE = {
    "units": setting("encoder", "Dense", units=10**9),
    "units of a small file": setting("encoder", "Dense", units=10**5),
    "input": setting("encoder", "InputLayer", batch_shape=[None, 10**5, 10**5, 1]),
    "latent_dim": setting("decoder", "InputLayer", batch_shape=[None, 2**31]),
    "reshaped": setting("decoder", "Reshape", target_shape=[2**62, 2**62]),
    "prior": of("prior", units=10**5),
    "couplings": of("prior", num_layers=10**5),
}


@pytest.mark.parametrize("case", HUGE)
def test_a_model_larger_than_its_weights_takes_no_memory(whole, load, case, monkeypatch):
    """It never comes to Keras' own loading."""
    monkeypatch.setattr(keras.saving, "load_model", None)
    refused(load, with_config(whole, HUGE[case]), "m.keras: ")


def test_the_largest_layer_is_bounded(load):
    x, z = keras.Input((8, 8, 1)), keras.Input((64,))
    flat = keras.layers.Flatten()(x)
    h = keras.layers.Reshape((8, 8, 1))(z)
    h = keras.layers.UpSampling2D(2**14)(h)
    h = keras.layers.Cropping2D(((0, 2**17 - 8), (0, 2**17 - 8)))(h)
    decoder = keras.Model(z, h)
    encoder = keras.Model(x, [keras.layers.Dense(64)(flat), keras.layers.Dense(64)(flat)])
    data = fuzzed.bytes_of(VAE(encoder, decoder, likelihood="bernoulli"))
    refused(load, data, "1,073,741,824 numbers, got 17,179,869,184")


@pytest.mark.parametrize("value", ["eight", -8, 0, float("nan"), None, [8], {}, 10**400, "\ud800"])
@pytest.mark.parametrize(
    "place",
    [
        lambda value: setting("encoder", "Dense", units=value),
        lambda value: setting("decoder", "InputLayer", batch_shape=[None, value]),
        lambda value: of("prior", num_layers=value),
        lambda value: of("", likelihood=value) if value else of("", encoder=value),
        lambda value: of("objective", beta=value) if value != 0 else of("", decoder=value),
        lambda value: of("", seed=value) if value not in (None, 0) else of("prior", units=value),
    ],
    ids=["units", "latent_dim", "prior", "likelihood", "objective", "seed"],
)
def test_a_value_of_another_kind_is_refused(whole, load, place, value):
    refused(load, with_config(whole, place(value)), "m.keras: ")


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_missing_part_is_named(whole, load, part):
    data = with_config(whole, lambda config: config["config"].pop(part))
    refused(load, data, f"{part} must be a functional or sequential model")


# Weights that lie elsewhere


def with_weights(data, change):
    """The model with its weights, an open HDF5 file, changed."""

    def changed(weights):
        file = io.BytesIO(weights)
        with h5py.File(file, "a") as opened:
            (name,) = [n for n in paths(opened) if n.endswith("decoder/layers/dense/vars/0")]
            change(opened, name)
        return file.getvalue()

    return replaced(data, WEIGHTS, changed)


def paths(file):
    found = []
    file.visit(found.append)
    return found


def elsewhere(change):
    """`change` of the file, the name of a dataset, and the shape and type that it had."""

    def changed(file, name):
        shape, kind = file[name].shape, file[name].dtype
        del file[name]
        change(file, name, shape, kind)

    return changed


def virtual(file, name, shape, kind):
    layout = h5py.VirtualLayout(shape, kind)
    layout[:] = h5py.VirtualSource("secret.h5", "secret", shape)
    file.create_virtual_dataset(name, layout)


ELSEWHERE = {
    "external link": lambda file, name, *_: file.update(
        {name: h5py.ExternalLink("secret.h5", "x")}
    ),
    "soft link": lambda file, name, *_: file.update({name: h5py.SoftLink("/none")}),
    "external data": lambda file, name, shape, kind: file.create_dataset(
        name, shape, kind, external=[("secret", 0, h5py.h5f.UNLIMITED)]
    ),
    "virtual": virtual,
    "declared": lambda file, name, *_: file.create_dataset(
        name, (2**30,), "float32", chunks=(2**20,), compression="gzip"
    ),
    "never written": lambda file, name, *_: file.create_dataset(name, (2**28,), "float32"),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_weights_that_are_not_in_the_file(whole, load, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.saving, "load_model", None)
    os.mkfifo(tmp_path / "secret.h5")  # to open it would hang
    refused(load, with_weights(whole, elsewhere(ELSEWHERE[case])), "its weights")


# Code, and files by name


def as_activation(value):
    return setting("encoder", "Dense", activation=value)


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def as_layer(module, kind, **config):
    def change(whole):
        layers = whole["config"]["encoder"]["config"]["layers"]
        inner = {"name": layers[1]["name"], "trainable": True, "dtype": "float32", **config}
        layers[1].update(module=module, class_name=kind, registered_name=None, config=inner)

    return change


def code(path):
    """The bytecode of a function that writes a file, as Keras keeps a lambda."""
    from keras.src.utils import python_utils

    function = eval(f"lambda x: open({str(path)!r}, 'w') and x")
    return {"class_name": "__lambda__", "config": {"value": python_utils.func_dump(function)}}


ATTACKS = {
    "lambda layer": lambda path: as_layer("keras.layers", "Lambda", function=code(path)),
    "lambda": lambda path: as_activation(code(path)),
    "os.system": lambda path: as_activation(function("os", "system")),
    "builtins": lambda path: as_activation(function("builtins", "eval")),
    "a class": lambda path: as_layer("subprocess", "Popen", args=["touch", str(path)]),
    "a module": lambda path: as_layer("sprung", "Layer"),
    "get_file": lambda path: as_activation(function("keras.utils", "get_file")),
    "load_model": lambda path: as_activation(function("keras.saving", "load_model")),
    "TFSMLayer": lambda path: as_layer("keras.layers", "TFSMLayer", filepath=str(path.parent)),
    "vocabulary": lambda path: as_layer(
        "keras.layers", "StringLookup", vocabulary=str(path.parent / "secret.txt")
    ),
    "registered": lambda path: lambda config: config.update(registered_name="os>system"),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_nothing_is_executed_and_no_file_is_read(whole, load, case, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    sprung = tmp_path / "sprung"
    (tmp_path / "sprung.py").write_text(f"open({str(sprung)!r}, 'w')")
    os.mkfifo(tmp_path / "secret.txt")  # to read it would hang
    refused(load, with_config(whole, ATTACKS[case](sprung)), "m.keras: ")
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["../escaped", "assets/../../escaped", "{}/escaped"])
def test_no_path_of_the_archive_leads_outside(whole, load, name, tmp_path, monkeypatch):
    (tmp_path / "temp" / "more").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp" / "more"))
    data = replaced(whole, name.format(tmp_path), lambda _: b"escaped")
    load(data)
    assert not list(tmp_path.rglob("escaped"))
