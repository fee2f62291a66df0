"""The rows of an array that stays in place, batch by batch, in the form that `fit` takes data."""

import math

import numpy as np
from keras.src.trainers.data_adapters.data_adapter import DataAdapter


class Rows(DataAdapter):
    """Batches of row numbers, `(rows, y, sample_weight)`; x itself stays where it is computed on.

    Keras brings batches of x to a step one by one, through a pipeline that takes longer to set up
    than twenty small steps take. `fit` is given an object of this class instead: it takes any
    `DataAdapter`, which Keras has not made public, but has let pass since its version 3.0.

    Args:
        x: a tensor of `(N, ...)`.
        batch_size: examples in a step; the last batch of an epoch holds what is left.
        y, sample_weight: arrays of `(N,)`, or None.
        shuffle: whether each epoch has another order; NumPy's global seed fixes it, which
            `keras.utils.set_random_seed` sets.
        steps: how many batches one call of the training function takes.
        epoch: the number of the first one. The order of an epoch is a function of the seed and its
            number, so that a training that goes on sees the orders of one that was not stopped.

    Example:

    >>> rows = Rows(np.zeros((5, 3)), batch_size=2, shuffle=False)
    >>> [batch.tolist() for batch, _, _ in rows]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, x, batch_size, y=None, sample_weight=None, shuffle=True, steps=1, epoch=0):
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self._batch_size, self.steps = batch_size, steps
        self.seed, self.epoch = np.random.randint(2**31) if shuffle else None, epoch

    def __iter__(self):
        """One epoch; the order is drawn with its first batch, since Keras begins some in vain."""
        order = np.arange(len(self.x), dtype="int32")
        if self.seed is not None:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        self.epoch += 1
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            others = (self.y, self.sample_weight)
            yield rows, *(a if a is None else a[rows] for a in others)

    def _iterable(self):
        return self

    get_numpy_iterator = get_tf_dataset = get_jax_iterator = get_torch_dataloader = _iterable

    @property
    def batch_size(self):
        return self._batch_size

    @property
    def num_batches(self):
        return math.ceil(len(self.x) / self.batch_size)

    @property
    def partial_batch_size(self):
        return len(self.x) % self.batch_size or None

    @property
    def has_partial_batch(self):
        return self.partial_batch_size is not None
