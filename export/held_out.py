"""Held-out data to judge a model by: the test set of its training, or another."""

from pathlib import Path

import keras

from keras_vae import commands, datasets


def load(vae, run, data=None, data_dir=None):
    """Load examples that the model was not trained on, and what they are called.

    Args:
        vae: the `keras_vae.VAE`.
        run: the folder that training left the model in; its metrics.json names the data.
        data: the name or the path of other data.
        data_dir: the folder of the files of a named data set.

    Returns:
        The test part, (B, *input_shape), binary if the training's was, or if `vae` is for binary
        data alone; and its name.

    Raises:
        ValueError: nothing names the data, or they cannot be loaded.
    """
    binarize = False
    if data is None:
        settings = _settings(run)
        data, binarize = settings["data"], bool(settings["binarize"])
        data_dir = data_dir or settings["data_dir"]
    x = datasets.load(data, data_dir).x_test
    if binarize or not keras.ops.all(vae.likelihood.in_support(x)):
        x = datasets.binarize(x, commands.TEST_SEED)
    return x, Path(data).name


def _settings(run):
    if not (run / "metrics.json").is_file():
        raise ValueError(
            f"--precision needs held-out data, and there is no {run / 'metrics.json'} to name "
            "them: give --data"
        )
    return commands.load_settings(run)
