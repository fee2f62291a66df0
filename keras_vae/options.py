"""The fields of a dataclass as flags of a command line, and as keys of a file. Loads no Keras."""

import argparse
import dataclasses
import json
import math
import tomllib
import types
import typing
from pathlib import Path

from keras_vae.names import hint, listed


def option(default, text, choices=None, metavar=None, shown=None):
    """A field that can be a flag.

    Args:
        default: its value if nothing is said.
        text: what it is, for the help.
        choices: the values that there are, if they are few.
        metavar: what stands for its value in the help.
        shown: the default in words, where it is not the value itself.
    """
    about = {"text": text, "choices": choices, "metavar": metavar, "shown": shown}
    return dataclasses.field(default=default, metadata=about)


def flag(name):
    """The name of a field as a flag: `--batch-size`."""
    return f"--{name.replace('_', '-')}"


def checked(field, value):
    """The value in the type of the field; a whole number is a float too, and a list a tuple."""
    kinds = types_of(field)
    if float in kinds and type(value) is int:
        return float(value)
    if tuple in kinds and isinstance(value, list):
        value = tuple(value)
    fits = type(value) in kinds
    if fits and isinstance(value, tuple):
        fits = all(type(part) is int for part in value)
    if fits and isinstance(value, float):
        fits = math.isfinite(value)
    if not fits:
        words = listed_types(kinds)
        raise ValueError(f"{field.name} must be {words}, got {value!r}")
    choices = field.metadata["choices"]
    if choices and value is not None and value not in choices:
        raise ValueError(f"{field.name} must be {listed(choices)}, got {value!r}")
    return value


def types_of(field):
    """The types that the annotation of a field names: of `int | None` int and NoneType."""
    kinds = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else [field.type]
    return [typing.get_origin(kind) or kind for kind in kinds]


WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list of whole numbers",
}


def listed_types(kinds):
    """The types in words; that a setting may be left out goes without saying."""
    return " or ".join(WORDS[kind] for kind in kinds if kind in WORDS)


def read(path, kind):
    """The settings in a file: a run.json, or a `.toml` of settings, or with a table of that name.

    Args:
        path: the file.
        kind: the dataclass that has them for fields.

    Raises:
        ValueError: the file cannot be read, has a setting that there is none of, or a value of
            the wrong type.

    Example:

    >>> import tempfile
    >>> from keras_vae.settings import Settings
    >>> file = Path(tempfile.mkdtemp()) / "run.toml"
    >>> _ = file.write_text('data = "mnist"\\nhidden = [300, 300]')
    >>> read(file, Settings)
    {'data': 'mnist', 'hidden': (300, 300)}
    """
    path = Path(path)
    if path.suffix not in (".toml", ".json"):
        raise ValueError(f"--config must be a .toml or the run.json of a run, got {path}")
    try:
        text = path.read_text(encoding="utf-8")
        told = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        told = told["settings"] if path.suffix == ".json" or "settings" in told else told
        if not isinstance(told, dict):
            raise TypeError("its settings are no table")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path} holds no settings of a training ({what})") from error
    try:
        return from_dictionary(told, kind)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def from_dictionary(told, kind):
    """The fields of `kind` that a dictionary has, each checked and in its type."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in told:
        if name not in fields:
            raise ValueError(
                f"there is no setting {name!r}.{hint(name, fields)} Known: {', '.join(fields)}."
            )
    return {name: checked(fields[name], value) for name, value in told.items()}


def add_flags(parser, kind):
    """Gives an `argparse` parser a flag for each field; one that is not given leaves no trace."""
    for field in dataclasses.fields(kind):
        about, kinds = field.metadata, types_of(field)
        settings = {"help": helped(field), "default": argparse.SUPPRESS, "dest": field.name}
        if bool in kinds:
            settings["action"] = argparse.BooleanOptionalAction
        else:
            number = int if tuple in kinds else kinds[0]
            settings |= {"type": number, "choices": about["choices"], "metavar": about["metavar"]}
            if tuple in kinds:
                settings["nargs"] = "*"
        parser.add_argument(flag(field.name), **settings)


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """The help of a command, with the defaults but of what takes no value, or is None."""

    def _get_help_string(self, action):
        silent = action.nargs == 0 or action.default is None
        return action.help if silent else super()._get_help_string(action)


def helped(field):
    """The help of a field, with its default in words."""
    shown = field.metadata["shown"]
    if shown is None and field.default is not None and field.default is not False:
        shown = field.default
    text = field.metadata["text"].replace("%", "%%")
    return text if shown is None else f"{text} (default: {shown})"
