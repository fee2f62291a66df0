"""Callbacks that change the weight of the KL divergence while training goes on."""

import keras
import numpy as np


class KLWarmup(keras.callbacks.Callback):
    """kl_weight = min(1, start + (1 − start) · step / steps), rising from step to step.

    Starts training with little or no KL divergence, so that the decoder learns to use z before
    the prior pulls the posterior towards it. Training alone is weighted: `evaluate` and
    validation always report the unweighted bound, and `fit` begins at weight 1 unless this
    callback says otherwise. The weight of the epoch's last step is logged as `kl_weight`.

    Args:
        epochs: number of epochs, not necessarily whole, until the weight is 1.
        start: the weight at the first step, between 0 and 1.

    Example:

    >>> warmup = KLWarmup(epochs=10)
    >>> float(warmup.weight(5.0))
    0.5

    Reference: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 3.1;
    Sønderby et al., Ladder Variational Autoencoders, 2016, section 2.3.
    """

    def __init__(self, epochs, start=0.0):
        super().__init__()
        if not (np.isfinite(epochs) and epochs > 0):
            raise ValueError(f"epochs must be a positive number, got {epochs!r}")
        if not 0 <= start <= 1:
            raise ValueError(f"start must be between 0 and 1, got {start!r}")
        self.epochs, self.start = epochs, start

    def weight(self, epoch):
        """The weight after `epoch` epochs, not necessarily whole."""
        return min(1.0, self.start + (1 - self.start) * epoch / self.epochs)

    def on_epoch_begin(self, epoch, logs=None):
        steps = self.params.get("steps")  # not known when a generator runs dry by itself
        rise = (1 - self.start) / (self.epochs * steps) if steps else 0.0
        self.model.costs.warm_up(self.weight(epoch), rise)

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            used = keras.ops.convert_to_numpy(self.model.costs.kl_weight_used)
            logs["kl_weight"] = float(used)

    def on_train_end(self, logs=None):
        self.model.costs.warm_up(1.0, 0.0)

    def get_config(self):
        return {"epochs": self.epochs, "start": self.start}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
