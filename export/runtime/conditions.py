"""What y of a conditional model holds: its covariates, as numbers and by name. NumPy alone.

A covariate is a dictionary with a `name` and a `kind`, as columns.schema.json describes a column.
One category alone is a label: y is a whole number, its place in the categories. Otherwise y holds a
float32 for each covariate: the place of a category, or the number itself. The same text stands in
`keras_vae/` and in `export/runtime/`, since the runtime works alone.
"""

import datetime
import math
import re
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Covariate = dict[str, Any]
DAY = 86400
SHOWN = 8
"""Categories that a message lists, at most."""


def label_of(num_classes: int) -> list[Covariate]:
    """The covariates of a model of which no more is known than how many labels there are."""
    return [{"name": "label", "kind": "category", "categories": range(num_classes)}]


def have_names(covariates: Sequence[Covariate]) -> bool:
    """Whether there are covariates, and not just those of `label_of`."""
    if not is_label(covariates):
        return bool(covariates)
    (only,), count = covariates, len(covariates[0]["categories"])
    return only["name"] != "label" or [*only["categories"]] != [*range(count)]


def is_label(covariates: Sequence[Covariate]) -> bool:
    """Whether they are one category, so that y is a whole number.

    Example:

    >>> is_label(label_of(10)), is_label([{"name": "age", "kind": "number"}])
    (True, False)
    """
    return len(covariates) == 1 and covariates[0]["kind"] == "category"


def form(covariates: Sequence[Covariate]) -> tuple[Any, tuple[int, ...]]:
    """The dtype and the shape of one y: `(int64, ())` of a label, else `(float32, (C,))`."""
    return (np.int64, ()) if is_label(covariates) else (np.float32, (len(covariates),))


def checked(
    covariates: Sequence[Covariate], y: Any, count: int | None = None, name: str = "label"
) -> NDArray[Any]:
    """y in the `form` of one, or of `count` of them, `(count, ...)`.

    Args:
        covariates: one at least.
        y: numbers; or values by name: a dictionary, or a data frame that has such columns. If
            `count` is given, it is one y for all examples, or one for each.
        count: how many examples there are; None: one y alone is meant.
        name: what the caller calls y.

    Raises:
        ValueError: y is missing, has another shape, or holds what is no value of a covariate.

    Example:

    >>> sex = {"name": "sex", "kind": "category", "categories": ["f", "m"]}
    >>> checked([sex, {"name": "age", "kind": "number"}], {"sex": "m", "age": 31})
    array([ 1., 31.], dtype=float32)
    >>> checked(label_of(10), 10)
    Traceback (most recent call last):
    ValueError: label must be whole numbers from 0 to 9, got 10
    """
    if y is None:
        raise ValueError(f"this model needs a label: give {name}, {_advice(covariates)}")
    dtype, one = form(covariates)
    values = by_name(covariates, y) if is_named(y) else _numbers(covariates, y, name)
    values = _in_rows(covariates, values, count, name)
    for place, covariate in enumerate(covariates):
        _check(covariates, covariate, values[..., place], name)
    y = values.astype(dtype)
    return np.broadcast_to(y if one else y[..., 0], one if count is None else (count, *one))


def is_named(y: Any) -> bool:
    """Whether y is a dictionary, or a data frame of pandas or polars."""
    return isinstance(y, dict) or (hasattr(y, "to_numpy") and hasattr(y, "columns"))


def by_name(covariates: Sequence[Covariate], given: Any) -> NDArray[np.float64]:
    """The numbers of values by name: float64 `(C,)`, or `(N, C)` if some are lists.

    Args:
        covariates: one at least.
        given: a dictionary, or a data frame; whose other columns are left alone.

    Raises:
        ValueError: a name is not there or unknown, or a value is none of its covariate.
    """
    names, there = [c["name"] for c in covariates], list(getattr(given, "columns", given))
    unknown = [] if hasattr(given, "columns") else [n for n in there if n not in names]
    for name in [*(n for n in names if n not in there), *unknown]:
        what = f"no {name!r}" if name in names else repr(name)
        raise ValueError(f"the label must have {_listed(map(repr, names))} by name, got {what}")
    columns = [_column(covariate, given[covariate["name"]]) for covariate in covariates]
    lengths = {len(column) for column in columns if column.ndim}
    if len(lengths) > 1:
        raise ValueError(f"the label must have as many values of each name, got {sorted(lengths)}")
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def asked(
    covariates: Sequence[Covariate], label: int | None, wheres: Sequence[str] | None
) -> NDArray[Any] | int | None:
    """The y of a command line: `--label`, or what `--where` names; None where neither was given.

    Raises:
        ValueError: both were given, or as `parsed`.
    """
    if wheres is None:
        return label
    if label is not None:
        raise ValueError("--label and --where say the same thing twice: give one of them")
    return parsed(covariates, wheres)


