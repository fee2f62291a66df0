"""What `train` does after each epoch: keeps its state, averages weights, prints a line."""

import sys
import time
import warnings

import keras
import numpy as np

from keras_vae import evaluation
from keras_vae.commands.checkpoints import State, assign, values_of, variables_of
from keras_vae.schedules import KLCycles, KLWarmup, PriorWarmup
from keras_vae.signals import Interrupted

LONGEST = 100
"""Characters of a line of progress."""


class Watch(evaluation.PosteriorCollapse):
    """Logs the number of active units alone: a column for each dimension would bury the loss.

    Args:
        x: some examples.
        kl: what was logged in the epochs before.
    """

    def __init__(self, x, kl=()):
        super().__init__(x)
        self.before = kl

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.kl = list(self.before)

    def on_epoch_end(self, epoch, logs=None):
        found = {}
        super().on_epoch_end(epoch, found)
        logs["active_units"] = found["active_units"]


class Averaged(keras.callbacks.Callback):
    """Lets validation see the averages of the weights that the optimizer keeps (`use_ema`).

    `keras.callbacks.SwapEMAWeights` does it too, by sums that round the weights on TensorFlow.
    """

    def on_test_begin(self, logs=None):
        weights = self.model.trainable_variables
        self.kept = values_of(weights)
        self.model.optimizer.finalize_variable_values(weights)

    def on_test_end(self, logs=None):
        assign(self.model.trainable_variables, self.kept)


class EndBySignal(keras.callbacks.Callback):
    """Ends a training by a signal whose exception was swallowed by a library.

    Args:
        signals: the list of those that came; see `signals.raised`.
    """

    looks_at_calls = True  # of however many steps

    def __init__(self, signals):
        super().__init__()
        self.signals = signals

    def on_train_batch_end(self, batch, logs=None):
        if self.signals:
            raise Interrupted(self.signals[0])

    on_test_batch_end = on_train_batch_end


class Keeper(keras.callbacks.Callback):
    """Keeps the state after each epoch, writes checkpoints, and ends a training by its patience.

    Args:
        settings: `Settings`.
        state: the `State` so far.
        checkpoints: the `Checkpoints` to write to.
        watch: the `Watch` whose turn is before.

    Attributes:
        state: the `State` after the last epoch that is complete.
    """

    def __init__(self, settings, state, checkpoints, watch):
        super().__init__()
        self.settings, self.state = settings, state
        self.checkpoints, self.watch, self.written = checkpoints, watch, None

    def on_train_begin(self, logs=None):
        self.began = time.monotonic() - self.state.record["time"].get("seconds", 0)

    def on_epoch_end(self, epoch, logs=None):
        history = {name: [*column] for name, column in self.state.history.items()}
        for name, value in {"epoch": epoch, **logs}.items():
            history.setdefault(name, []).append(value if isinstance(value, int) else float(value))
        best = self.state.best
        if self.settings.keep == "best" and best_epoch(history) == epoch:
            best = self._weights()
        values = values_of(variables_of(self.model))
        self.state = State(self._record(), history, np.array(self.watch.kl), values, best)
        if (epoch + 1) % self.settings.save_every == 0:
            self.try_to_save()
        if finished(self.settings, history):
            self.model.stop_training = True

    def save(self):
        """Writes the state, unless it is written already."""
        if self.written != self.state.epoch:
            self.checkpoints.write(self.state)
            self.written = self.state.epoch

    def try_to_save(self):
        """Writes the state; a disk that is full does not end the training."""
        try:
            self.save()
        except OSError as error:
            warnings.warn(
                f"the state after epoch {self.state.epoch} cannot be saved ({error.strerror}): "
                "training goes on, but could not after a kill",
                stacklevel=2,
            )

    def is_of_no_use(self, error):
        """Whether nothing is worth going on with after an error: no epoch, or none with a loss."""
        history = self.state.history
        never = "val_loss" in history and best_epoch(history) is None
        diverged = isinstance(error, FloatingPointError)
        return not self.state.epoch or (diverged and (never or finished(self.settings, history)))

    def _record(self):
        """The record, with the seconds that all epochs took."""
        seconds = round(time.monotonic() - self.began, 1)
        record = self.state.record
        return {**record, "time": {**record["time"], "seconds": seconds}}

    def _weights(self):
        """The weights that are tested: averages, where the optimizer keeps them."""
        if self.settings.ema is None:
            return values_of(self.model.weights)
        averages = Averaged()
        averages.set_model(self.model)
        averages.on_test_begin()
        try:
            return values_of(self.model.weights)
        finally:
            averages.on_test_end()


