"""Sparse matrices, which stay sparse: a batch of them is made dense when it is its turn."""

import numpy as np

from keras_vae.datasets.dataset import from_packed

SAVED = {"format", "shape", "data"}
"""What an `.npz` of `scipy.sparse.save_npz` holds, whatever its format."""


def from_sparse(name, x, y=None, classes=None, source=None, **about):
    """The `Dataset` of sparse rows; a fifth of them, drawn with seed 0, becomes the test part.

    Args:
        name: the name of the set.
        x: a matrix or array of SciPy, (N, D), in any format.
        y: labels, (N,) or (N, C), or None.
        classes: the names of the labels, or None.
        source: where it comes from, for the messages; `name` if not given.
        **about: the `covariates` and the `notes` of a `Dataset`.

    Returns:
        A `Dataset`, both parts of which are float32 `csr_array`s, whose columns are in order.

    Raises:
        ValueError: no numbers, NaN or infinite values, an index beyond the shape, no examples.

    Example:

    >>> from scipy.sparse import eye_array
    >>> data = from_sparse("diagonal", eye_array(10))
    >>> data.input_shape, data.x_train.shape, data.x_test.nnz
    ((10,), (8, 10), 2)
    """
    source = source or name
    x = rows_of(x, source)
    _check(x, source)
    return from_packed(name, x, y, classes, source, **about)


def rows_of(x, source):
    """A matrix of SciPy as a float32 `csr_array`, once its indices are known to be within it."""
    from scipy.sparse import csr_array

    if x.dtype.kind not in "biuf":
        raise ValueError(f"{source} must hold real numbers (such as float32), got dtype {x.dtype}")
    if x.ndim != 2:
        raise ValueError(f"{source} must have shape (N, D), got {x.shape}")
    if hasattr(x, "check_format"):  # an index beyond the shape would be written to, past the array
        x.check_format(full_check=True)
    with np.errstate(over="ignore"):
        x = csr_array(x.tocsr(), dtype=np.float32)
    if not x.has_canonical_format:
        x = x.copy()  # it has the indices of what was given
        x.sum_duplicates()
    return x


def read(path):
    """The matrix in an `.npz` of `scipy.sparse.save_npz`. Nothing is ever unpickled."""
    from scipy.sparse import load_npz

    return rows_of(load_npz(path), "the matrix")


def standardizing(x):
    """Mean and variance of each column of sparse rows: two float64 arrays (D,).

    Example:

    >>> from scipy.sparse import csr_array
    >>> [values.tolist() for values in standardizing(csr_array([[0.0, 1.0], [2.0, 1.0]]))]
    [[1.0, 1.0], [1.0, 0.0]]
    """
    count, width = x.shape
    values = x.data.astype("float64")
    stored = np.bincount(x.indices, minlength=width)
    mean = np.bincount(x.indices, values, width) / count
    squares = np.bincount(x.indices, (values - mean[x.indices]) ** 2, width)
    return mean, (squares + (count - stored) * mean**2) / count


def _check(x, source):
    if 0 in x.shape:
        raise ValueError(f"{source} must hold at least one example of one number, got {x.shape}")
    if not np.isfinite(x.data).all():
        raise ValueError(f"{source} must hold finite float32 numbers, got NaN or infinite values")
