"""Bundles, damaged in every part, and signed again where more than the checksum is to hold."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import onnx

import keras_vae
from export import bundle
from tests.fuzzing.campaign import campaign
from tests.fuzzing.child import SECRET, Child
from tests.fuzzing.damage import damaged_bytes, damaged_json

CANARY = SECRET * 1000
GRAPHS = tuple(name for name in bundle.GRAPHS if name != "imputer.onnx")  # of tables alone
MODELS = {"plain": {}, "conditional": {"num_classes": 3}, "learned": {"prior": "flow"}}


def run(count, seed=0, whole=None):
    """Returns the `Outcome` of so many damaged bundles.

    Args:
        count, seed: as in `campaign`.
        whole: a folder of bundles to damage copies of; some are made if it is not given.
    """
    with tempfile.TemporaryDirectory() as place, Child(place) as opened:
        folder, whole = Path(place, "bundle"), whole or _write(Path(place, "whole"))
        names = sorted(path.name for path in whole.iterdir())
        Path(place, "canary.bin").write_bytes(CANARY)

        def attempt(rng):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(whole / rng.choice(names), folder)
            damage = WAYS[rng.integers(len(WAYS))]
            may_pass = damage(rng, folder)
            opened.use(folder)
            assert may_pass, f"{damage.__name__} was accepted"

        return campaign("bundles", count, attempt, seed)


def _write(folder):
    for name, options in MODELS.items():
        vae = keras_vae.VAE.from_architecture(
            "mlp", (4, 4, 1), latent_dim=2, hidden=(8,), seed=0, **options
        )
        bundle.write(vae, folder / name)
    return folder


def _graph_unsigned(rng, folder):
    path = folder / rng.choice(GRAPHS)
    path.write_bytes(damaged_bytes(rng, path.read_bytes()))


def _graph_signed(rng, folder):
    name = rng.choice(GRAPHS)
    _sign(folder, name, damaged_bytes(rng, (folder / name).read_bytes()))
    return True


def _model_signed(rng, folder):
    """A model whose bytes are well-formed, and what they say is not."""
    name = rng.choice(GRAPHS)
    model = onnx.load(folder / name)
    for _ in range(int(rng.integers(1, 4))):
        message, field = _place(rng, model)
        value = getattr(message, field.name)
        if field.is_repeated:
            del value[int(rng.integers(len(value)))]
        elif field.message_type or rng.random() < 0.1:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, _other(rng, field, value, model))
    _sign(folder, name, model.SerializeToString())
    return True


def _place(rng, message):
    """A random field of a random message inside of `message`, and that message."""
    field, value = _random(rng, message.ListFields())
    if field.message_type and rng.random() < 0.9:
        inner = _random(rng, value) if field.is_repeated else value
        if inner.ListFields():
            return _place(rng, inner)
    return message, field


def _other(rng, field, value, model):
    """Another value of a field: a number, a name of another thing in the model, or bytes."""
    if field.name in ("op_type", "name"):
        return getattr(_random(rng, model.graph.node), field.name)
    if isinstance(value, bytes):
        return damaged_bytes(rng, value)
    if isinstance(value, str):
        return str(_random(rng, ["", "a" * 5000, "x", "batch", value[::-1]]))
    return type(value)(_random(rng, [0, 1, 2, 7, 16, 1000, 2**20, 2**31 - 1]))


def _random(rng, values):
    return values[int(rng.integers(len(values)))]


def _manifest(rng, folder):
    path = folder / "manifest.json"
    path.write_text(damaged_json(rng, path.read_text()), errors="surrogateescape")
    return True


def _manifest_bytes(rng, folder):
    path = folder / "manifest.json"
    ways = [
        lambda data: damaged_bytes(rng, data),
        lambda data: data.replace(b"Normal", b"Norm\xe1l"),
        lambda data: b" " * 2**25 + data,
        lambda data: b"[" * 10**7,
        lambda data: data.decode().encode("utf-16"),
        lambda data: data[:-3] + b',"format": "keras-vae"}',
    ]
    path.write_bytes(_random(rng, ways)(path.read_bytes()))
    return True


def _metadata(rng, folder):
    """What a graph says of itself; the text may be no UTF-8, so that onnx cannot write it."""
    name = rng.choice(GRAPHS)
    model = onnx.load(folder / name)
    text = damaged_json(rng, model.metadata_props[0].value).encode("utf-8", "surrogateescape")
    del model.metadata_props[:]
    entry = _field(1, b"keras_vae") + _field(2, text)
    _sign(folder, name, model.SerializeToString() + _field(14, entry))
    return True


def _field(number, value):
    size, length = len(value), []
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + value


def _external(rng, folder):
    """A tensor of the model, anywhere, that stands in a file of the machine."""
    name = rng.choice(GRAPHS)
    model = onnx.load(folder / name)
    attributes = [a for node in model.graph.node for a in node.attribute if a.HasField("t")]
    tensor = _random(rng, [*model.graph.initializer, *(a.t for a in attributes)])
    tensor.data_location = 1
    places = ["canary.bin", "../canary.bin", str(folder.parent / "canary.bin"), "manifest.json"]
    place = _random(rng, [*places, "/etc/passwd", "*/_ORT_MEM_ADDR_/*"])
    offset = str(_random(rng, [0, 4, 2**40, -1]))
    for key, value in {"location": place, "offset": offset, "length": "64"}.items():
        tensor.external_data.add(key=key, value=value)
    if rng.random() < 0.5:
        for kept in ("raw_data", "int32_data", "float_data", "int64_data"):
            tensor.ClearField(kept)
    _sign(folder, name, model.SerializeToString())


def _names(rng, folder):
    """Names in the manifest that lead out of the folder."""
    told = json.loads((folder / "manifest.json").read_bytes())
    evil = _random(rng, ["../canary.bin", "/etc/passwd", "a/../../x", "\0", "..", "a" * 300, ""])
    kind = _random(rng, ["files", "precisions"])
    told[kind] = {**told[kind], evil: next(iter(told["files"].values()))}
    (folder / "manifest.json").write_text(json.dumps(told))


def _files(rng, folder):
    """Something else than a file stands where a file should be, or none."""
    path = folder / rng.choice(["manifest.json", *GRAPHS])
    whole = path.read_bytes()
    path.unlink()
    ways = [
        lambda: None,
        path.mkdir,
        path.touch,
        lambda: os.mkfifo(path),
        lambda: path.symlink_to(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("/proc/self/environ"),
        lambda: path.symlink_to(folder.parent / "canary.bin"),
        lambda: path.symlink_to(folder),
        lambda: (path.write_bytes(whole), os.truncate(path, 2**33)),
        lambda: shutil.copy(folder / "README.md", path),
        lambda: (path.write_bytes(b""), path.chmod(0)),
    ]
    _random(rng, ways)()


def _swapped(rng, folder):
    """One graph stands in the place of another, signed."""
    one, other = rng.choice(GRAPHS, 2, replace=False)
    _sign(folder, one, (folder / other).read_bytes())


def _sign(folder, name, data):
    (folder / name).write_bytes(data)
    told = json.loads((folder / "manifest.json").read_bytes())
    told["files"][name] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "manifest.json").write_text(json.dumps(told))


WAYS = (_graph_unsigned, _graph_signed, _model_signed, _manifest, _manifest_bytes, _metadata)
WAYS += (_external, _names, _files, _swapped)
