"""The batches of one call: as many steps of `fit` as are compiled together."""

import keras
import numpy as np


def next_batches(iterator, steps, batch_size):
    """The next `steps` batches of row numbers, with labels and weights if there are any.

    Args:
        iterator: over batches `rows`, `(rows, y)` or `(rows, y, sample_weight)`, each `(B,)`.
        steps: how many to take at most.
        batch_size: of all batches but the last of an epoch, which may be smaller.

    Returns:
        The whole batches, a tuple of arrays `(steps, batch_size)` that the last one fills up;
        how many there are; and the smaller one, or None.

    Raises:
        StopIteration: there are none left.

    Example:

    >>> batches = iter([np.arange(4), np.arange(4, 8), np.arange(8, 10)])
    >>> whole, count, smaller = next_batches(batches, 32, 4)
    >>> whole[0].shape, count, smaller[0]
    ((32, 4), 2, array([8, 9]))
    """
    taken = [keras.tree.flatten(batch) for _, batch in zip(range(steps), iterator, strict=False)]
    if not taken:
        raise StopIteration
    whole = [batch for batch in taken if len(np.asarray(batch[0])) == batch_size]
    filled = whole + whole[-1:] * (steps - len(whole))
    stacked = tuple(np.stack(column) for column in zip(*filled, strict=True))
    return stacked, len(whole), taken[-1] if len(whole) < len(taken) else None
