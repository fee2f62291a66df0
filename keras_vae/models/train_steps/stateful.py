"""What the steps share on the backends whose variables hold their own values."""

import keras
from keras import ops


class Stateful:
    """`test_step`, and what a forward pass writes; each backend adds the rest."""

    def test_step(self, data):
        """The bound with the KL divergence at its full weight."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        label = self.batch_label(y)
        bound = self.bound(x, self._draw_epsilon(ops.shape(x)[0]), label=self.one_hot(label))
        results = self.track(bound, x, label, sample_weight)
        return {n: v for n, v in results.items() if n != self.skipped_steps.name}

    def _forward_state(self):
        """What a forward pass may change, such as the moving averages of BatchNormalization."""
        return self.encoder.non_trainable_weights + self.decoder.non_trainable_weights
