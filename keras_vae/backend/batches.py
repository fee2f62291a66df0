"""The batches of one call of `fit`, stacked so that they can be computed together."""

import numpy as np


class Checked(tuple):
    """A batch `(x, y, sample_weight)` of data that were checked before training began."""


def next_batches(iterator, steps, batch_size):
    """Takes the next `steps` batches from an iterator over row numbers.

    Args:
        iterator: over `(rows, y, sample_weight)`, arrays of `(B,)` or None.
        steps: how many batches to take at most.
        batch_size: the size of all batches but the last of an epoch, which may be smaller.

    Returns:
        The batches of full size as one tuple of arrays `(steps, batch_size)`, in which the last
        batch is repeated until there are `steps`; how many there really are; and the smaller batch,
        or None.

    Raises:
        StopIteration: there are none left.

    Example:

    >>> batches = iter([(np.arange(4), None), (np.arange(4, 8), None), (np.arange(8, 10), None)])
    >>> whole, count, smaller = next_batches(batches, 32, 4)
    >>> whole[0].shape, count, smaller
    ((32, 4), 2, (array([8, 9]), None))
    """
    taken = [batch for _, batch in zip(range(steps), iterator, strict=False)]
    if not taken:
        raise StopIteration
    whole = [batch for batch in taken if len(batch[0]) == batch_size]
    filled = whole + whole[-1:] * (steps - len(whole))
    stacked = tuple(_stack(column) for column in zip(*filled, strict=True))
    return stacked, len(whole), taken[-1] if len(whole) < len(taken) else None


def _stack(column):
    return None if column[0] is None else np.stack(column)
