"""One function that loads whatever it is given the name or the path of."""

import os
from pathlib import Path

from keras_vae import tables
from keras_vae.datasets import arrays, cells, images, named
from keras_vae.datasets.dataset import from_table
from keras_vae.names import DATASETS as NAMES
from keras_vae.names import hint

_READERS = {".npz": arrays.read_npz, ".npy": arrays.read_npy}


def load(name_or_path="digits", data_dir=None, columns=None, label=None, unseen="error"):
    """Loads a data set by its name, or from a file or a folder.

    - `digits`: the 8x8 handwritten digits of scikit-learn, always there.
    - `mnist`, `fashion_mnist`, `cifar10`: from Keras' cache folder (downloaded at first), or from
      the files in `data_dir`: NAME.npz, the IDX files, CIFAR-10's binary version.
    - an `.npz`: `x_train` and, if wanted, `x_test`, `y_train`, `y_test`; or a single array;
      or the sparse rows that `scipy.sparse.save_npz` wrote, which stay sparse.
    - an `.h5ad` of AnnData: the counts of cells, which stay sparse: see `cells.read_h5ad`.
    - an `.npy`: one array.
    - a table, `.csv`, `.tsv` or `.parquet`: see `tables.read`. Gaps are allowed, and are NaN.
    - a folder of images of one size, 4096x4096 at most: PNG, JPEG, BMP, GIF, WebP, TIFF, PGM, PPM,
      its subfolders included, in the order of their paths. 8 bits, 16-bit grey, 32-bit integers
      and floats give what an `.npy` of the same pixels gives; EXIF orientation is applied,
      transparency is dropped. A file of several pages or frames is refused. A folder that would
      take more than half of the memory as float32 becomes `Pictures`: see `images.read_folder`.

    Images come out as float32 (N, H, W, C), vectors as (N, D), arrays of more axes, as voxels or
    video, as they are. Three axes are grey images, (N, H, W). Integer pixels (0 to 255, or
    uint16) are scaled to [0, 1], unless they are binary already; other numbers are taken as they
    are. Where no test part is given (the digits, an `.npy`, a folder, an `.npz` without `x_test`),
    a fifth of the examples (at least one), drawn with a fixed seed, is set aside for it: the same
    one each time.

    Args:
        name_or_path: a name of the list above, or a path. A `pathlib.Path` is always a path.
        data_dir: for `mnist`, `fashion_mnist` and `cifar10`: the folder to read them from.
        columns: of a table: what its columns are, as for `tables.read`; None: as found. Of an
            `.h5ad` what the columns of obs are that `label` names.
        label: of a table, or of the obs of an `.h5ad`: the column that the labels stand in; or
            several, the covariates, in a list or separated by commas.
        unseen: of a table: what becomes of a category that `columns` does not list, as for
            `tables.read`, None included.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: in one line that names the file: nothing there, nothing usable in it, or a
            download that failed.

    Example:

    >>> data = load("digits")
    >>> data.input_shape, data.x_train.dtype.name, float(data.x_train.max())
    ((8, 8, 1), 'float32', 1.0)
    """
    if isinstance(name_or_path, str) and name_or_path in NAMES:
        if columns is not None or label is not None or unseen not in ("error", None):
            raise ValueError(f"columns and label are for tables, and {name_or_path} is none")
        return _load_named(name_or_path, data_dir)
    if not isinstance(name_or_path, str | os.PathLike) or not str(name_or_path):
        raise ValueError(f"the data must be {_expected()}, got {name_or_path!r}")
    path = Path(os.path.expanduser(name_or_path))
    if not os.path.exists(path):
        raise ValueError(_missing(name_or_path))
    if data_dir is not None:
        raise ValueError(f"data_dir is for {', '.join(NAMES[1:])}: {path} is a path already")
    if path.suffix.lower() in tables.SUFFIXES and not path.is_dir():
        return from_table(path.stem, tables.read(path, columns, label, unseen), path)
    if unseen not in ("error", None):
        raise ValueError(f"unseen is for the categories of a table, and {path} is none")
    cells_too = path.suffix.lower() == ".h5ad" and not path.is_dir()
    if columns is not None and not (cells_too and label):
        raise ValueError(f"columns are for tables, and {path} is none: leave them out")
    if label is not None and not cells_too:
        raise ValueError(f"label is for tables and .h5ad, and {path} is neither: leave it out")
    if cells_too:
        return cells.read_h5ad(path, label, columns)
    if path.is_dir():
        return images.read_folder(path)
    if path.suffix.lower() not in _READERS:
        raise ValueError(
            f"the data must be {_expected()}, got a {path.suffix or 'bare'} file: {path}"
        )
    return _READERS[path.suffix.lower()](path)


def _load_named(name, data_dir):
    if name == "digits":
        if data_dir is not None:
            raise ValueError("digits is embedded and reads no folder: leave data_dir out")
        return named.read_digits()
    if data_dir is None:
        return named.read_through_keras(name)
    return named.read_from_folder(name, data_dir)


def _missing(name_or_path):
    text = str(name_or_path)
    if isinstance(name_or_path, os.PathLike) or os.sep in text or Path(text).suffix:
        return f"{text}: no such file or folder"
    return f"Unknown data set: {text!r}.{hint(text, NAMES)} Known: {_expected()}."


def _expected():
    return (
        f"{', '.join(NAMES)}, or the path of an .npz, an .npy, an .h5ad, a table (.csv, .tsv, "
        ".parquet) or a folder of images"
    )
