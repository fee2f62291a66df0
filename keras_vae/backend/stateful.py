"""What TensorFlow and PyTorch share: their variables hold their own values."""

from contextlib import nullcontext


class Stateful:
    """Gives a model `test_step`; each of the two backends adds `train_step`."""

    def test_step(self, data):
        """Measures one batch, with the KL divergence at its full weight."""
        return self.end_test_step(data, self.batch_cost(data, self.noise_for(data)))


def synced(model):
    """A context after which the variables hold what was computed; here they always do."""
    return nullcontext()
