"""`fit` on an array: x stays where the steps are computed, and many steps are one call."""

import math
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.models import train_steps
from keras_vae.models.guards import Guard

MAX_BYTES = 2**31
"""A larger x comes in batches, as Keras brings them."""

MAX_NOISE = 2**23
"""Numbers of noise that the steps of one call may need: they are drawn ahead."""

ASKED = {
    "run_eagerly": (False,),
    "jit_compile": ("auto",),
    "steps_per_execution": (1, "auto"),
}
"""The settings of `compile` that may ask for a loop, and what they are if they ask for none."""

BATCH_HOOKS = [f"on_{of}batch_{at}" for of in ("", "train_", "test_") for at in ("begin", "end")]


class Resident(NamedTuple):
    """What stays in place while `fit` goes on."""

    x: Any
    batch_size: int
    steps: int
    """How many of them are one call."""


class InPlace:
    """What a VAE does where Keras would bring it one batch after the other.

    Keras' own loop shuffles and batches the numbers of the rows instead of the rows, and calls
    the callbacks; so order, noise and weights are those that it comes to by itself. (Layers with
    random numbers, such as Dropout, get others on TensorFlow, since XLA has others.)
    """

    resident, asked = None, False

    def start_loops(self, settings):
        """Starts anew, for a `compile` with these settings."""
        self.asked = any(settings.get(name, usual[0]) not in usual for name, usual in ASKED.items())
        self._train_functions = {}  # whether in place → the function

    @property
    def in_keras_loop(self):
        """Whether every step is to be Keras' own: the user asked for it, or changed the step."""
        changed = type(self).train_step is not train_steps.TrainStep.train_step
        return self.asked or self.run_eagerly or changed

    @contextmanager
    def loop(self, given=None):
        """Makes ready for a `fit` of these arguments, or for one batch, and puts back all after it.

        In place, x stays here, and Keras is given the numbers of its rows. A callback may call
        `fit` or `train_on_batch` while another `fit` goes on.
        """
        resident, outer = self._resident(given) if given else None, self.resident
        functions = self._train_functions
        functions[outer is not None] = self.train_function
        self.resident, self.train_function = resident, functions.get(resident is not None)
        if resident:  # for Keras' iterator; `make_train_function`, called next, puts back 1
            self.steps_per_execution = resident.steps
        try:
            yield
        finally:
            self.resident = outer
            if resident:
                self.steps_per_execution = 1
            if functions is self._train_functions:  # no callback has called `compile`
                functions[resident is not None] = self.train_function
                self.train_function = functions[outer is not None]

    def make_train_function(self, force=False):
        """As in Keras; of a resident array, a function that takes many steps."""
        if self.resident is None:
            super().make_train_function(force)
            return
        self.steps_per_execution = 1  # of all but the iterator that `fit` has made
        if self.train_function is None or force:
            self.train_function = self.many_steps()

    def _resident(self, given):
        """x of the arguments `given` of `fit`, which get its rows instead; None if not in place."""
        split_validation(given)
        steps = self.steps_at_once(given)
        if not steps:
            return None
        x = given["x"]
        given["x"] = np.arange(len(x), dtype="int32")
        if self.num_classes is None and given.get("y") is not None:
            given["y"] = np.arange(len(given["y"]))  # Keras compares its length; the step drops it
        return Resident(as_tensor(x), given.get("batch_size") or 32, steps)

    def steps_at_once(self, given):
        """How many steps of `fit` are one call; 0 leaves all to Keras' own loop.

        It gets data that are no arrays or too large, several devices, `steps_per_epoch`, and what
        `in_keras_loop` says. PyTorch takes the rest in place: as many steps a call as divide an
        epoch, one if a callback looks at batches. TensorFlow and JAX leave such callbacks to
        Keras' loop too, and layers that XLA cannot compile, and what was measured (`make bench`)
        to be as fast there:

        - convolutions on a CPU: beside such a step what surrounds it does not count, and XLA
          computes it more slowly than TensorFlow does without;
        - on TensorFlow, too few steps to be worth compiling.
        """
        if not self._may_be_resident(given):
            return 0
        batch_size = given.get("batch_size") or 32
        batches = math.ceil(len(given["x"]) / batch_size)
        seen_by_callbacks = watched(given.get("callbacks") or [])
        if not train_steps.COMPILES:
            batches = min(batches, keras.config.max_steps_per_epoch() or batches)
            most = 1 if seen_by_callbacks else train_steps.STEPS
            # Of a last call with fewer steps, Keras warns there that the data have run out.
            return max(n for n in range(1, most + 1) if batches % n == 0)
        one_by_one = (
            seen_by_callbacks
            or not all(layer.supports_jit for layer in self._flatten_layers())
            or (train_steps.on_cpu() and self.is_convolutional)
            or batches * given.get("epochs", 1) < train_steps.WORTH_COMPILING
        )
        noise = self.objective.num_samples * batch_size * self.latent_dim
        return 0 if one_by_one else max(1, min(train_steps.STEPS, MAX_NOISE // noise))

    def _may_be_resident(self, given):
        arrays = [given.get(name) for name in ("x", "y", "sample_weight")]
        strategy = getattr(self, "distribute_strategy", None)  # of TensorFlow
        return (
            not self.in_keras_loop
            and arrays[0] is not None
            and all(a is None or (hasattr(a, "dtype") and hasattr(a, "shape")) for a in arrays)
            and math.prod(arrays[0].shape) * 4 <= MAX_BYTES
            and not given.get("class_weight")
            and not given.get("steps_per_epoch")
            and not given.get("validation_split")
            and keras.distribution.distribution() is None
            and getattr(strategy, "num_replicas_in_sync", 1) == 1
        )

    @property
    def is_convolutional(self):
        """Whether the encoder or the decoder convolves: a kernel has more than two axes."""
        return any(len(w.shape) > 2 for w in (*self.encoder.weights, *self.decoder.weights))


def split_validation(given):
    """Makes `validation_data` of what `validation_split` takes off the end of the arrays."""
    names = [n for n in ("x", "y", "sample_weight") if hasattr(given.get(n), "shape")]
    share = given.get("validation_split") or 0
    if not share or given.get("validation_data") is not None or "x" not in names:
        return
    size = math.floor(len(given["x"]) * (1 - share))
    if 0 < size < len(given["x"]):  # else Keras says what is wrong
        given["validation_data"] = tuple(given[name][size:] for name in names)
        given.update({name: given[name][:size] for name in names}, validation_split=0.0)


def watched(callbacks):
    """Whether a callback looks at batches; of a `CallbackList` that is taken for granted.

    Those of Keras that save at the end of an epoch alone do not, though they have such methods.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return True
    return any(
        getattr(callback, "save_freq", None) != "epoch"
        and not all(getattr(getattr(callback, h), "_is_default", False) for h in BATCH_HOOKS)
        for callback in callbacks
        if not isinstance(callback, Guard)
    )


def as_tensor(x):
    """x as a tensor, floating-point numbers in Keras' type, as its own loop brings them."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    return ops.convert_to_tensor(x, keras.config.floatx() if "float" in dtype else dtype)
