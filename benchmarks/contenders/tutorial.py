"""The VAE in the style of Keras' own tutorial, on TensorFlow, trained by the default `fit`.

After https://keras.io/examples/generative/vae: its `Sampling` layer, its
`train_step` with a `GradientTape`, its trackers, its cross-entropy of a sigmoid; the layers
are those of the other contenders.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from benchmarks.contenders.common import LEARNING_RATE, images, options
from benchmarks.contenders.keras_clock import fit


class Sampling(layers.Layer):
    """z = z_mean + exp(z_log_var / 2) epsilon."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(shape=ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


def mlp(latent_dim):
    """An encoder, 784-200-200-(50, 50, 50), and a decoder, 50-200-200-784."""
    x = keras.Input((28, 28, 1))
    h = layers.Flatten()(x)
    for units in (200, 200):
        h = layers.Dense(units, activation="relu")(h)
    z = keras.Input((latent_dim,))
    g = z
    for units in (200, 200):
        g = layers.Dense(units, activation="relu")(g)
    g = layers.Dense(784, activation="sigmoid")(g)
    return encoder(x, h, latent_dim), keras.Model(z, layers.Reshape((28, 28, 1))(g))


def conv(latent_dim):
    """Two convolutions and a dense layer, and their mirror image."""
    same = {"padding": "same", "activation": "relu"}
    x = keras.Input((28, 28, 1))
    h = layers.Conv2D(32, 3, strides=2, **same)(x)
    h = layers.Conv2D(64, 3, strides=2, **same)(h)
    h = layers.Dense(128, activation="relu")(layers.Flatten()(h))
    z = keras.Input((latent_dim,))
    g = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, activation="relu")(z))
    g = layers.Conv2DTranspose(64, 3, strides=2, **same)(g)
    g = layers.Conv2DTranspose(32, 3, strides=2, **same)(g)
    g = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(g)
    return encoder(x, h, latent_dim), keras.Model(z, g)


def encoder(x, h, latent_dim):
    """A model of x → z_mean, z_log_var, z."""
    z_mean, z_log_var = layers.Dense(latent_dim)(h), layers.Dense(latent_dim)(h)
    return keras.Model(x, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])])


class VAE(keras.Model):
    """The tutorial's model."""

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.reconstruction_loss_tracker, self.kl_loss_tracker]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            z_mean, z_log_var, z = self.encoder(data)
            reconstruction = self.decoder(z)
            cross_entropy = keras.losses.binary_crossentropy(data, reconstruction)
            reconstruction_loss = ops.mean(ops.sum(cross_entropy, axis=(1, 2)))
            kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
            kl_loss = ops.mean(ops.sum(kl_loss, axis=1))
            total_loss = reconstruction_loss + kl_loss
        grads = tape.gradient(total_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
        self.total_loss_tracker.update_state(total_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {
            "loss": self.total_loss_tracker.result(),
            "reconstruction_loss": self.reconstruction_loss_tracker.result(),
            "kl_loss": self.kl_loss_tracker.result(),
        }


def main():
    """Trains as the tutorial does."""
    chosen = options()
    keras.utils.set_random_seed(0)
    vae = VAE(*{"mlp": mlp, "conv": conv}[chosen.case](chosen.latent_dim))
    vae.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE))
    fit(vae, images(chosen).reshape(-1, 28, 28, 1), chosen)


if __name__ == "__main__":
    main()