def parsed(covariates: Sequence[Covariate], wheres: Sequence[str]) -> NDArray[Any]:
    """The y that `["sex=female", "age=31"]` names; in the `form` of one.

    Raises:
        ValueError: the model is not conditional, a name is not there, stands twice or is unknown,
            or a value is none of its covariate.

    Example:

    >>> sex = {"name": "sex", "kind": "category", "categories": ["f", "m"]}
    >>> int(parsed([sex], ["sex=m"]))
    1
    """
    if not covariates:
        raise ValueError(
            f"{wheres[0]!r} needs a model that was trained with a column as its label, and this "
            "one is of no label"
        )
    named = {}
    for where in wheres:
        found = [c["name"] for c in covariates if _names(where, c["name"])]
        if not found or found[-1] in named:
            flags = " or ".join(f"{c['name']}=" for c in covariates)
            raise ValueError(f"what to draw must be {flags}, each once, got {where!r}")
        named[found[-1]] = where[where.index("=", where.index(found[-1]) + len(found[-1])) + 1 :]
    return checked(covariates, named)


def _names(where, name):
    return re.match(rf"\s*{re.escape(name)}\s*=", where)


def combinations(covariates: Sequence[Covariate]) -> int:
    """How many y there are of categories and of numbers at either of two levels; see `in_turn`."""
    return math.prod(_levels(covariate) for covariate in covariates)


def in_turn(covariates: Sequence[Covariate], turn: ArrayLike) -> NDArray[Any]:
    """The y that a model may be shown by: all combinations, the last covariate changing fastest.

    A number is a standard deviation below or above its mean in the training data.

    Args:
        covariates: one at least.
        turn: whole numbers, `(n,)`; after the last combination comes the first.

    Returns:
        `(n, ...)`, in the `form` of y.
    """
    (dtype, one), turn, columns = form(covariates), np.asarray(turn), []
    for covariate in reversed(covariates):
        level = turn % _levels(covariate)
        turn = turn // _levels(covariate)
        columns.insert(0, level if covariate["kind"] == "category" else _level(covariate, level))
    return np.stack(columns, axis=-1).astype(dtype) if one else columns[0].astype(dtype)


def _levels(covariate):
    return len(covariate["categories"]) if covariate["kind"] == "category" else 2


def _level(covariate, level):
    return covariate["mean"] + covariate["scale"] * (2 * level - 1)


def described(covariates: Sequence[Covariate]) -> str:
    """The covariates in words: "sex (f, m), age (a number)"."""
    return _listed(f"{c['name']} ({_kind(c)})" for c in covariates)


def _kind(covariate):
    if covariate["kind"] != "category":
        return f"a {covariate['kind']}"
    return _listed(map(_text, covariate["categories"][:SHOWN]), len(covariate["categories"]))


def _listed(texts, count=0):
    texts = list(texts)
    return ", ".join(texts) + (", ..." if count > len(texts) else "")


def example(covariates: Sequence[Covariate]) -> dict[str, Any]:
    """One y by name, for a message: the first of categories, the mean of numbers."""
    return {c["name"]: _example(c) for c in covariates}


def _example(covariate):
    if covariate["kind"] == "category":
        return covariate["categories"][0]
    if covariate["kind"] == "date":
        origin = datetime.datetime.fromisoformat(covariate["origin"])
        return origin.strftime(covariate["format"])
    return float(f"{covariate.get('mean', 0.0):.3g}")


def _advice(covariates):
    if is_label(covariates):
        return f"from 0 to {len(covariates[0]['categories']) - 1}"
    values = example(covariates)
    flags = (shlex.quote(f"{name}={_text(value)}") for name, value in values.items())
    return f"such as {values}, or as flags --where {' --where '.join(flags)}"


