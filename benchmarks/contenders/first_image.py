"""From the start of the process to one image; what is not needed for it is not imported.

    python -m benchmarks.contenders.first_image python build/bench/digits

Needs the environment variable that the harness sets.
"""

import json
import os
import sys
import time


def main():
    """Draws one image a way and prints when it was there, in seconds since the process started."""
    way, folder = sys.argv[1:]
    WAYS[way](folder)
    ready = time.time() - float(os.environ["CONTENDER_STARTED"])
    print(json.dumps({"first_image_seconds": ready}))


def command(folder):
    """The command of the package's runtime, which writes a picture."""
    from export.runtime.cli import main

    arguments = [f"{folder}/onnx", "--count", "1", "--out", f"{folder}/first.png"]
    if status := main(arguments):
        raise RuntimeError(f"python -m export.runtime {' '.join(arguments)} returned {status}")


def python(folder):
    """The package's runtime in a program."""
    from export.runtime import OnnxVAE

    OnnxVAE(f"{folder}/onnx").sample(1)


def package(folder):
    """The .keras file by the package, on Keras' backend."""
    from keras_vae.models import load_model

    load_model(f"{folder}/model.keras").sample(1)


def decoder(folder):
    """The decoder alone by Keras, on TensorFlow: as little as a program without ONNX can do."""
    import keras
    import tensorflow as tf

    model = keras.saving.load_model(f"{folder}/decoder.keras")
    model(tf.random.normal((1, *model.input_shape[1:]))).numpy()


def torch(folder):
    """The decoder by PyTorch, from its state dict."""
    import torch

    from benchmarks.contenders.torch_decoder import decoder

    model = decoder(os.path.basename(folder))
    model.load_state_dict(torch.load(f"{folder}/decoder.pt"))
    with torch.inference_mode():
        model(torch.randn(1, model[0].in_features)).numpy()


def imports(folder):
    """No image: what the runtime has to import."""
    import numpy  # noqa: F401
    import onnxruntime  # noqa: F401


def nothing(folder):
    """No image: Python."""


WAYS = {way.__name__: way for way in (command, python, package, decoder, torch, imports, nothing)}

if __name__ == "__main__":
    main()
