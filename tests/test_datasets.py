"""What `datasets.load` reads, how it scales and splits, and what it refuses."""

import gzip
import io
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image, ImageFile

from keras_vae import datasets, memory
from keras_vae.datasets.dataset import from_arrays
from tests.fuzzing import data as fuzzed
from tests.refusals import refused

GREY = np.random.default_rng(0).integers(0, 256, (20, 6, 5), dtype=np.uint8)
LABELS = np.arange(20) % 3
IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def write_idx_files(folder, images, labels, cut=12):
    folder.mkdir(parents=True, exist_ok=True)
    parts = (images[:cut], labels[:cut], images[cut:], labels[cut:])
    for name, array in zip(IDX_NAMES, parts, strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))


def write_images(folder, arrays, suffix=".png"):
    folder.mkdir(exist_ok=True)
    for i, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{i:03d}{suffix}")
    return folder


def npz_bytes(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


# What is read


def test_digits_are_embedded_grey_and_split_the_same_way_each_time():
    data, again = datasets.load("digits"), datasets.load()
    assert data.x_train.shape == (1438, 8, 8, 1)
    assert data.x_test.shape == (359, 8, 8, 1)
    assert data.x_train.dtype == np.float32
    assert data.x_train.min() == 0
    assert data.x_train.max() == 1
    assert set(data.y_train) == set(data.y_test) == set(range(10))
    assert np.array_equal(data.x_test, again.x_test)


def test_npz_takes_its_own_split_and_labels(tmp_path):
    parts = {"x_train": GREY[:15], "x_test": GREY[15:], "y_train": LABELS[:15]}
    np.savez(tmp_path / "a.npz", **parts, y_test=LABELS[15:, np.newaxis])
    data = datasets.load(tmp_path / "a.npz")
    assert data.name == "a"
    np.testing.assert_allclose(data.x_train[..., 0], GREY[:15] / 255, rtol=1e-6)
    np.testing.assert_allclose(data.x_test[..., 0], GREY[15:] / 255, rtol=1e-6)
    assert data.y_train.tolist() == LABELS[:15].tolist()
    assert data.y_test.tolist() == LABELS[15:].tolist()


def test_a_split_divides_the_examples_and_keeps_each_with_its_label(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=GREY, y_train=np.arange(20))
    data = datasets.load(tmp_path / "a.npz")
    assert len(data.x_test) == 4
    assert sorted([*data.y_train, *data.y_test]) == list(range(20))
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        np.testing.assert_allclose(x[..., 0], GREY[y] / 255, rtol=1e-6)


def test_one_array_is_taken_whatever_its_name_and_npy_gives_the_same(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", pictures=GREY)
    np.save(tmp_path / "b.npy", GREY)
    a, b = datasets.load(str(tmp_path / "a.npz")), datasets.load(str(tmp_path / "b.npy"))
    assert np.array_equal(a.x_train, b.x_train)
    assert np.array_equal(a.x_test, b.x_test)
    assert a.y_train is None
    assert a.y_test is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GREY, (GREY / 255)[..., np.newaxis]),
        (np.repeat(GREY[..., np.newaxis], 3, 3), np.repeat((GREY / 255)[..., np.newaxis], 3, 3)),
        ((GREY.astype(np.uint16) * 257).astype(">u2"), (GREY / 255)[..., np.newaxis]),
        (GREY > 99, (GREY > 99)[..., np.newaxis]),
        ((GREY > 99).astype(np.uint8), (GREY > 99)[..., np.newaxis]),
        (GREY.astype(np.float64), GREY[..., np.newaxis]),
        (np.asfortranarray(GREY.astype(">f4") - 9), (GREY - 9.0)[..., np.newaxis]),
        (GREY.reshape(20, 30), GREY.reshape(20, 30)),
        (GREY.reshape(20, 2, 3, 5, 1), GREY.reshape(20, 2, 3, 5, 1) / 255),
        (GREY.reshape(20, 2, 3, 1, 5, 1) - 0.5, GREY.reshape(20, 2, 3, 1, 5, 1) - 0.5),
    ],
    ids=[
        "uint8",
        "rgb",
        "uint16",
        "bool",
        "binary",
        "floats",
        "negative",
        "vectors",
        "voxels",
        "video",
    ],
)
def test_integer_pixels_become_grey_values_and_other_numbers_stay(given, expected):
    data = from_arrays("x", given, given)
    assert data.x_train.dtype == np.float32
    assert data.x_train.flags.c_contiguous
    np.testing.assert_allclose(data.x_train, expected, rtol=1e-6)


