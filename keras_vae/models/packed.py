"""Rows that are no array yet: each batch of them is made one when it is its turn."""

import math

import keras
import numpy as np


def is_packed(x):
    """Whether x is rows in another form, that `toarray` makes an array of.

    These are sparse matrices and arrays of SciPy, which need not be installed, and pictures that
    memory cannot hold. `x[rows]` is of the same form, and has a `shape` and a `dtype`.
    """
    return hasattr(x, "toarray")


def numbers_in(x):
    """All numbers that stand in packed rows, as a few arrays (n,).

    Example:

    >>> from scipy.sparse import eye_array
    >>> [numbers.tolist() for numbers in numbers_in(eye_array(2))]
    [[1.0, 1.0], [0.0]]
    """
    if hasattr(x, "numbers"):
        return [x.numbers]
    stored = x.tocsr().data
    some_are_not = math.prod(x.shape) > len(stored)  # these are 0
    return [stored, np.zeros(1, stored.dtype)] if some_are_not else [stored]


class Slices:
    """Packed rows of which every slice is an array: what is used batch by batch.

    Args:
        x: a matrix or array of SciPy, `(N, features)`, or other packed rows, `(N, ...)`.

    Example:

    >>> from scipy.sparse import eye_array
    >>> x = Slices(eye_array(3))
    >>> len(x), x[1:2]
    (3, array([[0., 1., 0.]]))
    """

    def __init__(self, x):
        self.x = x.tocsr() if hasattr(x, "tocsr") else x
        self.shape, self.dtype, self.ndim = self.x.shape, self.x.dtype, len(self.x.shape)

    def packed(self):
        """The rows as they are kept."""
        return self.x

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return self.x[rows].toarray()


class PackedRows(keras.utils.PyDataset):
    """Batches of packed rows, as arrays, with labels and weights if there are any.

    What Keras' own loops are given: those of `evaluate` and `predict`, and of a `fit` whose steps
    are Keras' own.

    Args:
        x: sparse rows in CSR format, `(N, features)`, or other packed rows, `(N, ...)`.
        *columns: arrays of N rows: y, and after it the weights.
        batch_size: rows in a batch; None: 32, as in Keras.
        shuffle: whether each epoch has the rows in another order: see `order`. As of `Rows`,
            NumPy's global seed fixes it.
        epoch: the number of the first one.
        nested: whether a batch is one input, `((x, *columns),)`, as for `predict`.
        steps: batches in an epoch, where it is not all of them: `steps_per_epoch`. The batches do
            not end then: after all rows come all rows in the next order.

    Example:

    >>> from scipy.sparse import eye_array
    >>> x, y = PackedRows(eye_array(3, format="csr"), np.arange(3), batch_size=2)[1]
    >>> x, y
    (array([[0., 0., 1.]]), array([2]))
    """

    def __init__(
        self, x, *columns, batch_size=None, shuffle=False, epoch=0, nested=False, steps=None
    ):
        super().__init__()
        self.x, self.columns = x, [np.asarray(column) for column in columns]
        self.batch_size, self.nested = batch_size or 32, nested
        self.seed, self.epoch = np.random.randint(2**31) if shuffle else None, epoch
        if any(len(column) != x.shape[0] for column in self.columns):
            raise ValueError(
                f"x, y and sample_weight must have as many rows, got {x.shape[0]} of x and "
                f"{', '.join(str(len(column)) for column in self.columns)}"
            )
        self._first = None if steps is None else epoch * steps
        self._kept = (None, None)

    def __len__(self):
        return math.ceil(self.x.shape[0] / self.batch_size)

    @property
    def num_batches(self):
        """How many there are, as Keras asks for it; None if they do not end."""
        return len(self) if self._first is None else None

    def __getitem__(self, index):
        # Keras reads ahead, beyond the end of an epoch of `steps`: the index alone says the order.
        number = self.epoch
        if self._first is not None:
            number, index = divmod(self._first + index, len(self))
        rows = self._order(number)[index * self.batch_size : (index + 1) * self.batch_size]
        batch = (self.x[rows].toarray(), *(column[rows] for column in self.columns))
        return (batch if len(batch) > 1 else batch[0],) if self.nested else batch

    def _order(self, number):
        kept = self._kept  # with its number, since another thread may put another there
        if kept[0] != number:
            kept = self._kept = (number, order(self.x.shape[0], self.seed, number))
        return kept[1]

    def on_epoch_end(self):
        self.epoch += 1


def order(count, seed, epoch):
    """The order of `count` rows in an epoch, int32 (N,): a function of the seed and its number.

    So a training that goes on sees the orders of one that was not stopped.

    Args:
        seed: an integer; None keeps the rows as they are.

    Example:

    >>> order(5, 0, 0).tolist(), order(5, 0, 1).tolist(), order(5, None, 1).tolist()
    ([2, 4, 3, 0, 1], [1, 4, 3, 0, 2], [0, 1, 2, 3, 4])
    """
    rows = np.arange(count, dtype="int32")
    if seed is not None:
        np.random.default_rng([seed, epoch]).shuffle(rows)
    return rows
