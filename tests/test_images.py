"""Folders of images: they give the numbers of their pixels, all of them, or are refused."""

import os
import socket
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_vae import cli, datasets, memory
from keras_vae.datasets import images
from keras_vae.datasets.dataset import from_arrays
from tests.refusals import refused

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (6, 5, 4), dtype=np.uint16)


def write(folder, pixels, suffix=".png", **options):
    folder.mkdir(exist_ok=True)
    for i, array in enumerate(pixels):
        Image.fromarray(array).save(folder / f"{i:03d}{suffix}", **options)
    return folder


def loaded(path):
    """All examples of a data set, its test part last."""
    data = datasets.load(path)
    return np.concatenate([data.x_train, data.x_test])


def unsigned(folder):
    """Says of 32-bit TIFFs that their integers have no sign: Pillow never writes it."""
    for path in folder.iterdir():
        tag = struct.pack("<HHI", 339, 3, 1)
        content = path.read_bytes()
        assert content.count(tag + b"\2") == 1
        path.write_bytes(content.replace(tag + b"\2", tag + b"\1"))


# Which numbers come out


@pytest.mark.parametrize(
    ("pixels", "suffix", "options"),
    [
        (GREY, ".png", {}),
        (GREY, ".pgm", {}),
        (GREY % 2, ".png", {}),
        (COLOUR, ".png", {}),
        (DEEP, ".png", {}),
        (DEEP, ".pgm", {}),
        (DEEP, ".tif", {}),
        (DEEP, ".tif", {"compression": "tiff_lzw"}),
        (DEEP.astype(">u2"), ".tif", {}),
        (DEEP // 16, ".png", {}),
        (DEEP // 256, ".tif", {}),
        (DEEP % 2, ".png", {}),
        (DEEP.astype(np.int32) - 9, ".tif", {}),
        (GREY.astype(np.int32), ".tif", {}),
        (DEEP.astype(np.int32) * 32767, ".tif", {"compression": "tiff_deflate"}),
        (DEEP.astype(np.float32) / 7 - 9, ".tif", {}),
        (GREY.astype(np.float32), ".tif", {"compression": "tiff_lzw"}),
    ],
)
def test_a_folder_gives_the_numbers_of_an_npy_of_its_pixels(tmp_path, pixels, suffix, options):
    np.save(tmp_path / "a.npy", pixels)
    folder = write(tmp_path / "pictures", pixels, suffix, **options)
    assert np.array_equal(loaded(folder), loaded(tmp_path / "a.npy"))


def test_integers_without_a_sign_stay_so(tmp_path):
    pixels = DEEP.astype(np.uint32) * 65537
    folder = write(tmp_path / "pictures", pixels.view(np.int32), ".tif")
    unsigned(folder)
    np.save(tmp_path / "a.npy", pixels)
    assert np.array_equal(loaded(folder), loaded(tmp_path / "a.npy"))


def test_a_pgm_has_its_white_where_it_says(tmp_path):
    for i in range(2):
        values = np.array([0, 1, 2000, 4095], ">u2").tobytes()
        (tmp_path / f"{i}.pgm").write_bytes(b"P5 2 2 4095\n" + values)
    expected = np.array([0, 1, 2000, 4095]) / 4095
    np.testing.assert_allclose(loaded(tmp_path)[0].ravel(), expected, atol=0.5 / 65535)


@pytest.mark.parametrize("first", [0, 1])
def test_8_and_16_bits_share_one_scale(tmp_path, first):
    for i in range(4):
        pixels = GREY[i] if i % 2 == first else DEEP[i]
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    Image.fromarray(COLOUR[0]).save(tmp_path / "4.png")
    seen = {image.tobytes() for image in loaded(tmp_path)}
    expected = [GREY[i] * 257.0 if i % 2 == first else DEEP[i] for i in range(4)]
    expected = [np.repeat(image[..., np.newaxis], 3, 2) for image in expected] + [COLOUR[0] * 257.0]
    assert seen == {(np.float32(image) / np.float32(65535)).tobytes() for image in expected}


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tif"])
def test_a_palette_of_grey_is_grey_and_one_of_colours_is_not(tmp_path, suffix):
    for i in range(5):
        grey = Image.fromarray(GREY[i] // 16)
        grey.putpalette([255 - v for v in range(0, 256, 16) for _ in range(3)] + [255, 0, 0])
        grey.save(tmp_path / f"{i}{suffix}")
    x = loaded(tmp_path)
    assert x.shape == (5, 5, 4, 1)
    expected = {np.float32((255 - GREY[i] // 16 * 16.0) / 255).tobytes() for i in range(5)}
    assert {image.tobytes() for image in x} == expected
    grey.putpalette([255, 0, 0] * 16)
    grey.save(tmp_path / f"4{suffix}")
    assert loaded(tmp_path).shape == (5, 5, 4, 3)


TURNS = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("pixels", [GREY[0], DEEP[0]], ids=["8", "16"])
@pytest.mark.parametrize("kind", [".png", ".tif", "lzw.tif"])
def test_images_stand_as_exif_says(tmp_path, kind, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif} if kind == ".png" else {"tiffinfo": {0x0112: orientation}}
    if kind == "lzw.tif":
        options["compression"] = "tiff_lzw"
    folder = write(tmp_path / "pictures", [pixels, pixels], kind, **options)
    expected = TURNS[orientation](pixels) / np.float32(np.iinfo(pixels.dtype).max)
    assert np.array_equal(loaded(folder)[0, ..., 0], expected.astype(np.float32))


def test_images_come_in_the_order_of_their_paths(tmp_path):
    names = ["a.png", "a/2.png", "a/b/4.png", "a-b/1.png", "a.b/3.png", "B.PNG", "é/1.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(GREY[0]).save(tmp_path / name)
    found = [Path(path) for path in images._find(tmp_path)]
    assert found == sorted(tmp_path / name for name in names)


def test_links_are_followed_once(tmp_path):
    write(tmp_path / "elsewhere", GREY[:3])
    folder = write(tmp_path / "pictures", GREY[3:5])
    (folder / "class").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to(tmp_path / "elsewhere")
    (folder / "itself").symlink_to(folder)
    assert len(loaded(folder)) == 5


# What is refused: one line that names the file and says what to do


def deep_png(pixels, colour_type):
    """A PNG of 16 bits, which Pillow writes in grey alone."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deep_tiff(pixels, photometric):
    """A TIFF of 16 bits: (H, W, C)."""
    height, width, channels = pixels.shape
    entries = 9
    bits_at = 14 + 12 * entries
    data_at = bits_at + 2 * channels
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, bits_at if channels > 2 else 16),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, data_at),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, pixels.nbytes),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, entries)
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    bits = struct.pack("<H", 16) * channels
    return head + body + bits + pixels.tobytes()


DEEP_COLOUR = RNG.integers(0, 65536, (5, 4, 4), dtype=np.uint16)
LOSSY = {
    "rgb.png": deep_png(DEEP_COLOUR[..., :3], 2),
    "rgba.png": deep_png(DEEP_COLOUR, 6),
    "la.png": deep_png(DEEP_COLOUR[..., :2], 4),
    "rgb.tif": deep_tiff(DEEP_COLOUR[..., :3], 2),
    "rgb.ppm": b"P6 4 5 65535\n" + DEEP_COLOUR[..., :3].astype(">u2").tobytes(),
    "12.ppm": b"P6 4 5 4095\n" + (DEEP_COLOUR[..., :3] // 16).astype(">u2").tobytes(),
    "plain.ppm": b"P3 1 2 4095\n 1 2 3 4 5 4095\n",
}


@pytest.mark.parametrize("name", LOSSY)
def test_16_bits_that_pillow_would_round_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(LOSSY[name])
    with refused(name, "has 16 bits in colour or with transparency", "16-bit grey", ".npy"):
        datasets.load(tmp_path)


def test_the_files_above_are_whole(tmp_path):
    """As grey, they are read."""
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(deep_png(DEEP_COLOUR[..., :1], 0))
        (tmp_path / f"{i}.tif").write_bytes(deep_tiff(DEEP_COLOUR[..., :1], 1))
    expected = DEEP_COLOUR[..., :1] / np.float32(65535)
    assert all(np.array_equal(x, expected) for x in loaded(tmp_path))


def test_16_bits_with_white_at_0_are_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(deep_tiff(DEEP_COLOUR[..., :1], 0))
    with refused("a.tif", "white at 0", ".npy"):
        datasets.load(tmp_path)


def test_a_tiff_that_pillow_does_not_read_is_refused_with_the_fix(tmp_path):
    (tmp_path / "a.tif").write_bytes(deep_tiff(DEEP_COLOUR[..., :2], 1))
    with refused("a.tif", "of a kind that Pillow does not read", ".npy"):
        datasets.load(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "words"),
    [(".tif", "3 pages"), (".gif", "3 frames"), (".webp", "3 frames"), (".png", "3 frames")],
)
def test_pages_and_frames_are_counted_not_dropped(tmp_path, suffix, words, capsys):
    first, *others = (Image.fromarray(COLOUR[i]) for i in range(3))
    options = {"lossless": True} if suffix == ".webp" else {}
    for i in range(5):
        path = tmp_path / f"{i}{suffix}"
        first.save(path, save_all=True, append_images=others, **options)
    with refused(f"0{suffix} must hold one picture, got {words}: save each as its own file"):
        datasets.load(tmp_path)
    status = cli.main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert status == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_previews_in_a_photograph_are_not_pages(tmp_path):
    for i in range(2):
        picture = Image.fromarray(COLOUR[i])
        preview = [picture.resize((2, 2))]
        picture.save(tmp_path / f"{i}.jpg", format="MPO", save_all=True, append_images=preview)
    assert loaded(tmp_path).shape == (2, 5, 4, 3)


@pytest.mark.parametrize(
    ("pixels", "kinds"),
    [
        (GREY[0].astype(np.float32), ("uint8", "float32")),
        (GREY[0].astype(np.int32), ("uint8", "int32")),
    ],
)
def test_kinds_of_numbers_that_share_no_scale(tmp_path, pixels, kinds):
    write(tmp_path, [GREY[0], GREY[1], pixels], ".tif")
    first, other = kinds
    with refused(f"{first} ({tmp_path}/000.tif)", f"{other} ({tmp_path}/002.tif)", "alike"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_float_images_must_be_finite(tmp_path, value):
    write(tmp_path, [np.full((5, 4), value, np.float32)] * 2, ".tif")
    with refused(str(tmp_path), "must hold finite float32 numbers"):
        datasets.load(tmp_path)


def to_zero(path):
    path.symlink_to("/dev/zero")


def to_pipe(path):
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


def listening(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)


@pytest.mark.parametrize("make", [to_zero, to_pipe, os.mkfifo, listening])
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a"])
def test_what_might_never_end_is_not_opened(tmp_path, monkeypatch, make, name):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    with refused(name, "bare file" if name == "a" else "must be a regular file"):
        datasets.load(tmp_path / name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (to_zero, "must be a regular file"),
        (to_pipe, "must be a regular file"),
        (lambda path: path.symlink_to("nowhere"), "cannot be read (No such file"),
        (lambda path: path.symlink_to(path), "cannot be read (Too many levels"),
    ],
)
def test_a_link_that_leads_to_no_image(tmp_path, make, words):
    make(write(tmp_path / "pictures", GREY) / "link.png")
    with refused("link.png", words):
        datasets.load(tmp_path / "pictures")


@pytest.mark.parametrize("make", [os.mkfifo, listening])
def test_a_pipe_and_a_socket_are_no_images(tmp_path, monkeypatch, make):
    monkeypatch.chdir(write(tmp_path / "pictures", GREY))
    make(Path("other.png").absolute())
    assert len(loaded(tmp_path / "pictures")) == 6


# Memory


def peak_of(function):
    """Bytes that were allocated at most while a function ran."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_examples_are_held_once_as_given_and_once_as_float32(dtype):
    x = np.ones((1000, 100, 100), dtype)
    assert peak_of(lambda: from_arrays("x", x)) < 1.2 * (4 * x.size)


def test_images_are_held_once_as_stored_and_once_as_float32(tmp_path, monkeypatch):
    write(tmp_path, [GREY[0]])
    monkeypatch.setattr(images, "_find", lambda folder: [str(tmp_path / "a.png")] * 1000)
    monkeypatch.setattr(images, "read_picture", lambda path: np.ones((100, 100, 1), np.uint8))
    assert peak_of(lambda: datasets.load(tmp_path)) < 1.2 * 5 * 1000 * 100 * 100


def test_a_long_header_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        length = 10**8
        header = b"\x93NUMPY\x02\x00" + struct.pack("<I", length) + b" " * length
        archive.writestr("x_train.npy", header)

    def load():
        with refused("a.npz", "header must have 10,000 bytes at most, got 100,000,000"):
            datasets.load(tmp_path / "a.npz")

    assert peak_of(load) < 10**7


def test_the_parts_of_an_npz_must_fit_together(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", x_train=GREY, x_test=GREY)
    monkeypatch.setattr(memory, "memory", lambda: 9 * GREY.size * 2 - 1)
    with refused("a.npz holds an array of shape (6, 5, 4)", "GB of memory, and there are", "fewer"):
        datasets.load(tmp_path / "a.npz")
    monkeypatch.setattr(memory, "memory", lambda: 9 * GREY.size * 2)
    assert len(loaded(tmp_path / "a.npz")) == 12


@pytest.mark.parametrize("held", [True, False])
def test_folders_of_images_are_labels_where_every_image_lies_in_one(held, tmp_path, monkeypatch):
    write(tmp_path / "dog", GREY[:2])
    write(tmp_path / "cat", GREY[2:4])
    write(tmp_path / "cat" / "more", GREY[4:5])
    if not held:
        monkeypatch.setattr(memory, "memory", lambda: 2 * 5 * 5 * 4 * 4 - 1)
    data = datasets.load(tmp_path)
    assert hasattr(data.x_train, "numbers") is not held
    assert data.classes == ("cat", "dog")
    y = np.concatenate([data.y_train, data.y_test])
    assert sorted(y) == [0, 0, 0, 1, 1]
    for part, labels in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        for x, y in zip(np.asarray(part[:]).reshape(-1, 5, 4), labels, strict=True):
            (place,) = np.flatnonzero((np.rint(255 * x) == GREY[:5]).all(axis=(1, 2)))
            assert y == (place < 2)
    write(tmp_path, GREY[5:])
    data = datasets.load(tmp_path)
    assert (data.classes, data.y_train, data.y_test) == (None, None, None)
