"""What `train` left in a folder, and the data that its model is to be tested on."""

import json
from typing import Any, NamedTuple

from keras import ops

from keras_vae import datasets
from keras_vae.distributions import Bernoulli
from keras_vae.evaluation.bundle import manifest_likelihood

TEST_SEED = 0  # of the binary test set: one for all, so that numbers can be compared


class TestSet(NamedTuple):
    """Examples that a model was not trained on."""

    x: Any
    """`(N, *input_shape)`."""
    label: Any
    """`(N,)` for a conditional model, else None."""
    data: str
    """The name or the path that they were loaded by."""
    binarization: str
    """How they were made binary, in words."""

    def first(self, count):
        """The first `count` examples, all of them if it is None."""
        if count is not None and not 1 <= count <= len(self.x):
            raise ValueError(
                f"--examples must be from 1 to {len(self.x)}, all there are, got {count}"
            )
        label = None if self.label is None else self.label[:count]
        return self._replace(x=self.x[:count], label=label)


def load_test_set(vae, run, data=None, data_dir=None):
    """The test part of the data that the model in the folder `run` was trained on, or of others.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
        run: a `pathlib.Path`: what `train` was given as `--out`, or a bundle.
        data: the name or the path of other data.
        data_dir: the folder of the files of a named data set.

    Returns:
        A `TestSet`: binary if the training's was; if nothing says how that was, binary if the
        model is for binary data alone.

    Raises:
        ValueError: nothing names the data, they cannot be loaded, or lack the labels that a
            conditional model needs.
    """
    settings = _settings(run, needed=data is None)
    if data is None:
        data, data_dir = settings["data"], data_dir or settings["data_dir"]
    dataset = datasets.load(data, data_dir)
    x, label, binarization = dataset.x_test, None, "none"
    if settings["binarize"] if settings else _needs_binary(vae, x):
        x, binarization = datasets.binarize(x, TEST_SEED), f"once, seed {TEST_SEED}"
    if vae.num_classes is not None:
        label = labels(dataset, dataset.y_test)
    return TestSet(x, label, str(data), binarization)


def labels(dataset, y):
    """`y`, or a ValueError if the data set holds none."""
    if y is None:
        raise ValueError(f"a conditional model needs labels, and {dataset.name} holds none")
    return y


def _needs_binary(vae, x):
    likelihood = vae.likelihood if hasattr(vae, "likelihood") else manifest_likelihood(vae.manifest)
    return isinstance(likelihood, Bernoulli) and not ops.all(likelihood.in_support(x))


def _settings(run, needed):
    """How the data were made, as `train` or the manifest of a bundle tells it; None if unknown."""
    for path in (run / "metrics.json", run / "manifest.json"):
        try:
            settings = json.loads(path.read_text())
            of_bundle = "metrics" in settings
            settings = settings["metrics"] if of_bundle else settings
            told = {"data": settings["data"], "binarize": bool(settings["binarize"])}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if not of_bundle or told["data"] in datasets.NAMES:  # a bundle keeps no path of a machine
            return {"data_dir": None, **settings, **told}
    if needed:
        raise ValueError(
            f"nothing in {run} names the data: its metrics.json is missing, is not what train "
            "wrote, or its data have no name: give --data"
        )
    return None