def _numbers(covariates, y, name):
    """y as an array of numbers."""
    y = np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise ValueError(f"{_must(covariates, name)}, got dtype {y.dtype}")
    one = form(covariates)[1]
    if one == y.shape == (1,):
        return y
    return y[..., None] if one in ((), (1,)) and y.shape[1:] != (1,) else y


def _in_rows(covariates, values, count, name):
    """`values`, (C,) or (count, C); or a `ValueError` if they have another shape."""
    size = (len(covariates),)
    if values.shape == size or (count is not None and values.shape == (count, *size)):
        return values
    shape = values.shape[:-1] if size == (1,) and values.shape[-1:] == (1,) else values.shape
    if is_label(covariates):
        want = "one whole number" if count is None else f"one whole number, or {count} of them"
        hint = "" if count is None else " (of one-hot rows take argmax(axis=1))"
        raise ValueError(f"{name} must be {want}, got shape {shape}{hint}")
    rows = "" if count is None else f", or {count} rows of that"
    raise ValueError(
        f"{name} must be {size[0]} numbers{rows}, for {described(covariates)}, got shape {shape}"
    )


def _check(covariates, covariate, values, name):
    """Raises `ValueError` if there is a number that is none of the covariate."""
    known = np.abs(values) <= np.finfo(np.float32).max  # nor is NaN
    if covariate["kind"] == "category":
        known &= (values == np.floor(values)) & (values >= 0)
        known &= values < len(covariate["categories"])
    if known.all():
        return
    wrong = values[~known].flat[0]
    if is_label(covariates):
        raise ValueError(f"{_must(covariates, name)}, got {wrong:g}")
    row = f" in row {np.argmin(known)}" if known.ndim else ""
    last = len(covariate.get("categories", ())) - 1
    may = f"a place from 0 to {last}, of {_kind(covariate)}" if last >= 0 else "a finite number"
    raise ValueError(f"{name} must have for {covariate['name']!r} {may}, got {wrong:g}{row}")


def _must(covariates, name):
    if not is_label(covariates):
        return f"{name} must be numbers, or values by name, for {described(covariates)}"
    last = len(covariates[0]["categories"]) - 1
    return f"{name} must be whole numbers from 0 to {last}"


def _column(covariate, values):
    """Values of one covariate as numbers: float64, () or (N,)."""
    values = np.asarray(values)
    if values.dtype.kind in "iuf" and covariate["kind"] in ("number", "count"):
        return values.astype(np.float64)
    values = values.astype("datetime64[us]") if values.dtype.kind == "M" else values
    read, plain = READERS[covariate["kind"]](covariate), values.ravel().tolist()
    known = {value: _read(covariate, read, value) for value in {*plain}}
    return np.array([known[value] for value in plain], np.float64).reshape(values.shape)


def _read(covariate, read, value):
    try:
        number = read(value)
    except (AttributeError, TypeError, ValueError):
        number = None
    if number is None:
        may = "a number" if covariate["kind"] in ("number", "count") else _kind(covariate)
        may = f"one of {may}" if covariate["kind"] == "category" else may
        raise ValueError(f"the label {covariate['name']!r} must be {may}, got {value!r}")
    return number


def _place(covariate):
    """A function of a value to the place of the category that it is; None where it is none."""
    exact = {_text(category): place for place, category in enumerate(covariate["categories"])}
    loose = {_key(text): place for text, place in exact.items()}
    loose = loose if len(loose) == len(exact) else {}
    return lambda value: exact.get(_text(value), loose.get(_key(_text(value))))


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _key(text):
    """What is the same for two texts that mean the same: a number, or `true` for `True`."""
    try:
        return float(text)
    except ValueError:
        return text.lower() if text.lower() in ("true", "false") else text


def _days(covariate):
    """A function of a date, or of its text, to the days since `origin`."""
    origin = datetime.datetime.fromisoformat(covariate["origin"])

    def days(value):
        if isinstance(value, str):
            value = datetime.datetime.strptime(value.strip(), covariate["format"])
        time = datetime.datetime(*value.timetuple()[:6])
        return (time - origin).total_seconds() / DAY

    return days


READERS = {
    "number": lambda covariate: float,
    "count": lambda covariate: float,
    "category": _place,
    "date": _days,
}