def test_both_parts_share_one_scale():
    data = from_arrays("x", GREY, np.zeros((2, 6, 5), np.uint8) + 1)
    np.testing.assert_allclose(data.x_test, 1 / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("train", "test", "white"),
    [("float32", "uint8", 1), ("uint8", "uint16", 65535), ("int16", "int16", 1)],
)
def test_both_parts_share_one_scale_whatever_they_hold(train, test, white):
    x_train, x_test = GREY.astype(train), GREY.astype(test)
    if train == "int16":
        x_train[0, 0, 0] = -3  # no grey level
    data = from_arrays("x", x_train, x_test)
    np.testing.assert_allclose(data.x_train[..., 0], x_train / white, rtol=1e-6)
    np.testing.assert_allclose(data.x_test[..., 0], x_test / white, rtol=1e-6)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_are_read_from_a_folder(tmp_path, name):
    write_idx_files(tmp_path, GREY, LABELS)
    data = datasets.load(name, data_dir=tmp_path)
    assert data.name == name
    np.testing.assert_allclose(data.x_train[..., 0], GREY[:12] / 255, rtol=1e-6)
    assert data.y_test.tolist() == LABELS[12:].tolist()


def test_mnist_npz_is_read_from_a_folder(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=GREY[:12], x_test=GREY[12:])
    assert datasets.load("mnist", data_dir=str(tmp_path)).x_test.shape == (8, 6, 5, 1)


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_cifar10_binary_version_is_read_from_a_folder(tmp_path, inner):
    rows = np.random.default_rng(1).integers(0, 256, (6, 3073), dtype=np.uint8)
    rows[:, 0] %= 10
    (tmp_path / inner).mkdir(exist_ok=True)
    for name, row in zip([f"data_batch_{i}" for i in range(1, 6)], rows, strict=False):
        (tmp_path / inner / f"{name}.bin").write_bytes(row.tobytes())
    (tmp_path / inner / "test_batch.bin").write_bytes(rows[5:].tobytes())
    data = datasets.load("cifar10", data_dir=tmp_path)
    assert data.x_train.shape == (5, 32, 32, 3)
    assert data.x_test.shape == (1, 32, 32, 3)
    assert data.y_train.tolist() == rows[:5, 0].tolist()
    green = rows[2, 1 + 1024 : 1 + 2048].reshape(32, 32)
    np.testing.assert_allclose(data.x_train[2, :, :, 1], green / 255, rtol=1e-6)


def test_fashion_mnist_is_read_by_keras_from_its_cache_without_a_download(tmp_path):
    pictures = np.random.default_rng(2).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    cache = tmp_path / "datasets" / "fashion-mnist"
    write_idx_files(cache, pictures, LABELS)
    code = (
        "from keras_vae import datasets\n"
        "print(float(datasets.load('fashion_mnist').x_train[3, 4, 5, 0]) * 255)\n"
        f"open({str(cache / IDX_NAMES[2])!r} + '.gz', 'r+').truncate(30)\n"
        "try: datasets.load('fashion_mnist')\n"
        "except ValueError as error: print(error)\n"
    )
    env = {**os.environ, "KERAS_HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = pathlib.Path(__file__).parents[1]
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=env, cwd=root, capture_output=True, text=True, check=True)
    value, message = result.stdout.splitlines()
    assert round(float(value)) == pictures[3, 4, 5]
    assert "fashion_mnist could not be" in message
    assert "--data-dir" in message


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_grey_images_give_one_channel(tmp_path, mode):
    for i in range(5):
        image = Image.fromarray(GREY[i])
        if mode == "I;16":
            image = Image.fromarray(GREY[i].astype(np.uint16) * 257)
        image.convert(mode).save(tmp_path / f"{i}.png")
    data = datasets.load(tmp_path)
    assert data.name == tmp_path.name
    assert data.x_train.shape == (4, 6, 5, 1)
    assert data.x_test.shape == (1, 6, 5, 1)
    if mode != "1":
        seen = {tuple(image.ravel()) for image in np.concatenate([data.x_train, data.x_test])}
        assert seen == {tuple(np.float32(image / 255).ravel()) for image in GREY[:5]}


