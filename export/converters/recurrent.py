"""Recurrent layers without a loop."""

import contextlib

import keras


@contextlib.contextmanager
def unrolled(layers):
    """Has the recurrent layers compute step after step while this lasts, and not in a loop.

    A loop of Keras cannot be converted, and of the operator LSTM, onnxruntime 1.32 ends the process
    where a batch is empty. The file grows with the number of steps.
    """
    looped = [la for la in layers if isinstance(la, keras.layers.RNN) and not la.unroll]
    for layer in looped:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in looped:
            layer.unroll = False
