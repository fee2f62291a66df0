"""The rows of x, batch by batch, in the form that `fit` takes data, for calls of many steps."""

import math

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from keras_vae.backend.batches import Checked
from keras_vae.models.ahead import ahead
from keras_vae.models.packed import Slices, is_packed, order


class Rows(DataAdapter):
    """Batches `(rows, y, sample_weight)` of the numbers of rows; x stays where it is computed on.

    Keras brings batches of x to a step one by one, through a pipeline that takes longer to set up
    than twenty small steps take. `fit` is given an object of this class instead: it takes any
    `DataAdapter`, which Keras has not made public, but has let pass since its version 3.0.

    Args:
        x: `(N, ...)`, a tensor where the steps are computed.
        batch_size: examples in a step; the last batch of an epoch holds what is left.
        y, sample_weight: arrays of `(N,)`, or None.
        shuffle: whether each epoch has another order, see `packed.order`; NumPy's global seed fixes
            it, which `keras.utils.set_random_seed` sets.
        steps: how many batches one call of the training function takes.
        epoch: the number of the first one.

    Example:

    >>> rows = Rows(np.zeros((5, 3)), batch_size=2, shuffle=False)
    >>> [batch.tolist() for batch, _, _ in rows]
    [[0, 1], [2, 3], [4]]
    """

    form = Checked
    """What a batch is to a step."""

    def __init__(self, x, batch_size, y=None, sample_weight=None, shuffle=True, steps=1, epoch=0):
        self.x, self.others = x, (y, sample_weight)
        self._batch_size, self.steps = batch_size, steps
        self.seed, self.epoch = np.random.randint(2**31) if shuffle else None, epoch

    def __iter__(self):
        """One epoch; the order is drawn with its first batch, since Keras begins some in vain."""
        rows = order(self.x.shape[0], self.seed, self.epoch)
        self.epoch += 1
        starts = range(0, len(rows), self.batch_size)
        yield from self._batches(rows[start : start + self.batch_size] for start in starts)

    def on_epoch_begin(self):
        """Begins an epoch, of which `batches` are what is left."""
        self.batches = iter(self)

    def _batches(self, rows):
        return map(self._batch, rows)

    def _batch(self, rows):
        return self._brought(rows), *(a if a is None else a[rows] for a in self.others)

    def _brought(self, rows):
        return rows

    def taken(self, take, brought):
        """x of the batches: `take(x, rows)` of the numbers of rows that were brought."""
        return take(self.x, brought)

    def _iterable(self):
        return self

    get_numpy_iterator = get_tf_dataset = get_jax_iterator = get_torch_dataloader = _iterable

    @property
    def batch_size(self):
        return self._batch_size

    @property
    def num_batches(self):
        return math.ceil(self.x.shape[0] / self.batch_size)

    @property
    def partial_batch_size(self):
        return self.x.shape[0] % self.batch_size or None

    @property
    def has_partial_batch(self):
        return self.partial_batch_size is not None


class BroughtRows(Rows):
    """Batches `(x, y, sample_weight)` in the orders of `Rows`, of x that is too large to be moved.

    A thread makes them ahead, as many as a call takes.

    Args:
        x: an array, or packed rows, which become one batch by batch.

    Example:

    >>> rows = BroughtRows(np.arange(5.0), batch_size=2, shuffle=False)
    >>> [batch.tolist() for batch, _, _ in rows]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """

    def __init__(self, x, *arguments, **kwargs):
        super().__init__(Slices(x) if is_packed(x) else x, *arguments, **kwargs)
        # What may change on the disk, or was looked at number by number, the step looks at too.
        self.form = tuple if is_packed(x) else Checked

    def _batches(self, rows):
        return ahead(self._batch, rows, 1 + self.steps)

    def _brought(self, rows):
        x = self.x[rows]
        return x.astype(keras.config.floatx(), copy=False) if x.dtype.kind == "f" else x

    def taken(self, take, brought):
        """x of the batches, as it was brought."""
        return brought