def test_one_colour_image_makes_all_of_them_rgb(tmp_path):
    colour = np.random.default_rng(3).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    write_images(tmp_path, [GREY[0], GREY[1], colour, colour[..., :3]])
    write_images(tmp_path / "more", [GREY[2]], ".bmp")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._000.png").write_text("what a Mac leaves")
    data = datasets.load(tmp_path)
    x = np.concatenate([data.x_train, data.x_test])
    assert x.shape == (5, 6, 5, 3)
    assert sum((image[..., 0] == image[..., 1]).all() for image in x) == 3


def test_a_name_goes_before_a_folder_and_a_path_object_is_a_path(tmp_path, monkeypatch):
    write_images(tmp_path / "digits", GREY[:5])
    monkeypatch.chdir(tmp_path)
    assert datasets.load("digits").input_shape == (8, 8, 1)
    assert datasets.load(pathlib.Path("digits")).input_shape == (6, 5, 1)
    assert datasets.load("./digits").input_shape == (6, 5, 1)


# What is refused: one line that names the file and says what to do


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mnits", ["'mnits'", "Did you mean 'mnist'", "cifar10", "digits"]),
        ("Fashion-MNIST", ["Did you mean 'fashion_mnist'"]),
        ("zzz", ["Unknown data set: 'zzz'. Known: digits, mnist"]),
        ("no/such.npz", ["no/such.npz", "no such file"]),
        (pathlib.Path("mnits"), ["mnits", "no such file"]),
        ("", ["must be digits, mnist", "got ''"]),
        (None, ["must be digits, mnist", "got None"]),
        ("x" * 5000, ["Unknown data set"]),
    ],
)
def test_an_unknown_name_or_path(name, words):
    with refused(*words):
        datasets.load(name)


