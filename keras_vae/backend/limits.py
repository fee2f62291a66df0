"""What was measured to be fast on a backend, in numbers."""

from typing import NamedTuple


class Limits(NamedTuple):
    """The numbers by which the model chooses how to compute; each backend has one of these."""

    steps: int
    """How many steps of `fit` one call takes at most."""
    convolutions_in_loops: bool
    """Whether a CPU convolves inside a compiled loop as fast as outside of it."""
    divides_epochs: bool
    """Whether the steps of a call must divide those of an epoch, because Keras warns otherwise."""
    xla_after: int
    """In a first `fit` of so many steps, XLA saves more time than compiling takes."""
    compile_after: int
    """From so many calls of one function, a compiled one saves more time than compiling takes."""
    rows: int
    """How many z scoring decodes at once, at most."""
    values: int
    """How many numbers the decoder's largest layer then makes, at most."""
    draws_ahead: bool
    """Whether scoring draws its noise on a thread, while the backend computes."""
