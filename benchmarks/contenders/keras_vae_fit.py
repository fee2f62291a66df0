"""This package with its defaults, on the backend that KERAS_BACKEND names."""

import keras

import keras_vae
from benchmarks.contenders.common import images, options
from benchmarks.contenders.keras_clock import fit


def main():
    """Trains as a user of the package does; without something, or in another precision, if asked.

    Its graphs and its Adam are PyTorch's; without Adam altogether there is gradient descent.
    """
    chosen = options("--without-graphs", "--without-fused-adam", "--bfloat16", "--no-adam")
    if chosen.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    if chosen.without_graphs or chosen.without_fused_adam:
        leave_out(chosen)
    x = images(chosen).reshape(-1, 28, 28, 1)
    vae = keras_vae.VAE.from_architecture(
        chosen.case, (28, 28, 1), chosen.latent_dim, "bernoulli", seed=0
    )
    vae.compile(keras.optimizers.SGD(1e-4) if chosen.no_adam else "adam")
    fit(vae, x, chosen)


def leave_out(chosen):
    """Puts Keras' own way in the place of what makes PyTorch fast, to see what that is worth."""
    from keras_vae.backend import torch

    if chosen.without_graphs:
        torch.Graphs = lambda function, model, after=0: function
    if chosen.without_fused_adam:
        torch.FusedAdam.of = lambda model: None


if __name__ == "__main__":
    main()
