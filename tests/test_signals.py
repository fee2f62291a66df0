"""Signals: an exception where the process can be ended, whatever a library makes of it."""

import os
import signal
from contextlib import suppress

import pytest

from keras_vae.commands.callbacks import EndBySignal
from keras_vae.signals import ENDING, Interrupted, put_off, raised


@pytest.fixture(autouse=True)
def usual():
    """No signal is ignored, as a shell has it for what runs in its background."""
    kept = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in kept.items():
        assert signal.signal(number, handler) is signal.SIG_DFL  # put back as it was


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_raises(number):
    with pytest.raises(Interrupted) as error, raised():
        send(number)
    assert error.value.number == number


def test_what_a_library_makes_of_it_is_the_signal_again():
    """As TensorFlow makes a TypeError of an exception that rises while it traces."""

    def trace():
        try:
            send(signal.SIGTERM)
        except Interrupted:
            raise TypeError("could not generate a trace") from None

    with pytest.raises(Interrupted) as error, raised():
        trace()
    assert error.value.number == signal.SIGTERM


def test_another_error_stays_what_it_is():
    with pytest.raises(TypeError, match="another"), raised():
        raise TypeError("another")


def test_a_signal_that_a_library_swallows_ends_the_training_at_the_next_call():
    with raised() as signals:
        callback = EndBySignal(signals)
        callback.on_train_batch_end(0)  # none came: nothing
        with suppress(Interrupted):
            send(signal.SIGTERM)
    with pytest.raises(Interrupted) as error:
        callback.on_train_batch_end(1)
    assert error.value.number == signal.SIGTERM


def test_a_signal_that_is_ignored_stays_so():
    """As `nohup` has SIGHUP ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with raised():
        send(signal.SIGHUP)
    assert signal.signal(signal.SIGHUP, signal.SIG_DFL) is signal.SIG_IGN


def test_nothing_interrupts_what_must_be_ended():
    with raised(), put_off():
        send(signal.SIGTERM)
