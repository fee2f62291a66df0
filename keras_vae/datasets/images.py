"""A folder of images as one array."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from keras_vae.datasets.arrays import check_readable
from keras_vae.datasets.dataset import from_arrays

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")
_GREY = ("1", "L", "LA", "La")
_UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, KeyError, IndexError, TypeError)
_UNREADABLE += (MemoryError, OverflowError, struct.error, zlib.error, Image.DecompressionBombError)


def read_folder(folder):
    """The data set in a folder of images, its subfolders included, in the order of their paths.

    Grey images give one channel. If any is in colour, all become RGB; transparency is dropped.
    `from_arrays` splits a test part off.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if _is_image(path.relative_to(folder)))
    if not paths:
        raise ValueError(f"{folder} must hold images ({', '.join(SUFFIXES)}), got none")
    images = []
    for path in paths:
        images.append(_read(path))
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


def _read(path):
    """One image: uint8, (H, W, 1) or (H, W, 3)."""
    check_readable(path)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return _pixels(image)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} is no image, or is cut short ({reason})") from error


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
