"""Damaged data files: `.npy`, `.npz`, folders of images, and the files of data sets with a name."""

import gzip
import io
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from keras_vae import datasets
from tests.fuzzing.campaign import campaign
from tests.fuzzing.damage import damaged_bytes

SIZES = ("1", "7", "0", "-3", "99999999999", "4294967296", "1e9", "True", "None", "'a'", "2**40")


def run(count, seed=0):
    """Opens so many damaged data files as `train --data` does; an `Outcome`."""
    with tempfile.TemporaryDirectory() as folder:
        whole = kinds(np.random.default_rng(seed))
        return campaign("data", count, lambda rng: attempt(rng, whole, Path(folder)), seed)


def kinds(rng):
    """`(name given to load or None, {file: its bytes})` of each kind of data."""
    x, y = rng.integers(0, 256, (12, 28, 28), "uint8"), rng.integers(0, 10, 12, "uint8")
    colour = rng.integers(0, 256, (6, 20, 16, 3), "uint8")
    cifar = rng.integers(0, 256, (4, 3073), "uint8").tobytes()
    batches = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    idx = {f"{part}-{name}-ubyte": a for part in ("train", "t10k") for name, a in _idx(x, y)}
    return [
        (None, {"x.npy": _saved(np.save, x / np.float32(255))}),
        (None, {"x.npy": _saved(np.save, colour)}),
        (None, {"x.npz": _saved(np.savez, x_train=x, x_test=x, y_train=y, y_test=y)}),
        (None, {"x.npz": _saved(np.savez_compressed, x_train=colour)}),
        *((None, _pictures(colour, kind)) for kind in ("PNG", "JPEG", "TIFF", "GIF", "PPM")),
        ("mnist", {name: bytes(content) for name, content in idx.items()}),
        ("mnist", {f"{name}.gz": gzip.compress(content) for name, content in idx.items()}),
        ("mnist", {"mnist.npz": _saved(np.savez, x_train=x, x_test=x, y_train=y, y_test=y)}),
        ("cifar10", dict.fromkeys(batches, cifar)),
    ]


def attempt(rng, whole, folder):
    """Damages one file of one kind, loads the data, and looks at what comes."""
    name, files = whole[rng.integers(len(whole))]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for file, content in files.items():
            Path(place, file).write_bytes(content)
        path = Path(place, sorted(files)[rng.integers(len(files))])
        damage(rng, path)
        single = name is None and len(files) == 1
        data = datasets.load(name or (path if single else place), data_dir=name and place)
    for x in (data.x_train, data.x_test):
        assert x.dtype == np.float32, x.dtype
        assert x.shape[1:] == data.input_shape, (x.shape, data.input_shape)
        assert np.isfinite(x).all()


def damage(rng, path):
    """Damages a file: its bytes, what is packed in it, a size that it declares, or what it is."""
    way, content = rng.random(), path.read_bytes()
    if way < 0.08:
        path.unlink()
        instead = ("folder", "pipe", "link", "nothing")[rng.integers(4)]
        if instead == "folder":
            path.mkdir()
        elif instead == "pipe":
            os.mkfifo(path)
        elif instead == "link":
            path.symlink_to("/dev/zero" if rng.random() < 0.5 else path)
    elif way < 0.4 and path.suffix == ".npz":
        path.write_bytes(_rezipped(rng, content))
    elif way < 0.4 and path.suffix == ".gz":
        path.write_bytes(gzip.compress(damaged_bytes(rng, gzip.decompress(content))))
    elif way < 0.4 and path.suffix == ".npy":
        path.write_bytes(_resized(rng, content))
    else:
        path.write_bytes(damaged_bytes(rng, content))


def _rezipped(rng, content):
    """An .npz in which one array is damaged, and the checksums are right."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        chosen = rng.integers(len(old.namelist()))
        for number, name in enumerate(old.namelist()):
            array = old.read(name)
            if number == chosen:
                array = (damaged_bytes, _resized)[rng.integers(2)](rng, array)
            new.writestr(name, array)
    return result.getvalue()


def _resized(rng, content):
    """An .npy whose header declares another shape."""
    start, end = content.index(b"("), content.index(b")")
    sizes = [SIZES[rng.integers(len(SIZES))] for _ in range(rng.integers(0, 5))]
    header = content[: start + 1] + ", ".join(sizes).encode() + content[end:]
    length = int.from_bytes(content[8:10], "little") + len(header) - len(content)
    return header[:8] + (length % 2**16).to_bytes(2, "little") + header[10:]


def _saved(save, *arrays, **named):
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def _idx(x, y):
    for name, array in (("images-idx3", x), ("labels-idx1", y)):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        yield name, header + array.tobytes()


def _pictures(x, kind):
    files = {}
    for number, pixels in enumerate(x):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        files[f"{number}.{kind.lower()}"] = file.getvalue()
    return files
