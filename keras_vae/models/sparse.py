"""Sparse rows of SciPy: each batch is made dense when it is its turn."""

import math

import keras
import numpy as np


class Slices:
    """Sparse rows of which every slice is a dense array: what is used batch by batch.

    Args:
        x: a matrix or array of SciPy, `(N, features)`.

    Example:

    >>> from scipy.sparse import eye_array
    >>> x = Slices(eye_array(3))
    >>> len(x), x[1:2]
    (3, array([[0., 1., 0.]]))
    """

    def __init__(self, x):
        self.x = x.tocsr()
        self.shape, self.dtype, self.ndim = self.x.shape, self.x.dtype, 2

    def tocsr(self):
        """The rows as they are stored."""
        return self.x

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return self.x[rows].toarray()


class SparseRows(keras.utils.PyDataset):
    """Batches of the rows of a sparse matrix, as arrays, with labels and weights if there are any.

    Args:
        x: a matrix in CSR format, `(N, features)`.
        *columns: arrays of N rows: y, and after it the weights.
        batch_size: rows in a batch; None: 32, as in Keras.
        shuffle: whether each epoch has the rows in another order. As of `Rows`, NumPy's global
            seed fixes it, and it is a function of the seed and the number of the epoch.
        epoch: the number of the first one.
        nested: whether a batch is one input, `((x, *columns),)`, as for `predict`.

    Example:

    >>> from scipy.sparse import eye_array
    >>> x, y = SparseRows(eye_array(3, format="csr"), np.arange(3), batch_size=2)[1]
    >>> x, y
    (array([[0., 0., 1.]]), array([2]))
    """

    def __init__(self, x, *columns, batch_size=None, shuffle=False, epoch=0, nested=False):
        super().__init__()
        self.x, self.columns = x, [np.asarray(column) for column in columns]
        self.batch_size, self.nested = batch_size or 32, nested
        self.seed, self.epoch = np.random.randint(2**31) if shuffle else None, epoch
        if any(len(column) != x.shape[0] for column in self.columns):
            raise ValueError(
                f"x, y and sample_weight must have as many rows, got {x.shape[0]} of x and "
                f"{', '.join(str(len(column)) for column in self.columns)}"
            )
        self._shuffle()

    def __len__(self):
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        batch = (self.x[rows].toarray(), *(column[rows] for column in self.columns))
        return (batch if len(batch) > 1 else batch[0],) if self.nested else batch

    def on_epoch_end(self):
        self.epoch += 1
        self._shuffle()

    def _shuffle(self):
        self.order = np.arange(self.x.shape[0])
        if self.seed is not None:
            np.random.default_rng([self.seed, self.epoch]).shuffle(self.order)
