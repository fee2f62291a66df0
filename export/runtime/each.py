"""Samples and scores that are the same to the bit, whatever else a worker computes beside them.

Sample i of a seed has the same z everywhere. x is computed from z by products of matrices, which a
processor adds up in another order for another number of rows; so the last bits of x depend on how
many rows were asked for at once. Here each run of a graph has a fixed number of rows, the same ones
for the same index: work may be dealt out among any number of workers, in parts of any size.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 64
"""How many samples are drawn in one run: those of index 64 k to 64 k + 63."""


def sample_each(
    draw: Callable[[int, int], NDArray[np.float32]], index: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Returns the sample of each index: (B, ...), float32.

    Args:
        draw: `(first, count)` → the samples from index `first` on, (count, ...).
        index: (B,), in any order. Neighbours cost little, since a run draws 64.

    Example:

    >>> sample_each(lambda first, count: np.arange(first, first + count), np.array([70, 3, 71]))
    array([70,  3, 71])
    """
    if not len(index):
        return draw(0, 0)
    order = np.argsort(index, kind="stable")
    blocks, starts = np.unique(index[order] // BLOCK, return_index=True)
    parts = [
        draw(block * BLOCK, BLOCK)[index[rows] - block * BLOCK]
        for block, rows in zip(blocks.tolist(), np.split(order, starts[1:]), strict=True)
    ]
    return np.concatenate(parts)[np.argsort(order)]


def score_each(
    run: Callable[[slice], Sequence[NDArray[np.float32]]], count: int
) -> list[NDArray[np.float32]]:
    """Returns the scores of `count` examples, each computed alone: a list of arrays (count,).

    Args:
        run: the scores of some rows, a list of arrays; it is asked for one row at a time.
        count: how many examples there are.

    Example:

    >>> score_each(lambda rows: [np.arange(3.0)[rows], np.ones(1)], 3)
    [array([0., 1., 2.]), array([1., 1., 1.])]
    """
    rows = [run(slice(i, i + 1)) for i in range(count)] or [run(slice(0, 0))]
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]
