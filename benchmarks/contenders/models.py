"""Writes the models that are to be evaluated: mlp/ and conv/, each with model.keras and onnx/.

    KERAS_BACKEND=tensorflow python -m benchmarks.contenders.models build/bench

Untrained: what they compute does not depend on that. mlp.npz holds the weights for other packages.
"""

import json
import sys
from pathlib import Path

import numpy as np

import keras_vae
from benchmarks.contenders.common import LATENT_DIM
from benchmarks.contenders.keras_clock import weights


def main():
    """Writes both."""
    out = Path(sys.argv[1])
    for case, latent_dim in LATENT_DIM.items():
        vae = keras_vae.VAE.from_architecture(case, (28, 28, 1), latent_dim, "bernoulli", seed=0)
        (out / case).mkdir(parents=True, exist_ok=True)
        vae.save(out / case / "model.keras")
        vae.export(out / case / "onnx", format="onnx")
        if case == "mlp":
            np.savez(out / "mlp.npz", *(w for layer in weights(vae) for w in layer))
    print(json.dumps({"written": list(LATENT_DIM)}))


if __name__ == "__main__":
    main()
