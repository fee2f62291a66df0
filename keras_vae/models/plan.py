"""How `fit` takes its steps: a pure function of its arguments, the model and the backend."""

import math
from typing import NamedTuple

import keras
import numpy as np

from keras_vae.models.packed import is_packed

MAX_BYTES = 2**31
"""A larger x stays where it is, and is brought batch by batch."""

MAX_BLOCK = 2**25
"""How many numbers the batches of one call may hold: these are copied out of x before the steps."""

MAX_NOISE = 2**23
"""How much noise the steps of one call may need: it is drawn before them."""

ASKED = {
    "run_eagerly": (False,),
    "jit_compile": ("auto",),
    "steps_per_execution": (1, "auto"),
}
"""The settings of `compile` that ask for a loop of Keras, and their values that ask for none."""

HOOKS = [f"on_{of}batch_{at}" for of in ("", "train_", "test_") for at in ("begin", "end")]


class Facts(NamedTuple):
    """What of a model decides how its steps are taken."""

    draws: int
    """How many numbers of noise one example needs."""
    in_keras_loop: bool = False
    """Whether the user asked for Keras' own loop, or wrote another step."""
    replicas: int = 1
    """On how many devices of TensorFlow the model is trained."""
    rows_of_process: bool = False
    """Whether each of several processes is given rows of its own."""
    supports_xla: bool = True
    """Whether XLA can compile every layer."""
    convolves_on_cpu: bool = False
    """Whether it convolves on a CPU, which XLA does slowly: beside TensorFlow, or in its loops."""
    needs_xla: bool = False
    """Whether it would crash without XLA."""
    steps_before: int = 0
    """How many steps the optimizer has taken; a loaded model knows it too."""
    fitted: bool = False
    """Whether it was fitted before in this process."""


class Plan(NamedTuple):
    """How the steps of a `fit` are taken, many in one call."""

    batch_size: int
    steps: int
    """How many of them are one call."""
    xla: bool
    """Whether XLA compiles them."""
    brought: bool = False
    """Whether x is brought batch by batch."""


def asks_for_keras_loop(settings):
    """Returns whether `compile` with these settings asks for a loop of Keras.

    Example:

    >>> asks_for_keras_loop({"jit_compile": "auto"}), asks_for_keras_loop({"run_eagerly": True})
    (False, True)
    """
    return any(settings.get(name, usual[0]) not in usual for name, usual in ASKED.items())


def plan(given, facts, limits):
    """Decides how the steps of a `fit` are taken; None leaves them to Keras' own loop.

    Keras' own loop gets data that are no arrays, several devices of TensorFlow, `class_weight`,
    `steps_per_epoch`, and all that `Facts.in_keras_loop` says. Everything else is moved once to
    where the steps are computed, but for what is too large or packed, which is brought batch by
    batch.

    XLA compiles the steps if that pays: it takes about a second. It pays for many steps, and for a
    model that was trained before, because who calls `fit` twice will call it again. A `fit` that
    goes on from its `initial_epoch` is planned as the whole, so that it comes to the same bits.
    TensorFlow computes convolutions faster without it on a CPU; JAX, which has no other way, many
    times as fast outside of a loop as inside, so that there one step is one call.

    Args:
        given: the arguments of `fit` by name.
        facts: `Facts` of the model.
        limits: `backend.LIMITS`.

    Example:

    >>> import numpy as np
    >>> from keras_vae.backend import LIMITS
    >>> limits = LIMITS._replace(steps=32, divides_epochs=False, xla_after=700)
    >>> plan({"x": np.zeros((3200, 8, 8, 1))}, Facts(draws=2), limits)
    Plan(batch_size=32, steps=32, xla=False, brought=False)
    >>> plan({"x": np.zeros((3200, 8, 8, 1)), "epochs": 10}, Facts(draws=2), limits)
    Plan(batch_size=32, steps=32, xla=True, brought=False)
    """
    if not can_be_taken(given, facts):
        return None
    batch_size = given.get("batch_size") or 32
    batches = math.ceil(given["x"].shape[0] / batch_size)
    example = math.prod(given["x"].shape[1:])
    slow_loop = facts.convolves_on_cpu and not limits.convolutions_in_loops
    most = min(
        1 if slow_loop or watched(given.get("callbacks")) else limits.steps,
        MAX_NOISE // (facts.draws * batch_size),
        MAX_BLOCK // (example * batch_size),
    )
    steps = max(1, most)
    if limits.divides_epochs:
        steps = max(n for n in range(1, steps + 1) if batches % n == 0)
    before = facts.steps_before - batches * given.get("initial_epoch", 0)
    long = batches * given.get("epochs", 1) >= limits.xla_after
    pays = facts.fitted or before > 0 or long
    compiled = pays and facts.supports_xla and not facts.convolves_on_cpu
    return Plan(batch_size, steps, facts.needs_xla or compiled, not can_be_moved(given["x"]))


def can_be_moved(x):
    """Returns whether x can be where the steps are computed."""
    return not is_packed(x) and math.prod(x.shape) * 4 <= MAX_BYTES


def can_be_taken(given, facts):
    """Returns whether many steps on x can be one call."""
    x, *others = (given.get(name) for name in ("x", "y", "sample_weight"))
    return (
        not facts.in_keras_loop
        and facts.replicas == 1
        and not facts.rows_of_process
        and keras.config.max_steps_per_epoch() is None
        and x is not None
        and all(a is None or (hasattr(a, "dtype") and hasattr(a, "shape")) for a in (x, *others))
        and (can_be_moved(x) or is_packed(x) or isinstance(x, np.ndarray))
        and given.get("shuffle", True) in (True, False)
        and not any(given.get(n) for n in ("class_weight", "steps_per_epoch", "validation_split"))
    )


def watched(callbacks):
    """Returns whether a callback looks at batches; of a `CallbackList` that is taken for granted.

    Keras' own callbacks that save at the end of an epoch alone do not, though they have such
    methods.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return True
    return any(
        getattr(callback, "save_freq", None) != "epoch"
        and not getattr(callback, "looks_at_calls", False)
        and not all(getattr(getattr(callback, h), "_is_default", False) for h in HOOKS)
        for callback in callbacks or []
    )
