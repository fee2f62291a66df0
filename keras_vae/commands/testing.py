"""The data that a model is tested on, and what it is worth there in one line."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_vae import datasets, evaluation, tables
from keras_vae.distributions import Bernoulli
from keras_vae.models.arrays import check_values
from keras_vae.models.packed import is_packed
from keras_vae.names import DATASETS

SEED = 0  # of the binary test set: one for all, so that numbers can be compared


class TestSet(NamedTuple):
    """Examples that a model was not trained on."""

    x: Any
    """`(N, *input_shape)`."""
    label: Any
    """`(N,)` or `(N, C)` for a conditional model, else None."""
    data: str
    """The name or the path that they were loaded by."""
    binarization: str
    """How they were made binary, in words."""
    classes: Any = None
    """The names of the labels, if they have names."""

    def first(self, count):
        """The first `count` examples, all of them if it is None."""
        there = self.x.shape[0]
        if count is not None and not 1 <= count <= there:
            raise ValueError(f"--examples must be from 1 to {there}, all there are, got {count}")
        label = None if self.label is None else self.label[:count]
        return self._replace(x=self.x[:count], label=label)


def test_set(dataset, data, binary, conditional):
    """The test part of a data set: a `TestSet`.

    Args:
        dataset: a `datasets.Dataset`.
        data: the name or the path that it was loaded by.
        binary: whether to draw binary images, once, whatever the training saw.
        conditional: whether the model needs labels.

    Raises:
        ValueError: the labels are missing, or `x` is outside [0, 1] and was to be binary.
    """
    x, binarization = dataset.x_test, "none"
    if binary:
        x, binarization = datasets.binarize(x, SEED), f"once, seed {SEED}"
    label = labels(dataset, dataset.y_test) if conditional else None
    return TestSet(x, label, str(data), binarization, dataset.classes)


def load_test_set(vae, folder, data=None, data_dir=None, unseen="error"):
    """The test part of the data that the model of a folder was trained on, or of others.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
        folder: a `runs.Run` or a `runs.Bundle`.
        data: the name or the path of other data.
        data_dir: the folder of the files of a named data set.
        unseen: what becomes of a category of a table that the model does not know: see
            `tables.read`.

    Returns:
        A `TestSet`: binary if the training's was; if nothing says how that was, binary if the
        model is for binary data alone.

    Raises:
        ValueError: nothing names the data, they cannot be loaded, or lack the labels that a
            conditional model needs.
    """
    settings = folder.settings()
    if data is None and settings is None:
        raise ValueError(
            f"nothing in {folder.path} names the data: its metrics.json is missing, is not what "
            "train wrote, or its data have no name: give --data"
        )
    if data is None:
        data, data_dir = settings.data, data_dir or settings.data_dir
    told, covariates = folder.label(), evaluation.covariates_of(vae)
    columns = evaluation.columns_of(vae) or covariates or None
    names = [column.name for column in columns or () if column.label or covariates]
    label = [told["column"]] if told and told["column"] else names or None
    _check_holds(covariates, data)
    dataset = datasets.load(data, data_dir, columns, label, unseen)
    dataset = by_name(dataset, told["classes"]) if told else dataset
    binary = settings.binarize if settings else needs_binary(vae, dataset.x_test)
    return test_set(dataset, data, binary, bool(vae.covariates))


def _check_holds(covariates, data):
    """Refuses data in which covariates cannot stand; what is nowhere is refused as it is loaded."""
    path = Path(data).expanduser()
    tabular = path.suffix.lower() in (*tables.SUFFIXES, ".h5ad") and not path.is_dir()
    if covariates and (data in DATASETS or path.exists()) and not tabular:
        names = ", ".join(column.name for column in covariates)
        raise ValueError(
            f"the model is given {names}, which are read from a table or an .h5ad alone, and "
            f"{data} is neither: give such --data, or use vae.score(x, label=...) in Python"
        )


def labels(dataset, y):
    """`y`, or a ValueError if the data set holds none."""
    if y is None:
        fix = "name their column by --label"
        if dataset.columns is None:
            fix = (
                "give y_train in an .npz, or put the images of each label into a folder of its own"
            )
        raise ValueError(f"a conditional model needs labels, and {dataset.name} holds none: {fix}")
    return y


def by_name(dataset, classes):
    """The data set with the labels of its test part as places in `classes`, a list of names.

    Labels without names are such places already.

    Raises:
        ValueError: an example has a label that is not among them.
    """
    names = dataset.classes
    if dataset.covariates:  # of a table: a label, or a number
        names = [*map(str, dataset.covariates[0].categories)]
    if names is None:
        return dataset
    if not names:
        raise ValueError(
            f"{dataset.name} holds numbers, and the model knows {', '.join(classes[:8])}"
        )
    places = [classes.index(name) if name in classes else -1 for name in names]
    y = np.array(places, "int64")[dataset.y_test]
    if (y < 0).any():
        name = names[dataset.y_test[y < 0][0]]
        raise ValueError(
            f"{dataset.name} holds the label {name!r}, and the model knows {', '.join(classes[:8])}"
            f"{', …' if len(classes) > 8 else ''}: leave these examples out"
        )
    return dataclasses.replace(dataset, y_test=y, classes=tuple(classes))


def needs_binary(vae, x):
    """Whether the model is of binary data, and `x` is grey."""
    likelihood = evaluation.likelihood_of(vae)
    if not isinstance(likelihood, Bernoulli) or hasattr(x, "tocsr"):
        return False
    return not ops.all(likelihood.in_support(getattr(x, "numbers", x)))


def check(vae, test):
    """Raises `ValueError` for a `TestSet` that the model could not be measured on."""
    try:
        check_values(vae.likelihood, test.x)
        vae.labels.checked(test.label, test.x.shape[0])
    except ValueError as error:
        raise type(error)(f"the test part of {test.data}: {error}") from error


def test_metrics(vae, test, seed):
    """The test ELBO with its error bar, and its two terms: nats per example, one draw of z each."""
    in_parts = is_packed(test.x) and not hasattr(vae, "likelihood")
    score = partial(evaluation.score_in_parts, vae) if in_parts else vae.score
    score = score(test.x, num_samples=1, seed=seed, label=test.label)
    elbo = evaluation.estimate(score["elbo"])
    return {
        "elbo": elbo.mean,
        "standard_error": None if np.isnan(elbo.standard_error) else elbo.standard_error,
        "reconstruction_loss": float(score["reconstruction_loss"].mean()),
        "kl_loss": float(score["kl_loss"].mean()),
        "examples": test.x.shape[0],
        "seed": seed,
        "binarization": test.binarization,
    }


def describe(test, name=""):
    """One line about the test ELBO; `name` says of which model."""
    error = "" if test["standard_error"] is None else f" ± {test['standard_error']:.2f}"
    of = f"{name}, epoch {test['epoch']}: " if name else ""
    return (
        f"{of}test ELBO {test['elbo']:.2f}{error} nats per example (reconstruction_loss "
        f"{test['reconstruction_loss']:.2f}, kl_loss {test['kl_loss']:.2f}; "
        f"{test['examples']} examples, one draw of z each, seed {test['seed']})"
    )