WHOLE_NPZ = npz_bytes(x_train=GREY)
WHOLE_NPY = npy_bytes(GREY)
WITH_NAN = np.where(np.arange(30) == 7, np.nan, np.ones((20, 30)))
PICKLED = np.array([{"a": 1}, None], dtype=object)
BAD_FILES = {
    "empty.npz": (b"", "is empty"),
    "empty.npy": (b"", "is empty"),
    "text.npz": (b"x,y\n1,2\n", "is no .npz file"),
    "text.npy": (b"x,y\n1,2\n", "is no .npy file"),
    "npy.npz": (WHOLE_NPY, "is no .npz file"),
    "cut.npz": (WHOLE_NPZ[:300], "cut short"),
    "cut.npy": (WHOLE_NPY[:-1], "cut short"),
    "header.npy": (WHOLE_NPY[:40], "cut short"),
    "huge.npy": (WHOLE_NPY.replace(b"(20, 6, 5), }   ", b"(2000000, 6, 5),}"), "cut short"),
    "flipped.npz": (WHOLE_NPZ.replace(GREY[3].tobytes(), GREY[4].tobytes()), "cannot be read"),
    "nothing.npz": (npz_bytes(), "single array, got no array"),
    "names.npz": (npz_bytes(a=GREY, b=GREY), "single array, got the arrays a, b"),
    "test.npz": (npz_bytes(x_test=GREY, y_test=LABELS), "must hold an array named x_train"),
    "pickled.npz": (npz_bytes(x_train=PICKLED), "never loaded"),
    "pickled.npy": (npy_bytes(PICKLED), "never loaded"),
    "pickle.npy": (pickle.dumps([1, 2]), "is no .npy file"),
    "nan.npy": (npy_bytes(WITH_NAN), "finite float32 numbers, got NaN or infinite"),
    "inf.npz": (
        npz_bytes(x_train=WITH_NAN[:, :7], x_test=[[np.inf] * 7]),
        "x_test must hold finite",
    ),
    "big.npy": (npy_bytes(np.full((4, 3), 1e300)), "finite float32 numbers, got NaN or infinite"),
    "text_array.npy": (
        npy_bytes(np.array(["a", "b"])),
        "must hold real numbers (such as uint8), got dtype <U1",
    ),
    "complex.npy": (npy_bytes(np.ones((3, 4), complex)), "dtype complex128"),
    "none.npy": (npy_bytes(GREY[:0]), "at least one example"),
    "one.npy": (npy_bytes(GREY[:1]), "must hold 2 examples or more"),
    "flat.npy": (
        npy_bytes(np.arange(9)),
        "must have shape (N, D), (N, H, W), (N, H, W, C) or more axes, got (9,)",
    ),
    "no_pixels.npy": (npy_bytes(np.ones((9, 0, 4))), "or more axes, got (9, 0, 4)"),
    "scalar.npy": (npy_bytes(np.float32(1)), "or more axes, got ()"),
    "first.npy": (npy_bytes(np.ones((9, 3, 32, 32))), "channels first"),
    "shapes.npz": (npz_bytes(x_train=GREY, x_test=GREY[:, :5]), "examples of one shape"),
    "count.npz": (npz_bytes(x_train=GREY, y_train=LABELS[:9]), "must hold 20 integer labels"),
    "targets.npz": (npz_bytes(x_train=GREY, y_train=LABELS / 2), "must hold 20 integer labels"),
    "alone.npz": (npz_bytes(x_train=GREY, y_test=LABELS), "without its x_test"),
    "table.xlsx": (b"1,2\n", "got a .xlsx file"),
    "bare": (b"1,2\n", "got a bare file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file(tmp_path, name):
    content, words = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with refused(str(tmp_path / name), words):
        datasets.load(tmp_path / name)


def test_damaged_data_are_one_clear_line():
    outcome = fuzzed.run(300, seed=7)
    assert not outcome.faults
    assert outcome.refused > 150


def larger(shape):
    """The bytes of an array whose header tells of another shape."""
    file = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": "|u1"}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(1000)


@pytest.mark.parametrize("shape", [(2**31,), (2**32, 2**32), (2**62, 3), (10**5, 10**5)])
def test_a_size_in_a_header_is_not_trusted(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(larger(shape))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", larger(shape))
    for name in ("a.npy", "a.npz"):
        with refused(name, f"header tells of shape {shape}"):
            datasets.load(tmp_path / name)


def test_data_larger_than_the_memory_are_not_unpacked(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", GREY)
    np.savez_compressed(tmp_path / "a.npz", x_train=GREY)
    write_idx_files(tmp_path / "idx", GREY, LABELS)
    monkeypatch.setattr(memory, "memory", lambda: 9 * GREY[:12].size - 1)
    for name in ("a.npy", "a.npz"):
        with refused(name, "GB of memory, and there are"):
            datasets.load(tmp_path / name)
    with refused("train-images-idx3-ubyte.gz", "GB of memory, and there are"):
        datasets.load("mnist", tmp_path / "idx")


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch, recwarn):
    write_images(tmp_path, [np.zeros((12_000, 12_000), np.uint8), GREY[0]])
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    with refused("000.png", "16,777,216 pixels at most, got 12000x12000"):
        datasets.load(tmp_path)
    assert not recwarn


def test_a_packed_idx_file_is_read_no_further_than_its_header_says(tmp_path, monkeypatch):
    write_idx_files(tmp_path, GREY, LABELS)
    bomb = gzip.compress(idx(GREY) + bytes(10**7))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    read, sizes = gzip.GzipFile.read, []
    monkeypatch.setattr(gzip.GzipFile, "read", lambda f, n=-1: (sizes.append(n), read(f, n))[1])
    with refused("600 values", "got more"):
        datasets.load("mnist", tmp_path)
    assert sizes == [4, 12, 601]


def test_a_pipe_among_pictures_is_not_opened(tmp_path):
    write_images(tmp_path, GREY)
    os.mkfifo(tmp_path / "pipe.png")
    assert len(datasets.load(tmp_path).x_train) == 16


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_nothing_is_unpickled(tmp_path):
    trap = Trap(tmp_path / "sprung")
    np.save(tmp_path / "a.npy", np.array([trap], dtype=object))
    np.savez(tmp_path / "a.npz", x_train=np.array([trap], dtype=object))
    (tmp_path / "b.npy").write_bytes(pickle.dumps(trap))
    for name in ("a.npy", "a.npz", "b.npy"):
        with refused(name):
            datasets.load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_images_of_mixed_sizes_name_the_two_files(tmp_path):
    write_images(tmp_path, [GREY[0], GREY[1], GREY[2][:, :4]])
    with refused(f"5x6 ({tmp_path}/000.png)", f"4x6 ({tmp_path}/002.png)", "resize"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("kind", ["empty", "cut", "text"])
def test_a_bad_image_is_named(tmp_path, kind):
    write_images(tmp_path, GREY[:3])
    bad = tmp_path / "001.png"
    whole = bad.read_bytes()
    bad.write_bytes({"empty": b"", "cut": whole[:50], "text": b"hello, world"}[kind])
    words = "is empty" if kind == "empty" else "is no image, or is cut short"
    with refused(str(bad), words):
        datasets.load(tmp_path)


def test_a_folder_without_images(tmp_path):
    with refused(str(tmp_path), "must hold images", ".png"):
        datasets.load(tmp_path)


def test_data_dir_is_refused_where_it_means_nothing(tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    for name in ("digits", tmp_path / "a.npy"):
        with pytest.raises(ValueError, match="data_dir"):
            datasets.load(name, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "got no t10k"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:40]), "cut short"),
        (lambda path: path.write_bytes(gzip.compress(idx(GREY)[:-1])), "cut short"),
        (lambda path: path.write_bytes(gzip.compress(b"hello")), "is no IDX file"),
        (lambda path: path.write_bytes(gzip.compress(bytes([0, 0, 8, 3, 0]))), "is no IDX file"),
        (lambda path: path.write_bytes(b"hello"), "is no IDX file"),
    ],
    ids=["missing", "empty", "cut", "short", "text", "header", "plain"],
)
def test_a_bad_idx_file_is_named(tmp_path, damage, words):
    write_idx_files(tmp_path, GREY, LABELS)
    damage(tmp_path / "t10k-images-idx3-ubyte.gz")
    with refused(str(tmp_path), "t10k-images-idx3-ubyte.gz", words):
        datasets.load("fashion_mnist", data_dir=tmp_path)


def test_bad_cifar10_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"data_batch_1\.bin cannot be read"):
        datasets.load("cifar10", data_dir=tmp_path)
    for name in [f"data_batch_{i}" for i in range(1, 6)]:
        (tmp_path / f"{name}.bin").write_bytes(bytes(3073))
    (tmp_path / "test_batch.bin").write_bytes(bytes(3000))
    with pytest.raises(ValueError, match=r"test_batch\.bin must hold .* got 3000 bytes"):
        datasets.load("cifar10", data_dir=tmp_path)


