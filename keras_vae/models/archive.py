"""What a `.keras` file holds, checked before Keras reads it: a stranger may have written it.

Keras itself executes no code that stands in a file (its safe mode). Refused here is what is
damaged, what unpacks to far more than was stored, and weights that lie in other files.
"""

import io
import json
import re
import zipfile

import h5py

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
DATE, ADDRESS = "1980-01-01@00:00:00", re.compile(rb'("shared_object_id": )(\d+)')
"""What equal files have for a date, as zip files begin to count; and what no two have equal."""
CONFIG_BYTES = 2**23
"""Of a config.json at most; one of a hundred layers has some 40 kB."""
UNPACKED_BYTES, EXPANSION = 2**28, 20
"""What a file may unpack to: so many bytes, or so many times its own if that is more."""


def checked(path):
    """The config of the `.keras` file at `path`, bytes, and how many bytes its weights are.

    Raises:
        ValueError: it is damaged, unpacks to too much, or its weights lie in other files.
        Exception: zipfile and HDF5 have errors of many kinds for what is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive, path.stat().st_size)
            damaged = archive.testzip()
            if damaged:
                raise ValueError(f"it is damaged: {damaged} in it does not match its checksum")
            config, weights = archive.read(CONFIG), archive.read(WEIGHTS)
    except zipfile.BadZipFile as error:
        raise ValueError("it is not a .keras file, or was cut short") from error
    try:
        check_weights(weights)
    except (OSError, RuntimeError, KeyError, SystemError) as error:  # as HDF5 calls it
        raise ValueError(f"its weights are damaged ({error})") from error
    return config, len(weights)


def check_members(archive, size):
    """Raises a `ValueError` if a part is missing, or what `size` bytes unpack to is too much."""
    missing = {CONFIG, WEIGHTS} - set(archive.namelist())
    if missing:
        raise ValueError(f"it is not a .keras file: it holds no {min(missing)}")
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(UNPACKED_BYTES, EXPANSION * size):
        raise ValueError(f"its {size:,} bytes unpack to {unpacked:,}, as no model's do")
    long = archive.getinfo(CONFIG).file_size
    if long > CONFIG_BYTES:
        raise ValueError(f"its {CONFIG} must have {CONFIG_BYTES:,} bytes at most, got {long:,}")


def check_weights(weights):
    """Raises a `ValueError` unless all that an HDF5 file, bytes, leads to lies in the file.

    Links are read before any is followed: to open another file may already do harm.
    """
    links = []
    with h5py.File(io.BytesIO(weights), "r") as file:
        file.visititems_links(lambda *link: links.append(link))
        for name, link in links:
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"its weights must have no {type(link).__name__}, got {name}")
        for name, _ in links:
            if isinstance(file[name], h5py.Dataset):
                check_dataset(name, file[name], len(weights))


def check_dataset(name, part, size):
    """Raises a `ValueError` unless a dataset is stored as Keras does, in a file of `size` bytes."""
    if part.external or part.is_virtual:
        raise ValueError(f"its weights must lie in the file itself, but {name} lies in another")
    stored = part.id.get_storage_size()
    if not part.nbytes == stored <= size:
        raise ValueError(f"{name} of its weights must be {part.nbytes:,} bytes, got {stored:,}")


def canonical(path):
    """Rewrites the `.keras` file at `path` so that equal models make equal files.

    Keras writes into it the time and where in memory an object was.
    """
    numbers, old = {}, path.with_suffix(".timed")
    path.rename(old)
    with zipfile.ZipFile(old) as read, zipfile.ZipFile(path, "w") as written:
        for name in read.namelist():
            part = read.read(name)
            if name == METADATA:
                part = json.dumps({**json.loads(part), "date_saved": DATE}).encode()
            if name == CONFIG:
                part = ADDRESS.sub(lambda found: renumbered(found, numbers), part)
            written.writestr(zipfile.ZipInfo(name), part)
    old.unlink()


def renumbered(found, numbers):
    """The number of a shared object, counted from 1, in the place of its address."""
    number = numbers.setdefault(found[2], len(numbers) + 1)
    return found[1] + str(number).encode()
