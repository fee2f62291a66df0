"""What `fit` looks at besides the loss: data without a density, and steps that came to nothing."""

import math

import keras


class Guard(keras.callbacks.Callback):
    """Ends training, or evaluation, on data that it cannot go on with.

    Raises:
        ValueError: a batch held values outside the likelihood's support, or unknown labels; or
            there was no batch at all.
        FloatingPointError: `limit` steps in a row had a loss or gradient that is not finite.
    """

    looks_at_calls = True  # of however many steps: it needs no call of its own for each step

    def __init__(self, limit=32):
        super().__init__()
        self.limit, self.trained, self.tested = limit, False, False

    def on_epoch_begin(self, epoch, logs=None):
        self.skipped = 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.trained = True
        skipped = (logs or {}).get("skipped_steps", math.inf)  # a step of a subclass may log none
        if skipped > self.skipped:  # what has no density is skipped too: nothing else is looked at
            self.skipped = skipped if math.isfinite(skipped) else 0.0
            self._check_data(batch)
            self._check_skipped()

    def on_epoch_end(self, epoch, logs=None):
        check_any("x", self.trained)

    def on_test_begin(self, logs=None):
        self.tested = False

    def on_test_batch_end(self, batch, logs=None):
        self.tested = True
        self._check_data(batch)

    def on_test_end(self, logs=None):
        check_any("the data to evaluate on", self.tested)

    def _check_data(self, batch):
        model, costs = self.model, self.model.costs
        if number(costs.outside_support):
            raise model.likelihood.refusal(f"batch {batch} holds other values")
        if number(costs.unknown_labels):
            raise model.labels.refusal(batch)

    def _check_skipped(self):
        in_a_row = int(number(self.model.costs.most_in_a_row))
        if in_a_row >= self.limit:
            raise FloatingPointError(
                f"{in_a_row} training steps in a row had a loss or gradient that is NaN or "
                "infinite, and changed no weight. Look at the data (NaN, infinite or very large "
                "values?), the learning rate (try a tenth) and, in mixed precision, the layers "
                "that overflow (try the float32 policy)"
            )


def number(variable):
    """Returns the value of a variable, a number, on the host."""
    return float(keras.ops.convert_to_numpy(variable))


def check_any(name, came):
    """Raises `ValueError` unless a batch of `name` came."""
    if not came:
        raise ValueError(
            f"{name} must hold at least one batch, got an empty data set: look at what filters, "
            "takes or skips its examples, and whether it was read to its end before"
        )
