"""This package with its defaults, on the backend that KERAS_BACKEND names."""

import keras_vae
from benchmarks.contenders.common import images, options
from benchmarks.contenders.keras_clock import fit


def main():
    """Trains as a user of the package does."""
    chosen = options()
    x = images(chosen).reshape(-1, 28, 28, 1)
    vae = keras_vae.VAE.from_architecture(
        chosen.case, (28, 28, 1), chosen.latent_dim, "bernoulli", seed=0
    )
    vae.compile("adam")
    fit(vae, x, chosen)


if __name__ == "__main__":
    main()
