"""Callbacks that change the weights of the loss while training goes on."""

import keras
import numpy as np


class Warmup(keras.callbacks.Callback):
    """weight = min(1, start + (1 − start) · step / steps), rising from step to step.

    Training alone is weighted: `evaluate` and validation always report the bound as it is, and
    `fit` begins at weight 1 unless this callback says otherwise. The weight of the epoch's last
    step is logged under its name. Epochs count from 0, or from `initial_epoch` of `fit`.

    Args:
        epochs: number of epochs, not necessarily whole, until the weight is 1.
        start: the weight at the first step, between 0 and 1.
    """

    name = None
    """Which of the weights that the model's `costs` keep."""

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

    @property
    def _weight(self):
        return self.model.costs.weights[self.name]

    def on_epoch_begin(self, epoch, logs=None):
        steps = self.params.get("steps")  # not known when a generator runs dry by itself
        rise = (1 - self.start) / (self.epochs * steps) if steps else 0.0
        self._weight.set(self.weight(epoch), rise)

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs[self.name] = float(keras.ops.convert_to_numpy(self._weight.used))

    def on_train_end(self, logs=None):
        self._weight.set(1.0)

    def get_config(self):
        return {"epochs": self.epochs, "start": self.start}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class KLWarmup(Warmup):
    """kl_weight rises from `start` to 1: the `Warmup` of the KL divergence.

    Starts training with little or no KL divergence, so that the decoder learns to use z before
    the prior pulls the posterior towards it. The first `fit` of a hierarchy of vectors has
    one of `vae.levels.warmup_epochs`, without being asked; set that to 0 for none, or give `fit`
    another.

    Args:
        epochs, start: see `Warmup`.

    Example:

    >>> warmup = KLWarmup(epochs=10)
    >>> float(warmup.weight(5.0))
    0.5

    Reference: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 3.1;
    Sønderby et al., Ladder Variational Autoencoders, 2016, section 2.3.
    """

    name = "kl_weight"


class KLCycles(KLWarmup):
    """kl_weight rises to 1 as in `KLWarmup`, stays for as long, and does so again and again.

    Each cycle begins with a decoder that has learned to use the codes of the one before.

    Args:
        epochs: number of epochs in which the weight rises; twice as many, a cycle, must be whole.
        cycles: number of cycles; after these the weight stays 1.
        start: see `Warmup`.

    Example:

    >>> cycles = KLCycles(epochs=2, cycles=2)
    >>> [float(cycles.weight(epoch)) for epoch in range(9)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0, 1.0]

    Reference: Fu et al., Cyclical Annealing Schedule, 2019, section 4.1, with R = 0.5.
    """

    def __init__(self, epochs, cycles=4, start=0.0):
        super().__init__(epochs, start)
        if 2 * epochs != int(2 * epochs):
            raise ValueError(f"a cycle must have whole epochs, got 2 * {epochs} = {2 * epochs}")
        if not (isinstance(cycles, int) and cycles >= 1):
            raise ValueError(f"cycles must be a whole number of at least 1, got {cycles!r}")
        self.cycles = cycles

    def weight(self, epoch):
        cycle = 2 * self.epochs
        return super().weight(epoch % cycle) if epoch < self.cycles * cycle else 1.0

    def get_config(self):
        return {**super().get_config(), "cycles": self.cycles}


class PriorWarmup(Warmup):
    """prior_weight, w in w log p(z) + (1 − w) log N(z; 0, I), rises from `start` to 1.

    The `Warmup` of a learned prior, which is so let go little by little. From the first step it
    follows the posteriors, wherever they are. If nothing but it held them, z would grow until the
    decoder saturates, or collapse before the decoder has learned to use it. The prior itself learns
    all the while: Adam's steps are as large for a small weight as for a large one.

    The first `fit` of a model whose prior learns has one of `prior.warmup_epochs`, without being
    asked; set that to 0 for none, or give `fit` another. While the weight is below 1, the `loss`
    and `kl_loss` that training logs are those of the weighted density.

    Args:
        epochs, start: see `Warmup`.

    Example:

    >>> from keras_vae.distributions import FlowPrior
    >>> warmup = PriorWarmup(FlowPrior.warmup_epochs)
    >>> float(warmup.weight(0.0)), float(warmup.weight(1.0)), float(warmup.weight(9.0))
    (0.0, 0.25, 1.0)

    Reference: the path is that of Neal, Annealed Importance Sampling, 2001, equation 3; the
    schedule that of Sønderby et al., Ladder Variational Autoencoders, 2016, section 2.3.
    """

    name = "prior_weight"
