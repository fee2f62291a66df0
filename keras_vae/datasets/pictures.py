"""One picture as an array that holds every level of its file."""

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from keras_vae.datasets.arrays import check_readable, reason_of

PIXELS = 2**24
"""Of a picture at most: 4096x4096."""
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")
_COLOUR = ("RGB", "RGBA", "RGBX", "RGBa", "CMYK")
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF
_ELSE = "save the pixels as .npy"


def read_picture(path):
    """The pixels of a picture file, turned as its EXIF orientation says.

    Returns:
        (H, W, 1), or (H, W, 3) in colour. uint8, or what the file holds beyond it: uint16, int32,
        uint32, float32, never scaled (but a PGM, of which 65535 is the largest value that it
        declares). A palette whose colours in use are grey is grey; transparency is dropped.

    Raises:
        ValueError: in one line that names the file: no picture, several of them, more than
            `PIXELS`, or numbers that Pillow would round.
    """
    check_readable(path)
    try:
        # Opened by its path, a TIFF on its side would be mapped with rows and columns exchanged.
        with open(path, "rb") as file, Image.open(file, formats=_FORMATS) as image:
            for check in (_check_size, _check_count, _check_depth):
                check(image)
            ImageOps.exif_transpose(image, in_place=True)
            return _ARRAYS.get(image.mode, _colour)(image)
    except _RefusedError as error:
        raise ValueError(f"{path} {error}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} must have {PIXELS:,} pixels at most: {error}") from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{path} is no image, or is cut short, or its numbers are of a kind that Pillow does "
            f"not read, such as float64: {_ELSE}"
        ) from error
    except Exception as error:  # Pillow has errors of many kinds for what is damaged
        raise ValueError(f"{path} is no image, or is cut short ({reason_of(error)})") from error


class _RefusedError(ValueError):
    """Of a picture that is whole."""


def _check_size(image):
    """Refuses, before it is decoded, a picture that is too large."""
    if image.width * image.height > PIXELS:
        raise _RefusedError(
            f"must have {PIXELS:,} pixels at most, got {image.width}x{image.height}: resize it"
        )


def _check_count(image):
    """Refuses a file of several pictures, but the previews that cameras add to a JPEG."""
    count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if count > 1:
        what = "pages" if image.format == "TIFF" else "frames"
        raise _RefusedError(f"must hold one picture, got {count} {what}: save each as its own file")


def _check_depth(image):
    """Refuses the pictures of 16 bits that Pillow would make others of."""
    if image.mode in _COLOUR and _DEEP.get(image.format, _shallow)(image):
        raise _RefusedError(
            "has 16 bits in colour or with transparency, of which Pillow reads 8: save it with 8 "
            f"bits, or as 16-bit grey, or {_ELSE}"
        )
    tags = image.tag_v2 if image.format == "TIFF" else {}
    if image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == 0:
        raise _RefusedError(f"has 16 bits with white at 0, which Pillow reads as black: {_ELSE}")


def _shallow(image):
    return False


_DEEP = {
    "PNG": lambda image: any("16" in tile[3] for tile in image.tile),
    "TIFF": lambda image: max(image.tag_v2.get(_BITS, (1,))) > 8,
    "PPM": lambda image: any(tile[0] != "raw" and tile[3][-1] > 255 for tile in image.tile),
}


def _grey(image):
    return np.asarray(image.convert("L"))[..., np.newaxis]


def _colour(image):
    return np.asarray(image.convert("RGB"))


def _palette(image):
    x = _colour(image)
    return x[..., :1] if (x == x[..., :1]).all() else x


def _sixteen(image):
    return np.asarray(image).astype(np.uint16)[..., np.newaxis]  # of the machine's byte order


def _integers(image):
    if image.format != "TIFF":  # 16 bits, which Pillow widens
        return _sixteen(image)
    unsigned = image.tag_v2.get(_SAMPLE_FORMAT, (1,))[0] == 1
    return np.asarray(image).view(np.uint32 if unsigned else np.int32)[..., np.newaxis]


def _floats(image):
    return np.asarray(image)[..., np.newaxis]


_ARRAYS = {
    **dict.fromkeys(("1", "L", "LA", "La"), _grey),
    **dict.fromkeys(("P", "PA"), _palette),
    **dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N"), _sixteen),
    "I": _integers,
    "F": _floats,
}