def test_a_missing_data_dir(tmp_path):
    with refused(str(tmp_path / "none"), "must be a folder", "mnist.npz"):
        datasets.load("mnist", data_dir=tmp_path / "none")


def test_a_failed_download_says_where_to_put_the_file(monkeypatch):
    def load_data():
        raise Exception("URL fetch failure on\nhttps://example.org: None")  # as Keras raises it

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    with refused("URL fetch failure", "mnist.npz", "--data-dir FOLDER"):
        datasets.load("mnist")


# Binarization


def test_binarize_draws_each_pixel_with_its_own_probability():
    x = np.tile(np.linspace(0, 1, 11, dtype=np.float32), (20_000, 1))
    drawn = datasets.binarize(x, seed=4)
    assert drawn.dtype == np.float32
    assert set(np.unique(drawn)) == {0.0, 1.0}
    standard_error = np.sqrt(x[0] * (1 - x[0]) / len(x))
    assert (np.abs(drawn.mean(axis=0) - x[0]) <= 5 * standard_error).all()


@pytest.mark.parametrize("x", [[[0.0, 1.2]], [[-1.0, 0.0]], [[0.0, 2.0, 3.0]]])
def test_what_is_not_grey_is_left_as_it_is(x):
    np.testing.assert_array_equal(datasets.binarization.grey_levels(np.float32(x)), np.float32(x))


