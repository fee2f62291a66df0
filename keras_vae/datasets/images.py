"""A folder of images: one array, or rows of it that become one batch by batch."""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_vae.datasets.dataset import from_arrays, from_packed
from keras_vae.datasets.packed import THREADS, Pictures
from keras_vae.datasets.pictures import read_picture
from keras_vae.datasets.stack import Stack
from keras_vae.models.ahead import ahead

AT_ONCE = 2**20
"""Numbers of the images that a thread reads together, unless one has more."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def read_folder(folder):
    """The data set in a folder of images, its subfolders included, in the order of their paths.

    The numbers are those that an `.npy` of the same pixels gives: see `read_picture`. Grey images
    give one channel; if any is in colour, all become RGB. If any has 16 bits, a level v of those of
    8 bits becomes 257 v, which is the same grey. Links to folders are followed, each folder once.
    A fifth becomes the test part. Where every image lies in a subfolder, the subfolders are the
    labels: y numbers their names in order, and `classes` has the names.

    What would take more than half of the memory as float32 becomes `Pictures`, of the same order
    and the same numbers: they are held as they are stored, or, if that is too much too, read from
    their files whenever they are used. A note says so. All are read once here, to be checked.

    Raises:
        ValueError: in one line: no images, sizes or kinds of numbers that differ, an image that
            cannot be read.
    """
    folder = Path(folder)
    paths = _find(folder)
    if not paths:
        raise ValueError(f"{folder} must hold images ({', '.join(SUFFIXES)}), got none")
    stack = Stack(folder, paths)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, at what is refused or read all the same
        for index, image in enumerate(_read(paths)):
            stack.put(index, image)
    found, name, (y, classes) = stack.found(), folder.resolve().name, _labels(folder, paths)
    if isinstance(found, Pictures):
        dataset = from_packed(name, found, y, source=folder)
    else:
        dataset = from_arrays(name, found, y_train=y, source=folder)
    about = {"classes": classes, "sha256": stack.sha256(), "notes": stack.notes()}
    return replace(dataset, **about)


def _labels(folder, paths):
    """The number of the subfolder that each image lies in, and their names; else two times None."""
    below = [Path(path).relative_to(folder).parts for path in paths]
    classes = sorted({parts[0] for parts in below})
    if any(len(parts) == 1 for parts in below):
        return None, None
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places[parts[0]] for parts in below]), tuple(classes)


def _read(paths):
    """The images, in order; threads read some ahead."""
    yield (first := read_picture(paths[0]))
    size = max(1, min(64, AT_ONCE // first.size))  # small ones: else threads would talk, not read
    parts = [paths[start : start + size] for start in range(1, len(paths), size)]
    for part in ahead(lambda part: [*map(read_picture, part)], parts, 2 * THREADS, THREADS):
        yield from part


def _find(folder):
    """The paths of all images, in order: a folder comes whole before the next."""
    found, seen = [], {os.path.realpath(folder)}
    for root, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        folders.sort(key=lambda name: (os.path.islink(os.path.join(root, name)), name))
        folders[:] = [name for name in folders if _is_new(os.path.join(root, name), seen)]
        found += [os.path.join(root, name) for name in names if _is_image(name)]
    # A link that leads nowhere is kept, to be refused; a pipe is no image.
    paths = (path for path in found if os.path.isfile(path) or os.path.islink(path))
    return sorted(paths, key=lambda path: path.replace(os.sep, "\0"))


def _is_image(name):
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _is_new(path, seen):
    """Whether a folder was not seen before by any name; now it was."""
    before = len(seen)
    seen.add(os.path.realpath(path))
    return len(seen) > before


def _refuse(error):
    raise ValueError(f"{error.filename} cannot be read ({error.strerror})") from error
