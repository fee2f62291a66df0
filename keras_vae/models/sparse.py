"""Sparse rows of SciPy as a data set: each batch is made dense when it is its turn."""

import math

import keras
import numpy as np


class SparseRows(keras.utils.PyDataset):
    """Batches of the rows of a sparse matrix, as arrays, with labels and weights if there are any.

    Args:
        x: a matrix in CSR format, `(N, features)`.
        *columns: arrays of N rows: y, and after it the weights.
        batch_size: rows in a batch; None: 32, as in Keras.
        shuffle: whether each epoch has the rows in another order, drawn by NumPy's global seed.
        nested: whether a batch is one input, `((x, *columns),)`, as for `predict`.

    Example:

    >>> from scipy.sparse import eye_array
    >>> x, y = SparseRows(eye_array(3, format="csr"), np.arange(3), batch_size=2)[1]
    >>> x, y
    (array([[0., 0., 1.]]), array([2]))
    """

    def __init__(self, x, *columns, batch_size=None, shuffle=False, nested=False):
        super().__init__()
        self.x, self.columns = x, [np.asarray(column) for column in columns]
        self.batch_size, self.shuffle, self.nested = batch_size or 32, shuffle, nested
        self.order = np.arange(x.shape[0])
        if any(len(column) != x.shape[0] for column in self.columns):
            raise ValueError(
                f"x, y and sample_weight must have as many rows, got {x.shape[0]} of x and "
                f"{', '.join(str(len(column)) for column in self.columns)}"
            )
        self.on_epoch_end()

    def __len__(self):
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        batch = (self.x[rows].toarray(), *(column[rows] for column in self.columns))
        return (batch if len(batch) > 1 else batch[0],) if self.nested else batch

    def on_epoch_end(self):
        if self.shuffle:
            self.order = np.random.permutation(len(self.order))
