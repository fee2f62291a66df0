"""Damaged data files: loaded as `train` loads them."""

import gzip
import io
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from keras_vae import datasets
from tests.fuzzing.campaign import campaign
from tests.fuzzing.damage import damaged_bytes

GREY = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.arange(6) % 3
HUGE = (0, 1, 7, 10**4, 10**5, 10**6, 2**31 - 1, 2**31, 2**32 - 1)


def run(count, seed=0):
    """Opens `count` damaged files and folders: an `Outcome`."""
    return campaign("data", count, attempt, seed)


def attempt(rng):
    """Writes whole data, damages one of its files, and loads them."""
    kinds = list(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        given = KINDS[kinds[rng.integers(len(kinds))]](Path(folder))
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        damage(rng, files[rng.integers(len(files))])
        data = datasets.load(*given)
        assert len(data.x_train) > 0 < len(data.x_test)
        assert np.isfinite(data.x_train).all()


def damage(rng, path):
    """Damages a file, or puts something else in its place, which may never end."""
    if rng.random() > 0.08:
        path.write_bytes(damaged(rng, path.read_bytes()))
        return
    path.unlink()
    others = (os.mkfifo, Path.mkdir, lambda p: p.symlink_to("/dev/zero"), lambda p: p.symlink_to(p))
    others[rng.integers(len(others))](path)


def damaged(rng, data):
    """Other bytes; half of the time with a size in the header that the file does not have."""
    if rng.random() < 0.5:
        for magic, resize in RESIZED.items():
            if data.startswith(magic):
                return resize(rng, data)
    if data.startswith(b"PK") and rng.random() < 0.5:
        return _rezipped(rng, data)
    return damaged_bytes(rng, data)


def _npy(folder):
    np.save(folder / "a.npy", GREY)
    return (folder / "a.npy",)


def _floats(folder):
    np.save(folder / "a.npy", np.asfortranarray(GREY.reshape(6, 20) / 9), allow_pickle=False)
    return (folder / "a.npy",)


def _npz(folder):
    np.savez(folder / "a.npz", x_train=GREY, x_test=GREY[:2], y_train=LABELS, y_test=LABELS[:2])
    return (folder / "a.npz",)


def _packed(folder):
    np.savez_compressed(folder / "a.npz", pictures=GREY)
    return (folder / "a.npz",)


def _objects(folder):
    np.savez(folder / "a.npz", x_train=np.array([{"a": 1}, None], dtype=object))
    return (folder / "a.npz",)


def _pictures(suffix, pixels=GREY):
    def write(folder):
        for i, grey in enumerate(pixels[:3]):
            Image.fromarray(grey).save(folder / f"{i}{suffix}")
        return (folder,)

    return write


def _idx(folder):
    stems = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for stem, array in zip(stems, (GREY, LABELS, GREY[:2], LABELS[:2]), strict=True):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        content = gzip.compress(header + array.astype(np.uint8).tobytes())
        (folder / f"{stem}-ubyte.gz").write_bytes(content)
    return "fashion_mnist", folder


def _mnist(folder):
    shutil.copy(_npz(folder)[0], folder / "mnist.npz")
    (folder / "a.npz").unlink()
    return "mnist", folder


def _cifar(folder):
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (folder / f"{name}.bin").write_bytes(bytes([3]) + GREY.tobytes()[:64] * 48)
    return "cifar10", folder


KINDS = {
    "npy": _npy,
    "floats": _floats,
    "npz": _npz,
    "packed": _packed,
    "objects": _objects,
    **{suffix: _pictures(suffix) for suffix in (".png", ".jpg", ".gif", ".tif", ".webp", ".pgm")},
    "deep.png": _pictures(".png", GREY.astype(np.uint16) * 100),
    "deep.tif": _pictures(".tif", GREY.astype(np.uint16) * 100),
    "integers.tif": _pictures(".tif", GREY.astype(np.int32)),
    "floats.tif": _pictures(".tif", GREY.astype(np.float32)),
    "idx": _idx,
    "mnist": _mnist,
    "cifar": _cifar,
}


def _larger_npy(rng, data):
    shape = tuple(int(n) for n in rng.choice(HUGE, rng.integers(1, 5)))
    kind = rng.choice(["|u1", "<f8", "|b1", "<U9", "|O", "<c16", "|V8", "<M8[s]"])
    header = np.lib.format.header_data_from_array_1_0(GREY) | {"shape": shape, "descr": str(kind)}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + data[128:]


def _larger_npz(rng, data):
    file = io.BytesIO()
    with np.load(io.BytesIO(data), allow_pickle=True) as archive:
        np.savez(file, **{key: np.zeros((2, 3)) for key in archive.files})
    start = file.getvalue().find(b"\x93NUMPY")
    header = _larger_npy(rng, b"")[:128]
    return file.getvalue()[:start] + header + file.getvalue()[start + 128 :]


def _rezipped(rng, data):
    """An .npz in which one array is damaged, and the checksums are right."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        chosen = old.namelist()[rng.integers(len(old.namelist()))]
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, damaged_bytes(rng, content) if name == chosen else content)
    return file.getvalue()


def _larger_png(rng, data):
    size = struct.pack(">II", *(int(n) % 2**31 for n in rng.choice(HUGE, 2)))
    chunk = data[12:16] + size + data[24:29]
    return data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def _larger_idx(rng, data):
    content = gzip.decompress(data)
    sizes = np.array(rng.choice(HUGE, content[3]), ">u4").tobytes()
    return gzip.compress(content[:4] + sizes + bytes(int(rng.integers(10**6))))


RESIZED = {
    b"\x93NUMPY": _larger_npy,
    b"PK": _larger_npz,
    b"\x89PNG": _larger_png,
    b"\x1f\x8b": _larger_idx,
}