def best_epoch(history):
    """The epoch of the least validation loss; None where it never was a number.

    Example:

    >>> best_epoch({"val_loss": [3.0, 1.0, float("nan"), 2.0]})
    1
    """
    losses = np.asarray(history.get("val_loss", ()), dtype=float)
    return None if np.isnan(losses).all() else int(np.nanargmin(losses))


def finished(settings, history):
    """Whether the last epoch is done, or the patience is at its end."""
    done = len(history.get("epoch", ()))
    if done >= settings.epochs:
        return True
    if settings.patience is None or not done:
        return False
    best = best_epoch(history)
    return best is not None and done - 1 - best >= settings.patience


class Lines(keras.callbacks.Callback):
    """Prints one line for each epoch, of at most 100 characters.

    Args:
        everything: whether to print all that is logged, however long that is.
    """

    def __init__(self, everything=False):
        super().__init__()
        self.everything = everything

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds, epochs = time.monotonic() - self.began, self.params["epochs"]
        print(line(epoch + 1, epochs, seconds, logs, self.everything), flush=True)


SHOWN = ("loss", "val_loss", "kl_loss", "active_units", "skipped_steps")


def line(epoch, epochs, seconds, logs, everything=False):
    """What an epoch came to, in one line.

    Example:

    >>> line(3, 20, 1.25, {"loss": 98.5, "kl_loss": 23.0, "skipped_steps": 0.0, "val_loss": 99.0})
    'epoch  3/20  1.25 s  loss 98.50  val_loss 99.00  kl_loss 23.00'
    """
    names = logs if everything else [name for name in SHOWN if name in logs]
    parts = [f"epoch {epoch:{len(str(epochs))}}/{epochs}", f"{seconds:.3g} s"]
    for name in names:
        value = logs[name]
        if name != "skipped_steps" or value or everything:
            parts.append(f"{name} {value:d}" if isinstance(value, int) else f"{name} {value:.2f}")
    text = "  ".join(parts)
    return text if everything or len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def warmup(kind, asked, usual):
    """The callback of this kind, `asked` or `usual` epochs long; of none, where both are 0.

    Where 0 are asked of a part that usually has one, the callback says so: the weight is 1.
    """
    epochs = usual if asked is None else asked
    if not usual and not epochs:
        return []
    return [kind(epochs or 1, start=float(not epochs))]


def all_of_them(keeper, vae, signals, run, shown):
    """What `fit` calls after each epoch of a training, in this order."""
    settings, found = keeper.settings, [EndBySignal(signals), keeper.watch]
    if settings.kl_cycles is not None:
        found.append(KLCycles(settings.kl_warmup, settings.kl_cycles))
    else:
        found += warmup(KLWarmup, settings.kl_warmup, vae.levels.warmup_epochs)
    if vae.prior.warmup_epochs:
        found += warmup(PriorWarmup, settings.prior_warmup, vae.prior.warmup_epochs)
    if settings.ema is not None:
        found.append(Averaged())
    if settings.tensorboard:
        board = keras.callbacks.TensorBoard(run.tensorboard, write_graph=False)
        board.looks_at_calls = True  # it logs after each epoch alone
        found.append(board)
    found.append(keeper)
    if shown == "everything" or (shown == "lines" and not sys.stdout.isatty()):
        found.append(Lines(everything=shown == "everything"))
    return found
