"""Samples and scores by Ray Data: classes for `map_batches`.

Neither needs Ray itself, so what they do can be tried on a dictionary of arrays.

    import ray
    from export.runtime.ray import Sampler

    ray.data.range(1_000_000).map_batches(
        Sampler,
        fn_constructor_args=["bundle"],
        compute=ray.data.ActorPoolStrategy(size=4),
        num_cpus=0.5,  # of each of the four; reading and writing need one more
        batch_size=1024,
    ).write_parquet("samples")

The rows are the same to the bit for any number of actors, blocks and rows in a batch, and after a
worker was lost, since sample i of a seed depends on i alone.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import Label
from .vae import OnnxVAE

Batch = dict[str, NDArray[Any]]


class Sampler:
    """Draws the sample of each row's index, which it adds as the column `x`.

    Args:
        bundle: a folder that every worker can read.
        seed, temperature, label, mean: as in `OnnxVAE.sample`.
        index: the column that holds the index; `ray.data.range` calls it `id`.

    Raises:
        ValueError: as `OnnxVAE` and `OnnxVAE.sample`.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        seed: int = 0,
        temperature: float = 1.0,
        label: Label = None,
        mean: bool = True,
        index: str = "id",
    ) -> None:
        self.vae, self.index = OnnxVAE(bundle), index
        self.request = seed, temperature, label, mean

    def __call__(self, batch: Batch) -> Batch:
        return {**batch, "x": self.vae.sample_at(column(batch, self.index), *self.request)}


class Scorer:
    """Adds the scores of each row, in nats: `elbo`, `log_likelihood` and its terms.

    The index of an example is a column, not its place, so that its noise stays its own when the
    rows are shuffled or dealt out.

    Args:
        bundle: a folder that every worker can read.
        num_samples, seed: as in `OnnxVAE.score`.
        x: the column that holds the examples, (B, *input_shape).
        index: the column that holds the index of each.
        label: the column that holds the label of each, of a conditional model.

    Raises:
        ValueError: as `OnnxVAE` and `OnnxVAE.score`; a batch has no such column.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        num_samples: int = 100,
        seed: int = 0,
        x: str = "x",
        index: str = "id",
        label: str | None = None,
    ) -> None:
        self.vae, self.request = OnnxVAE(bundle), (num_samples, seed)
        self.x, self.index, self.label = x, index, label

    def __call__(self, batch: Batch) -> Batch:
        label = None if self.label is None else column(batch, self.label)
        x, index = column(batch, self.x), column(batch, self.index)
        if x.dtype == object:  # rows of lists, as a Parquet file may hold them
            x = np.stack([np.asarray(row) for row in x])
        x = x.reshape(len(x), *self.vae.input_shape)
        scores = self.vae.score_each(x, *self.request, index=index, label=label)
        rest = {name: values for name, values in batch.items() if name != self.x}
        return {**rest, **scores}


def column(batch: Batch, name: str) -> NDArray[Any]:
    """The column of this name, or a `ValueError` that says which there are.

    Example:

    >>> column({"id": np.arange(2)}, "index")
    Traceback (most recent call last):
    ValueError: index must be one of the columns id
    """
    if name not in batch:
        raise ValueError(f"{name} must be one of the columns {', '.join(batch)}")
    return batch[name]
