"""What `fit` looks at besides the loss: the data it is given, and steps that came to nothing."""

import math
import numbers

import keras
import numpy as np


class Guard(keras.callbacks.Callback):
    """Ends training, or evaluation, on data that it cannot go on with.

    Raises:
        ValueError: a batch held values outside the likelihood's support, or unknown labels.
        FloatingPointError: `limit` steps in a row had a loss or gradient that is not finite.
    """

    looks_at_calls = True  # of however many steps: it needs no call of its own for each step

    def __init__(self, limit=32):
        super().__init__()
        self.limit = limit

    def on_epoch_begin(self, epoch, logs=None):
        self.skipped = 0.0

    def on_train_batch_end(self, batch, logs=None):
        skipped = (logs or {}).get("skipped_steps", math.inf)
        if skipped > self.skipped:  # what has no density is skipped too: nothing else is looked at
            self.skipped = skipped
            self.on_test_batch_end(batch)
            self._check_skipped()

    def _check_skipped(self):
        in_a_row = int(number(self.model.costs.most_in_a_row))
        if in_a_row >= self.limit:
            raise FloatingPointError(
                f"{in_a_row} training steps in a row had a loss or gradient that is NaN or "
                "infinite, and changed no weight. Look at the data (NaN, infinite or very large "
                "values?), the learning rate (try a tenth) and, in mixed precision, the layers "
                "that overflow (try the float32 policy)"
            )

    def on_test_batch_end(self, batch, logs=None):
        model = self.model
        likelihood, costs = model.likelihood, model.costs
        if number(costs.outside_support):
            raise ValueError(
                f"{type(likelihood).__name__} is for {likelihood.support}, but batch {batch} holds "
                f"other values. {likelihood.advice}"
            )
        if number(costs.unknown_labels):
            raise ValueError(
                f"batch {batch} holds labels that are no whole numbers from 0 to "
                f"{model.num_classes - 1}"
            )


def number(variable):
    """Returns the value of a variable, a number, on the host."""
    return float(keras.ops.convert_to_numpy(variable))


def check_data(likelihood, x, input_shape):
    """Raises `ValueError` if the array `x` has another shape than the model's or no density.

    What arrives in batches is checked in the step: its shape when the step is compiled, its
    support as it comes.
    """
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        likelihood.check(checked_array("x", x, input_shape))


def check_shape(name, x, shape):
    """Raises `ValueError` unless `x` is `(B, *shape)`."""
    if tuple(x.shape[1:]) == tuple(shape) and len(x.shape):
        return
    hint = ""
    if tuple(x.shape) == tuple(shape):
        hint = f"; for one example use {name}[None]"
    elif tuple(x.shape[1:]) == tuple(shape[:-1]) and shape[-1] == 1:
        hint = f"; add the channel axis with {name}[..., None]"
    want = f"(batch, {', '.join(map(str, shape))})"
    raise ValueError(f"{name} must have shape {want}, got {tuple(x.shape)}{hint}")


def checked_array(name, x, shape):
    """`x` as a numeric NumPy array of shape `(B, *shape)`, or a `ValueError`."""
    x = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
    if x.dtype.kind not in "fiub" and x.dtype.name != "bfloat16":
        raise ValueError(f"{name} must hold numbers, got dtype {x.dtype}: use astype('float32')")
    check_shape(name, x, shape)
    return x


def checked_finite(name, x, shape):
    """As `checked_array`, and no value is NaN or infinite."""
    x = checked_array(name, x, shape)
    if not np.isfinite(x).all():
        raise ValueError(f"{name} holds values that are NaN or infinite: remove or replace them")
    return x


def check_batch_size(batch_size):
    """Raises `ValueError` unless at least one row is computed at once."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size!r}")


def checked_seed(seed):
    """`seed` as an int, or None; a `ValueError` if Keras could not use it."""
    if seed is None:
        return None
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**31:
        raise ValueError(f"seed must be a whole number from 0 to 2**31 - 1, or None, got {seed!r}")
    return int(seed)
