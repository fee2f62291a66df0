"""The decoder by Keras on TensorFlow: `predict`, or with `--compiled` a `tf.function`; `--xla`."""

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contenders.sample_clock import LATENT_DIM, options, report


def main():
    """Samples one way."""
    chosen = options("--compiled", "--xla")
    keras.utils.set_random_seed(0)

    def sampler(case, folder):
        model, latent_dim = keras.saving.load_model(folder / "decoder.keras"), LATENT_DIM[case]
        if chosen.compiled or chosen.xla:
            return compiled(model, latent_dim, chosen.xla)
        return predicting(model, latent_dim)

    report(chosen, sampler)


def predicting(model, latent_dim):
    """`model.predict`, of all z in one batch."""
    rng = np.random.default_rng(0)

    def sample(count):
        z = rng.standard_normal((count, latent_dim), "float32")
        return model.predict(z, batch_size=count, verbose=0)

    return sample


def compiled(model, latent_dim, xla):
    """One compiled call that draws z and decodes it."""

    @tf.function(jit_compile=xla)
    def draw(count):
        return model(tf.random.normal((count, latent_dim)), training=False)

    return lambda count: draw(count).numpy()


if __name__ == "__main__":
    main()
