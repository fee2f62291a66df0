"""The clock as a Keras callback."""

import keras

from benchmarks.contenders.common import Clock, pairs


class Epochs(keras.callbacks.Callback):
    """Ends the clock's epochs, and the training when the clock says so."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = self.clock.epoch(logs["loss"])


def fit(model, x, options):
    """Trains by `model.fit` and prints the result."""
    clock = Clock(options, lambda: weights(model))
    callbacks = [Epochs(clock)]
    model.fit(x, batch_size=options.batch, epochs=options.epochs, callbacks=callbacks, verbose=0)
    clock.report()


def weights(model):
    """The weights of the encoder and the decoder, as `common.elbo` takes them."""
    variables = model.encoder.trainable_variables + model.decoder.trainable_variables
    return pairs(map(keras.ops.convert_to_numpy, variables))
