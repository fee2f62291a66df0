"""What a training or a test logs, and the weights that schedules raise: one metric of Keras."""

from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
from keras import ops

MEANS = ("loss", "reconstruction_loss", "kl_loss")


class Weight(NamedTuple):
    """A weight of the loss, three variables: at each training step it rises, up to 1."""

    value: Any
    """That of the next step."""
    rise: Any
    """What a step adds to it."""
    used: Any
    """That of the last step."""

    def set(self, value, rise=0.0):
        """Sets the weight of the next step, and what each step adds to it."""
        self.value.assign(value)
        self.rise.assign(rise)

    def end_step(self):
        """Raises the weight."""
        self.used.assign(self.value)
        self.value.assign(ops.minimum(self.value + self.rise, 1.0))


class Costs(keras.metrics.Metric):
    """Means over the examples of what the batches cost, and how many steps were skipped.

    `result()` is what `fit` logs: `loss`, `reconstruction_loss` and `kl_loss` in nats per example,
    and `skipped_steps`, which only training has. A mean of no example is NaN, because 0 would look
    like the best of all.

    The weights of the KL divergence and of the prior are kept here too, `weights["kl_weight"]` and
    `weights["prior_weight"]`. A schedule sets them and says by how much each step raises them;
    `begin` sets them back to 1.

    Example:

    >>> import numpy as np
    >>> costs = Costs()
    >>> costs.update_state(np.array([[3.0, 5.0], [1.0, 3.0], [2.0, 2.0]]), np.ones(2))
    >>> {name: float(value) for name, value in costs.result().items()}
    {'loss': 4.0, 'reconstruction_loss': 2.0, 'kl_loss': 2.0, 'skipped_steps': 0.0}
    """

    def __init__(self, name="costs"):
        super().__init__(name=name)
        self.totals = self.add_variable((len(MEANS),), "zeros", name="totals")
        self.count = self.add_variable((), "zeros", name="count")
        self.outside_support = self.add_variable((), "zeros", name="outside_support")
        self.unknown_labels = self.add_variable((), "zeros", name="unknown_labels")
        self.skipped_steps = self._same("zeros", "skipped_steps")
        self.skipped_in_a_row = self._same("zeros", "skipped_in_a_row")
        self.most_in_a_row = self._same("zeros", "most_in_a_row")
        self.weights = {name: self._weight(name) for name in ("kl_weight", "prior_weight")}
        self.measures = False

    def _same(self, initializer, name):
        """A variable that is equal on all replicas."""
        return self.add_variable((), initializer, aggregation="only_first_replica", name=name)

    def _weight(self, name):
        initial = {"value": "ones", "rise": "zeros", "used": "ones"}
        return Weight(**{part: self._same(i, f"{name}_{part}") for part, i in initial.items()})

    def update_state(self, costs, weight, finite=True):
        """Adds a batch: a row of `costs` for each of `MEANS`, (3, B), and the weights, (B,).

        A batch whose loss is not `finite` does not count.
        """
        costs, weight = (ops.where(finite, ops.cast(a, self.dtype), 0.0) for a in (costs, weight))
        self.totals.assign(self.totals + ops.sum(costs * weight, axis=-1))
        self.count.assign(self.count + ops.sum(weight))

    def end_step(self, finite):
        """Ends a training step: counts it if it was skipped, and raises the weights."""
        skipped = ops.where(finite, 0.0, 1.0)
        self.skipped_steps.assign(self.skipped_steps + skipped)
        self.skipped_in_a_row.assign((self.skipped_in_a_row + 1) * skipped)
        self.most_in_a_row.assign(ops.maximum(self.most_in_a_row, self.skipped_in_a_row))
        for weight in self.weights.values():
            weight.end_step()

    def note(self, outside_support, unknown_labels):
        """Adds numbers of values that the model has no probability for; `Guard` looks at them."""
        self.outside_support.assign(self.outside_support + ops.cast(outside_support, self.dtype))
        self.unknown_labels.assign(self.unknown_labels + ops.cast(unknown_labels, self.dtype))

    def begin(self):
        """Begins a `fit`: the weights are 1 unless schedules change them, no step was skipped."""
        for weight in self.weights.values():
            weight.set(1.0)
            weight.used.assign(1.0)
        self.skipped_in_a_row.assign(0.0)

    @contextmanager
    def measuring(self):
        """A context of evaluation, which has no `skipped_steps`."""
        before, self.measures = self.measures, True
        try:
            yield
        finally:
            self.measures = before

    def reset_state(self):
        """Begins an epoch. The weights stay, and so do the steps skipped in a row."""
        of_epoch = (self.totals, self.count, self.outside_support, self.unknown_labels)
        for variable in (*of_epoch, self.skipped_steps, self.most_in_a_row):
            variable.assign(ops.zeros(variable.shape))

    def result(self):
        means = self.totals / self.count
        results = {name: means[i] for i, name in enumerate(MEANS)}
        if not self.measures:
            results["skipped_steps"] = ops.convert_to_tensor(self.skipped_steps)
        return results
