"""This package with its defaults, on the backend that KERAS_BACKEND names."""

import keras

import keras_vae
from benchmarks.contenders.common import images, options
from benchmarks.contenders.keras_clock import fit


def main():
    """Trains as a user of the package does; without something, or in another precision, if asked.

    Its graphs and its Adam are PyTorch's, its condition is JAX'; without Adam altogether there is
    gradient descent.
    """
    without = ("--without-graphs", "--without-fused-adam", "--without-condition", "--without-adam")
    chosen = options("--bfloat16", *without)
    if chosen.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    if chosen.without_graphs or chosen.without_fused_adam:
        leave_out(chosen)
    if chosen.without_condition:
        choose_each_number()
    x = images(chosen).reshape(-1, 28, 28, 1)
    vae = keras_vae.VAE.from_architecture(
        chosen.case, (28, 28, 1), chosen.latent_dim, "bernoulli", seed=0
    )
    vae.compile(keras.optimizers.SGD(1e-4) if chosen.without_adam else "adam")
    fit(vae, x, chosen)


def leave_out(chosen):
    """Puts Keras' own way in the place of what makes PyTorch fast, to see what that is worth."""
    from keras_vae.backend import torch

    if chosen.without_graphs:
        torch.Graphs = lambda function, model, after=0: function
    if chosen.without_fused_adam:
        torch.FusedAdam.of = lambda model: None


def choose_each_number():
    """Has JAX compute the update of a step that is skipped too, and choose number by number."""
    import jax

    from keras_vae.backend.jax import Step

    def apply_if(model, finite, gradients, weights, optimizer):
        after = model.optimizer.stateless_apply(optimizer, gradients, weights)
        before = (list(weights), list(optimizer))
        return jax.tree.map(
            lambda a, b: jax.numpy.where(finite, a, b), tuple(map(list, after)), before
        )

    Step._apply_if = apply_if


if __name__ == "__main__":
    main()
