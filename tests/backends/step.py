"""One gradient step and what follows from the weights, on the backend that Keras runs on.

    KERAS_BACKEND=jax python tests/backends/step.py FOLDER NAME

Loads FOLDER/NAME.keras, takes x, y and epsilon from FOLDER/NAME.npz, and writes the numbers to
FOLDER/NAME.BACKEND.npz, and the model so trained to FOLDER/NAME.BACKEND.keras.
"""

import sys
from pathlib import Path

import keras
import numpy as np

from keras_vae.models import load_model


def numbers(path):
    """The loss and the gradient of a batch, samples and scores: a dictionary of arrays."""
    vae, given = load_model(path), np.load(path.with_suffix(".npz"))
    x, label = given["x"], given["y"] if vae.num_classes else None
    one = {"label": 1} if vae.num_classes else {}
    z_mean, z_log_var = vae.encode(x)
    found = {"z_mean": z_mean, "z_log_var": z_log_var, "x_hat": vae.reconstruct(x, label=label)}
    found |= {"sample": vae.sample(5, seed=-3, first=2**31 - 2, **one)}
    found |= vae.score(x, num_samples=7, seed=5, label=label)
    before = vae.get_weights()
    epsilon = keras.ops.convert_to_tensor(given["epsilon"])
    vae.draw_epsilon = lambda batch_size: epsilon
    vae.compile(optimizer=keras.optimizers.SGD(1.0))
    history = vae.fit(x, label, batch_size=len(x), shuffle=False, verbose=0).history
    found |= {name: np.array(values) for name, values in history.items()}
    after = vae.get_weights()
    vae.save(path.with_suffix(f".{keras.config.backend()}.keras"))
    found |= {f"gradient_{i}": b - a for i, (a, b) in enumerate(zip(after, before, strict=True))}
    return found


if __name__ == "__main__":
    folder, name = Path(sys.argv[1]), sys.argv[2]
    found = numbers(folder / f"{name}.keras")
    np.savez(folder / f"{name}.{keras.config.backend()}.npz", **found)
