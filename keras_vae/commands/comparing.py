"""python -m keras_vae compare: by how much models differ on the same test examples."""

import contextlib
import json
from typing import Any, NamedTuple

from keras_vae import evaluation
from keras_vae.commands import runs
from keras_vae.commands.testing import load_test_set
from keras_vae.evaluation.bits import likelihood_of
from keras_vae.evaluation.comparison import check_comparable, columns
from keras_vae.files import atomic_write, checked
from keras_vae.folders import output_folder

EXAMPLES = 1000
"""How many test examples are taken, if there are so many and no other number is asked for."""

PARTS = ("likelihood", "prior")


class Member(NamedTuple):
    """One of the models that are compared."""

    name: str
    """Its path, as it was given."""
    folder: Any
    """The `runs.Run` or `runs.Bundle`."""
    model: Any
    """The `keras_vae.VAE` or `export.runtime.OnnxVAE`."""

    @property
    def binary(self):
        """Whether its test set is drawn binary; None if nothing says so."""
        settings = self.folder.settings()
        return None if settings is None else settings.binarize is not None


def compare(*, run, data, data_dir, num_samples, examples, seed, unseen, out):
    """Scores models on the same test examples with the same draws, and prints how they differ."""
    folders = [runs.find(path) for path in run]
    check_request(folders, out)
    members = [Member(str(path), f, f.open()) for path, f in zip(run, folders, strict=True)]
    models = [(member.name, member.model) for member in members]
    check_comparable(models)
    test = common_test_set(members, data, data_dir, unseen)
    test = test.first(min(EXAMPLES, test.x.shape[0]) if examples is None else examples)
    protocol = {"data": test.data, "binarization": test.binarization, "split": "test"}
    settings = [{**member.folder.told(), **parts(member.model)} for member in members]
    with reserved(out):
        found = evaluation.compare(models, test.x, num_samples, seed, test.label, **protocol)
        print(found, "", *lines_of(settings, run), sep="\n")
        if out is not None:
            write(found.to_json(), settings, out)


def check_request(folders, out):
    """Refuses, before a model is loaded, what makes no sense."""
    if len(folders) < 2:
        raise ValueError(f"compare needs two runs or bundles at least, got {len(folders)}")
    if out is not None:
        if out.suffix != ".json":
            raise ValueError(f"--out must end in .json, got {out}")
        for folder in folders:
            folder.check_report(out)


def common_test_set(members, data=None, data_dir=None, unseen="error"):
    """The test part of the data that all were trained on, or of others: a `TestSet`.

    Of other data binary examples are drawn if the training of one saw such.

    Args:
        members: a `Member` each.
        data: the name or the path of other data.
        data_dir: the folder of the files of a named data set.
        unseen: as of `load_test_set`.

    Raises:
        ValueError: nothing names the data of one, or they differ; as `load_test_set`.
    """
    known = all(member.binary is not None for member in members)
    if data is None and known:
        check_same("data", {m.name: m.folder.settings().data for m in members})
        check_same("binarization", {m.name: "drawn" if m.binary else "none" for m in members})
    order = (None, True, False) if data is None else (True, None, False)
    first = min(members, key=lambda member: order.index(member.binary))
    return load_test_set(first.model, first.folder, data, data_dir, unseen)


def check_same(what, told):
    """Refuses models whose test sets are not the same."""
    (first, value), *others = told.items()
    for name, other in others:
        if other != value:
            raise ValueError(
                f"the models were trained with different {what}: {first} {value}, {name} {other}. "
                "Give --data to score all of them on the same examples"
            )


def parts(model):
    """What every model tells of itself, a bundle too; settings may leave a part to its default."""
    if hasattr(model, "manifest"):
        found = {part: model.manifest.get(part, {}).get("class_name") for part in PARTS}
    else:
        found = {part: getattr(model, part) for part in PARTS}
        found["likelihood"] = likelihood_of(model)  # in any unit
        found = {part: type(layer).__name__ for part, layer in found.items()}
    return {name: kind for name, kind in found.items() if kind} | {"latent_dim": model.latent_dim}


def differing(settings):
    """The names of the settings of which two that are told differ.

    Example:

    >>> differing([{"beta": 1.0, "seed": 0}, {"beta": 4.0, "seed": 0, "levels": 17}, {}])
    ['beta']
    """
    names = dict.fromkeys(name for one in settings for name in one)
    values = {name: [one[name] for one in settings if name in one] for name in names}
    return [name for name, told in values.items() if any(value != told[0] for value in told)]


def lines_of(settings, paths):
    """What differs in the settings of models, as lines; `?` is what a model does not tell."""
    names = differing(settings)
    if not names:
        return ["settings that differ: none that is told"]
    heads = [["settings that differ", *map(str, paths)]]
    return columns([*heads, *([n, *(str(one.get(n, "?")) for one in settings)] for n in names)])


@contextlib.contextmanager
def reserved(out):
    """Makes the folder of `out`, if there is one, and refuses before the work what cannot be."""
    if out is None:
        yield
        return
    with output_folder(out.parent):
        checked(out)
        yield


def write(comparison, settings, out):
    """Writes a comparison as JSON, each model with its settings that differ."""
    names = differing(settings)
    for model, one in zip(comparison["models"], settings, strict=True):
        model["settings"] = {name: one[name] for name in names if name in one}
    text = json.dumps(comparison, indent=2, allow_nan=False) + "\n"
    with atomic_write(out) as path:
        path.write_text(text)
    print(f"wrote {out}")
