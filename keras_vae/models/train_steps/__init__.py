"""`train_step` and `test_step`, one file a backend; the backend is chosen here and nowhere else."""

import keras

if keras.config.backend() != "tensorflow":
    raise ImportError(
        f"keras_vae trains on Keras' tensorflow backend, and the backend is "
        f"{keras.config.backend()!r}: set KERAS_BACKEND=tensorflow"
    )

from keras_vae.models.train_steps.tensorflow import OutOfMemory, TrainStep

__all__ = ["OutOfMemory", "TrainStep"]
