"""The label of a conditional model in its graphs: y outside, what the decoder takes inside."""

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Tensor
from spox import argument as spox_argument

from keras_vae import conditions


def argument(covariates):
    """The input `label` of a batch: (batch,), int64, or (batch, C), float32; `conditions.form`."""
    dtype, one = conditions.form(covariates)
    return spox_argument(Tensor(dtype, ("batch", *one)))


def width(labels):
    """The shape of what the decoder takes for one y."""
    return (sum(column.width for column in labels.columns),)


def encoded(labels, label):
    """The label as the decoder takes it: `vae.labels.encoded`, but what is unknown is refused.

    Args:
        labels: those of the model, `vae.labels`.
        label: see `argument`.

    Returns:
        (batch, width), float32.
    """
    if labels.num_classes is not None:
        return _one_hot(label, labels.num_classes)
    values = (op.gather(label, op.const(i), axis=1) for i in range(len(labels.columns)))
    parts = [_part(*pair) for pair in zip(labels.columns, values, strict=True)]
    return op.concat(parts, axis=-1)


def _part(column, values):
    """A covariate as the decoder takes it, (batch,) -> (batch, width)."""
    if column.kind != "category":
        mean, scale = (op.const(np.float32(number)) for number in (column.mean, column.scale))
        return op.unsqueeze(op.div(op.sub(values, mean), scale), op.const(np.array([1])))
    whole = op.equal(values, op.floor(values))  # as NaN is not
    places = op.where(whole, values, op.const(np.float32(-1)))
    return _one_hot(op.cast(places, to=np.int64), column.width)


def _one_hot(places, width):
    """By a table, so that a runtime refuses what is not in it; Gather counts -1 from the end."""
    negative = op.less(places, op.const(np.int64(0)))
    places = op.where(negative, op.const(np.int64(width)), places)
    return op.gather(op.const(np.eye(width, dtype=np.float32)), places)
