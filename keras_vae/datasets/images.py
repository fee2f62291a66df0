"""A folder of images as one array."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from keras_vae.datasets.arrays import check_readable, reason_of
from keras_vae.datasets.dataset import from_arrays
from keras_vae.datasets.memory import check_fits

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")
_GREY = ("1", "L", "LA", "La")
PIXELS = 2**24
"""Of an image at most: 4096x4096."""


def read_folder(folder):
    """The data set in a folder of images, its subfolders included, in the order of their paths.

    Grey images give one channel. If any is in colour, all become RGB; transparency is dropped.
    `from_arrays` splits a test part off.
    """
    folder = Path(folder)
    found = (path for path in folder.rglob("*") if _is_image(path.relative_to(folder)))
    paths = sorted(path for path in found if path.is_file())
    if not paths:
        raise ValueError(f"{folder} must hold images ({', '.join(SUFFIXES)}), got none")
    images = []
    for path in paths:
        images.append(_read(path, len(paths)))
        if images[-1].shape[:2] != images[0].shape[:2]:
            raise ValueError(
                f"images must be of one size, got {_size(images[0])} ({paths[0]}) and "
                f"{_size(images[-1])} ({path}): resize them"
            )
    channels = max(image.shape[2] for image in images)
    x = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])
    return from_arrays(folder.resolve().name, x, source=folder)


def _is_image(path):
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _read(path, count):
    """One image of `count`: uint8, (H, W, 1) or (H, W, 3)."""
    check_readable(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, at a size that _check_size refuses
            with Image.open(path, formats=_FORMATS) as image:
                _check_size(image, count)
                return _pixels(image)
    except Exception as error:  # Pillow has errors of many kinds for what is damaged
        raise ValueError(f"{path} is no image, or is cut short ({reason_of(error)})") from error


def _check_size(image, count):
    """Refuses, before it is decoded, an image that is too large, or of which `count` are."""
    if image.width * image.height > PIXELS:
        raise ValueError(
            f"it must have {PIXELS:,} pixels at most, got {image.width}x{image.height}"
        )
    check_fits((count, image.height, image.width, 1 if image.mode in _GREY else 3))


def _pixels(image):
    if image.mode == "F":
        raise ValueError("float pixels are not read from images; save them as .npy")
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        grey = np.asarray(image) // 257
        return grey.clip(0, 255).astype(np.uint8)[..., np.newaxis]
    if image.mode in _GREY:
        return np.asarray(image.convert("L"))[..., np.newaxis]
    return np.asarray(image.convert("RGB"))


def _size(image):
    return f"{image.shape[1]}x{image.shape[0]}"
