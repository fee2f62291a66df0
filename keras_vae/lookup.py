"""A name, a config or an object, turned into the object: the only place that compares names."""

import inspect

import keras

from keras_vae.names import hint


def lookup(kind, identifier, table, base):
    """Returns the object that `identifier` stands for.

    Args:
        kind: what is looked up, for the error message: `"likelihood"`.
        identifier: a key of `table`, a Keras serialization config, or an instance of `base`.
        table: name → class, built without arguments.
        base: the class that every result is an instance of.

    Raises:
        ValueError: nothing goes by that name; the message gives the closest match and all names.
    """
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, base):
        return identifier
    return named(kind, identifier, table)()


def named(kind, name, table):
    """Returns `table[name]`, or raises a `ValueError` with the closest match."""
    if isinstance(name, str) and name in table:
        return table[name]
    raise ValueError(
        f"Unknown {kind}: {name!r}.{hint(name, table)} Known: {', '.join(sorted(table))}."
    )


def settings_of(kind):
    """The names of what the constructor of a class takes, one that it inherits too.

    `inspect.signature(kind)` would give what Keras' `__new__` takes, on some versions of Python.
    """
    return inspect.signature(kind.__init__).parameters.keys() - {"self"}
