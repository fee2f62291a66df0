"""What a folder holds: a `Run` of `train`, or the `Bundle` that was exported from one.

This module alone knows the names of their files (`folders` has that of a model, for the hub too)
and what stands in metrics.json. It loads neither Keras nor onnxruntime before a model is opened.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from keras_vae.files import atomic_write
from keras_vae.folders import MODEL, finish
from keras_vae.names import DATASETS

WAYS = (None, "dynamic", "static")  # of binarizing
DERIVED = ("evaluation.json", "evaluation.png", "anomaly.json", "traversal.png", "manifold.png")
"""What `evaluate`, `calibrate` and `plot` tell of a model, in its run; of another it is wrong."""
STALE = (*DERIVED, "reconstructions.png", "samples.png")
"""All that would be wrong; `train` writes the last two where the examples have a picture."""
OTHERS = ("history.csv", "training_curves.png", "kl_per_dimension.png", "columns.json")
"""What `train` writes beside the model, and what it tells of itself."""


class Source(NamedTuple):
    """How the data of the training were made."""

    data: str
    """The name or the path that they were loaded by."""
    data_dir: Any
    """The folder of the files of a named data set, or None."""
    binarize: Any
    """`"dynamic"` or `"static"` if the training saw binary images, else None."""
    label: Any = None
    """Of labels that have names: their `column`, if in one, and the names, `classes`; else None.
    """


def find(path):
    """The `Run` or the `Bundle` at `path`; a folder with a model of Keras is a run."""
    bundle = Bundle(path)
    return bundle if bundle.manifest.is_file() and not Run(path).model.exists() else Run(path)


class Run:
    """A folder that `train` wrote: model.keras, metrics.json, history.csv and pictures.

    A `train` that was killed while its files took the place of others is finished first.

    Args:
        path: the folder, or its model, a `.keras` file by whatever name.

    Raises:
        ValueError: that could not be finished.
    """

    def __init__(self, path):
        path = Path(path)
        alone = path.is_file() or (path.suffix == ".keras" and not path.is_dir())
        self.path, self.model = (path.parent, path) if alone else (path, path / MODEL)
        finish(self.path, STALE)
        self.metrics = self.path / "metrics.json"
        self.record = self.path / "run.json"
        self.report = self.path / "evaluation.json"
        self.anomaly = self.path / "anomaly.json"
        self.tensorboard = self.path / "tensorboard"
        self._opened = None  # SHA-256 of the model, once it is opened

    @property
    def checkpoints(self):
        """The `Checkpoints` of its training."""
        from keras_vae.commands.checkpoints import Checkpoints

        return Checkpoints(self.path / "checkpoints")

    def holds(self):
        """The name of a file that shows that a training was run here; None if there is none."""
        files = (self.model, self.metrics, self.record, *self.checkpoints.paths())
        return next((file.name for file in files if file.is_file()), None)

    def in_the_way(self):
        """The name of another file that a training would replace, or None if there is none."""
        names = (*STALE, *OTHERS, self.tensorboard.name)
        return next((name for name in names if (self.path / name).exists()), None)

    def forget(self):
        """Removes what a training before left beside its model: its checkpoints and its logs."""
        shutil.rmtree(self.tensorboard, ignore_errors=True)
        self.checkpoints.tidy(0)

    def open(self):
        """The `keras_vae.VAE`.

        Raises:
            ValueError: the file is missing, damaged, holds something else, or a model whose weights
                are not all finite.
        """
        from keras_vae.models.files import check_finite, load_model

        if not self.model.exists() and self.checkpoints.paths():
            raise ValueError(
                f"the training in {self.path} is not done: end it by python -m keras_vae train "
                f"--resume {self.path}"
            )
        self._opened = self._digest() if self.model.is_file() else None  # of what comes
        vae = load_model(self.model)
        check_finite(vae, self.model)
        self._check_opened()
        return vae

    def _check_opened(self):
        """Raises `ValueError` if the model is no longer the one that was opened."""
        if self._opened != self._digest():
            raise ValueError(f"{self.model} was replaced in the meantime: run this again")

    def check_report(self, out):
        """A report may be written anywhere."""

    def settings(self):
        """The `Source` of the training; None if metrics.json is missing or damaged."""
        return _settings(self._read)

    def label(self):
        """As `Source.label`."""
        return getattr(self.settings(), "label", None)

    def told(self):
        """What decided the training, by name: what run.json tells, or the few of metrics.json."""
        try:
            return _placeless(json.loads(self.record.read_bytes())["settings"].items())
        except (AttributeError, OSError, ValueError, KeyError, TypeError, RecursionError):
            return _by_name(self.settings())

    def write_record(self, record):
        """Writes run.json, from which `train --config` repeats the training."""
        self.record.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")

    def write_metrics(self, source, test, epochs=None):
        """Writes metrics.json, once model.keras is there.

        Args:
            source: `Source`.
            test: what the model is worth on the test set, as a dictionary for JSON.
            epochs: the same of the last epoch and of the best, by these names.
        """
        told = {**source._asdict(), "test": test, "epochs": epochs or {}}
        told["model_sha256"] = self._digest()
        self.metrics.write_text(json.dumps(told, indent=2, allow_nan=False) + "\n")

    def published(self):
        """What a manifest says of the training, without the places on its machine.

        Returns:
            A dictionary: `data`, a name, `binarize`, `label` if there is one, and `test`; None if
            there is no metrics.json.

        Raises:
            ValueError: metrics.json is of another model, or is not what `train` wrote.
        """

        def published(told):
            data, binarize, test = Path(told["data"]).name, told["binarize"], {**told["test"]}
            label = {"label": told["label"]} if told.get("label") else {}
            return {"data": data, "binarize": binarize, **label, "test": test}

        return self._told(self.metrics, "train", published)

    def write_detector(self, detector):
        """Writes anomaly.json, beside the model that was opened."""
        self._check_opened()
        told = {**detector.to_json(), "model_sha256": self._opened}
        with atomic_write(self.anomaly) as path:
            path.write_text(json.dumps(told, indent=2, allow_nan=False) + "\n")

    def detector(self, vae):
        """The `anomaly.Detector` that `calibrate` made; None if there is no anomaly.json.

        Args:
            vae: the model, as `open` gives it.

        Raises:
            ValueError: anomaly.json is of another model, or is not what `calibrate` wrote.
        """
        from keras_vae.anomaly import Detector

        def made(told):
            told = {name: value for name, value in told.items() if name != "model_sha256"}
            return Detector.from_json(vae, told)

        return self._told(self.anomaly, "calibrate", made)

    def _told(self, path, command, of):
        """`of` what a command wrote of this very model; None if the file is not there."""
        if not path.is_file():
            return None
        try:
            told = json.loads(path.read_bytes())
            found, digest = of(told), told["model_sha256"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            name = type(error).__name__
            raise ValueError(f"{path}, which is not what {command} wrote ({name})") from error
        if digest != (self._opened or self._digest()):
            raise ValueError(f"{path}: it is of another model than {self.model}")
        return found

    def _read(self):
        return json.loads(self.metrics.read_bytes())

    def _digest(self):
        return hashlib.sha256(self.model.read_bytes()).hexdigest()


class Bundle:
    """A folder that `python -m export` wrote; it holds nothing but its own files.

    Args:
        path: the folder.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.manifest = self.path / "manifest.json"
        self.report = self.path.resolve().with_name(f"{self.path.resolve().name}.evaluation.json")

    def open(self):
        """The `export.runtime.OnnxVAE`.

        Raises:
            ValueError: the manifest is damaged.
        """
        from export.runtime import OnnxVAE

        return OnnxVAE(self.path)

    def check_report(self, out):
        """Raises a ValueError if `out` is inside the bundle."""
        if self.path.resolve() in out.resolve().parents:
            raise ValueError(
                f"--out {out} is inside the bundle, which holds nothing but its own files: choose "
                "another folder"
            )

    def settings(self):
        """The `Source` of the training, if its data have a name: a bundle keeps no path."""
        settings = self._source()
        named = settings and settings.data in DATASETS
        return settings._replace(data_dir=None) if named else None

    def label(self):
        """As `Source.label`."""
        return getattr(self._source(), "label", None)

    def _source(self):
        return _settings(lambda: json.loads(self.manifest.read_bytes())["metrics"])

    def told(self):
        """What is known of how the training was done, by name."""
        return _by_name(self.settings())


def _by_name(source):
    told = {} if source is None else source._asdict()
    return _placeless((name, value) for name, value in told.items() if name != "label")


def _placeless(settings):
    """The settings without the place of the data on a machine."""
    return {name: value for name, value in settings if name != "data_dir"}


def _settings(read):
    try:
        told = read()
        settings = Source(told["data"], told.get("data_dir"), told["binarize"])
        settings = settings._replace(label=_label(told.get("label")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # JSON may be too deep
        return None
    named = isinstance(settings.data, str) and isinstance(settings.data_dir, str | None)
    return settings if named and settings.binarize in WAYS else None


def _label(told):
    """A `Source.label` as it was read, or None if it is none."""
    if not isinstance(told, dict) or not isinstance(told.get("column"), str | None):
        return None
    classes = told.get("classes")
    fits = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    return {"column": told["column"], "classes": classes} if fits else None
