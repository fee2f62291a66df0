"""What TensorFlow and PyTorch share: their variables hold their own values."""

from contextlib import nullcontext

import keras


class Stateful:
    """Gives a model `test_step`; each of the two backends adds `train_step`."""

    def test_step(self, data):
        """Measures one batch, with the KL divergence at its full weight."""
        return self.end_test_step(data, self.batch_cost(data, self.noise_for(data)))


def check_distribution():
    """Refuses `keras.distribution`, which Keras has for JAX: here one device would do all."""
    if keras.distribution.distribution() is not None:
        raise ValueError(
            "keras.distribution must be unset, because on this backend it distributes nothing: "
            "take tf.distribute, or torch.nn.parallel.DistributedDataParallel, or KERAS_BACKEND=jax"
        )


def placed(array):
    """Returns a tensor, which is where the steps are computed."""
    return array


def shared(x, batch_size):
    """A context in which Keras' loops share batches out among devices, however many examples."""
    return nullcontext()


def synced(model):
    """A context after which the variables hold what was computed; here they always do."""
    return nullcontext()
