"""What `fit` looks at besides the loss: the data it is given, and steps that came to nothing."""

import itertools
import types

import keras
import numpy as np


class StopWhenSkipping(keras.callbacks.Callback):
    """Ends training when `limit` steps in a row had a loss or gradient that is not finite."""

    def __init__(self, limit=32):
        super().__init__()
        self.limit, self.in_a_row = limit, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.last_batch, self.last_total = -1, 0

    def on_train_batch_end(self, batch, logs=None):
        steps, total = batch - self.last_batch, int((logs or {}).get("skipped_steps", 0))
        skipped = total - self.last_total
        self.in_a_row = self.in_a_row + skipped if skipped == steps else 0
        self.last_batch, self.last_total = batch, total
        if self.in_a_row >= self.limit:
            raise FloatingPointError(
                f"{self.in_a_row} training steps in a row had a loss or gradient that is NaN or "
                "infinite, and changed no weight. Look at the data (NaN, infinite or very large "
                "values?), the learning rate (try a tenth) and, in mixed precision, the layers "
                "that overflow (try the float32 policy)"
            )


def check_data(likelihood, x, input_shape):
    """Raises `ValueError` if the likelihood gives `x` no density or its shape is not the model's.

    An array is checked whole. Of what arrives in batches the first is checked, NaN aside: a step
    that is not finite is skipped and counted.

    Returns:
        `x`, or for a generator one that yields the same.
    """
    if x is None:
        return x
    if is_array(x):
        likelihood.check(checked_array("x", x, input_shape))
        return x
    first, x = peek(x)
    if first is not None:
        batch = checked_array("x", keras.utils.unpack_x_y_sample_weight(first)[0], input_shape)
        likelihood.check(np.where(np.isfinite(batch), batch, 0))
    return x


def is_array(x):
    """Whether `x` is an array or tensor, as opposed to something that yields batches."""
    return hasattr(x, "shape") and hasattr(x, "dtype")


def peek(batches):
    """The first batch of `batches` (None if it has none), and `batches` with nothing missing."""
    if isinstance(batches, keras.utils.PyDataset):
        return batches[0], batches
    if isinstance(batches, types.GeneratorType):
        first = next(batches, None)
        rest = () if first is None else itertools.chain([first], batches)
        return first, (batch for batch in rest)
    if hasattr(batches, "take"):  # a tf.data.Dataset
        return next(iter(batches.take(1)), None), batches
    if hasattr(batches, "__len__"):  # a torch DataLoader
        return next(iter(batches), None), batches
    return None, batches


def checked_array(name, x, shape):
    """`x` as a numeric NumPy array of shape `(B, *shape)`, or a `ValueError`."""
    x = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    if x.dtype.kind not in "fiub" and x.dtype.name != "bfloat16":
        raise ValueError(f"{name} must hold numbers, got dtype {x.dtype}: use astype('float32')")
    if x.shape[1:] != tuple(shape):
        want = f"(batch, {', '.join(map(str, shape))})"
        hint = ""
        if x.shape == tuple(shape):
            hint = f"; for one example use {name}[None]"
        elif x.shape[1:] == tuple(shape[:-1]) and shape[-1] == 1:
            hint = f"; add the channel axis with {name}[..., None]"
        raise ValueError(f"{name} must have shape {want}, got {x.shape}{hint}")
    return x