def test_binarize_is_fixed_by_its_seed():
    x = np.full((50, 20), 0.5)
    draws = [datasets.binarize(x, seed).tobytes() for seed in (0, 0, 1, -1, 2**63 - 1)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 4


def test_a_binarized_set_keeps_everything_else():
    data = datasets.load("digits")
    binary = data.binarized(seed=5)
    assert set(np.unique(binary.x_train)) == set(np.unique(binary.x_test)) == {0.0, 1.0}
    assert binary.y_train is data.y_train
    assert binary.name == "digits"
    assert np.array_equal(binary.x_test, data.binarized(seed=5).x_test)


@pytest.mark.parametrize("value", [-0.01, 1.01, 255, np.nan])
@pytest.mark.parametrize("draw", [datasets.binarize, datasets.DynamicBinarization])
def test_only_grey_values_are_binarized(draw, value):
    with pytest.raises(ValueError, match=r"grey values in \[0, 1\]"):
        draw([[0.5, value]])


@pytest.mark.parametrize(
    ("x", "batch_size"), [(np.zeros((0, 4)), 8), (0.5, 8), (np.zeros((3, 4)), 0)]
)
def test_dynamic_binarization_refuses_empty_data_and_batches(x, batch_size):
    with pytest.raises(ValueError, match=r"must (be|hold) at least"):
        datasets.DynamicBinarization(x, batch_size)


def numbered(count=50, **options):
    """Example i has the value 1 at place i and 1/2 at `count` further places."""
    x = np.concatenate([np.eye(count), np.full((count, count), 0.5)], axis=1)
    return datasets.DynamicBinarization(x, batch_size=16, **options)


def epoch_of(data):
    return np.concatenate([x for (x,) in data])


def test_an_epoch_shows_every_example_once_in_its_own_order():
    data = numbered()
    orders = []
    for _ in range(2):
        seen = epoch_of(data)
        orders.append(seen[:, :50].argmax(axis=1).tolist())
        assert seen.dtype == np.float32
        assert sorted(orders[-1]) == list(range(50))
        data.on_epoch_end()
    assert orders[0] != orders[1]
    assert orders[0] != list(range(50))
    assert [len(x) for (x,) in data] == [16, 16, 16, 2]


def test_each_epoch_and_each_batch_has_new_draws():
    data = numbered(shuffle=False)
    first = epoch_of(data)
    data.on_epoch_end()
    second = epoch_of(data)
    assert first[:, :50].tolist() == second[:, :50].tolist() == np.eye(50).tolist()
    draws = first[:, 50:], second[:, 50:], first[16:32, 50:], first[:16, 50:]
    assert abs((draws[0] != draws[1]).mean() - 0.5) < 0.06  # 2500 coins: 6 standard errors
    assert abs((draws[2] != draws[3]).mean() - 0.5) < 0.1


def test_a_batch_is_a_function_of_seed_epoch_and_index():
    a, b, other = numbered(seed=3), numbered(seed=3), numbered(seed=4)
    a.epoch = 7
    for _ in range(7):
        b.on_epoch_end()
    assert np.array_equal(a[2][0], b[2][0])
    assert np.array_equal(a[-1][0], b[3][0])
    other.epoch = 7
    assert not np.array_equal(a[2][0], other[2][0])
    with pytest.raises(IndexError):
        a[4]


@keras.saving.register_keras_serializable("tests")
class Recorder(keras.Model):
    """Trains nothing and keeps the batches it is given."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.built = True
        self.compile(run_eagerly=True)

    def train_step(self, *state_and_data):
        """JAX hands its variables over, and takes them back."""
        *state, data = state_and_data
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.seen.append(keras.ops.convert_to_numpy(x))
        return ({"loss": 0.0}, *state) if state else {"loss": 0.0}


def test_fit_moves_the_epoch_on_and_worker_threads_change_nothing():
    runs = []
    for workers in (1, 2):
        recorder = Recorder()
        recorder.fit(numbered(workers=workers), epochs=3, shuffle=False, verbose=0)
        runs.append(np.concatenate(recorder.seen))
    assert np.array_equal(*runs)
    orders = runs[0][:, :50].argmax(axis=1).reshape(3, 50)
    assert (np.sort(orders) == np.arange(50)).all()
    assert len({tuple(o) for o in orders}) == 3
