"""Writes untrained models, each a folder with model.keras, decoder.keras and, if asked for, onnx/.

    KERAS_BACKEND=tensorflow python -m benchmarks.contenders.bundles build/bench digits conv --onnx

What they compute does not depend on training. decoder.keras is what Keras needs to draw an image:
z → x_hat.
"""

import argparse
import json
from pathlib import Path

import keras

import keras_vae

CASES = {
    "digits": ("mlp", (8, 8, 1), 8),
    "mlp": ("mlp", (28, 28, 1), 50),
    "conv": ("conv", (28, 28, 1), 16),
}


def main():
    """Writes those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("cases", nargs="+", choices=list(CASES))
    parser.add_argument("--onnx", action="store_true", help="export them too")
    chosen = parser.parse_args()
    for case in chosen.cases:
        vae, folder = model(case), chosen.out / case
        folder.mkdir(parents=True, exist_ok=True)
        vae.save(folder / "model.keras")
        decoder(vae).save(folder / "decoder.keras")
        if chosen.onnx:
            vae.export(folder / "onnx", format="onnx")
    print(json.dumps({"written": chosen.cases}))


def model(case):
    """The VAE of that name."""
    architecture, *sizes = CASES[case]
    return keras_vae.VAE.from_architecture(architecture, *sizes, "bernoulli", seed=0)


def decoder(vae):
    """z → x_hat, a functional model."""
    return keras.Model(vae.decoder.inputs, keras.ops.sigmoid(vae.decoder.outputs[0]))


if __name__ == "__main__":
    main()
