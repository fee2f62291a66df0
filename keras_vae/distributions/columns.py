"""The likelihood of a table: Columns."""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.distributions.base import Likelihood, SupportError
from keras_vae.distributions.categorical import Categorical
from keras_vae.distributions.column import Column
from keras_vae.distributions.continuous import HeteroscedasticNormal
from keras_vae.distributions.counts import Poisson
from keras_vae.distributions.negative_binomial import NegativeBinomial, ZeroInflatedNegativeBinomial
from keras_vae.distributions.rounded import MixtureOfRoundedLogistics
from keras_vae.distributions.transformed import Transformed


class Group(NamedTuple):
    """Columns of one likelihood, which computes them side by side."""

    likelihood: Likelihood
    """Of `(..., columns, width)`."""
    places: np.ndarray
    """Which entries of x they are."""
    width: int
    """Numbers that a value is for the likelihood: of a category as many as there are, else 1."""

    def encode(self, x):
        """`(..., D)`, of which nothing is missing → `(..., columns, width)`."""
        values = ops.expand_dims(ops.take(x, self.places, axis=-1), -1)
        if not isinstance(self.likelihood, Categorical):
            return values
        classes = np.arange(self.width, dtype="float32")
        return ops.cast(ops.equal(values, classes), "float32")

    def decode(self, values):
        """`(..., columns, width)` → `(..., columns)`; of categories the one of most weight."""
        if not isinstance(self.likelihood, Categorical):
            return ops.squeeze(values, -1)
        classes = np.arange(self.width, dtype="float32")
        most = ops.greater_equal(values, ops.max(values, axis=-1, keepdims=True))
        return ops.min(ops.where(most, classes, float(self.width)), axis=-1)  # argmax, in ONNX

    @property
    def num_params(self):
        """Raw decoder outputs of all its columns."""
        return len(self.places) * self.likelihood.num_params(self.width)

    @property
    def noise_shape(self):
        """Shape of the uniform numbers that its columns are drawn by."""
        return self.likelihood.noise_shape((len(self.places), self.width))


@keras.saving.register_keras_serializable("keras_vae")
class Columns(Likelihood):
    """log p(x|z) = Σ log p(x_d|z), over the columns d that are not missing, each of its own kind.

    A likelihood made of likelihoods. x is `(B, D)`, one number for each column, as `Column` says;
    NaN is a value that is missing. A sum without the terms of what is missing is log p of what is
    there, since the columns are independent given z. The encoder gets 0 in place of what is
    missing, and beside it a mask, so what it takes is wider than x.

    `mean` is the mean of numbers and counts, and of categories the most probable one.

    Args:
        columns: `Column`s or dictionaries of their fields, in the order of the table. Those with
            `label` are no part of x.

    Raises:
        ValueError: two columns have one name, there is none, or numbers have no knots.

    Example:

    >>> dice = [{"name": name, "kind": "category", "categories": [*range(1, 7)]} for name in "ab"]
    >>> two, x_params = Columns(dice), np.zeros((1, 12), "float32")
    >>> x = np.array([[0.0, 5.0], [0.0, np.nan]], "float32")
    >>> [round(float(p), 4) for p in two.log_prob(x, np.repeat(x_params, 2, axis=0))]
    [-3.5835, -1.7918]

    References: Nazábal et al., Handling Incomplete Heterogeneous Data using VAEs, 2020, sections
    2.1 and 3; Mattei & Frellsen, MIWAE, 2019, section 2.
    """

    missing = True
    raw_of_either_sign = True
    advice = "Encode the rows by keras_vae.tables.encode, with the columns of the model"

    def __init__(self, columns, **kwargs):
        super().__init__(**kwargs)
        table = [c if isinstance(c, Column) else Column(**c) for c in columns]
        names = [column.name for column in table]
        if len({*names}) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"each column must have a name of its own, and {twice!r} stands twice")
        self._table = tuple(table)
        self.columns = tuple(column for column in table if not column.label)
        if not self.columns:
            raise ValueError("columns must hold at least one that is no label, got none")
        self._groups = _groups(self.columns)
        places = np.concatenate([group.places for group in self._groups])
        self._order = np.argsort(places).astype("int32")
        self._counts = np.array([column.kind == "count" for column in self.columns])
        self._filling = np.array([column.some_value for column in self.columns], "float32")

    @property
    def table(self):
        """All `Column`s in the order of the table, the label among them."""
        return self._table

    @property
    def event_shape(self):
        """`(D,)`."""
        return (len(self.columns),)

    @property
    def support(self):
        """The values that x may take, in words."""
        return "rows of a table, one number for each column and NaN where a value is missing"

    def feature_shape(self, event_shape):
        """The values of all columns, and a mask."""
        return (sum(len(g.places) * g.width for g in self._groups) + len(self.columns),)

    def features(self, x):
        """`(B, D)` → `(B, *feature_shape)`: of what is missing, 0."""
        observed, x = self._filled(x)
        observed = ops.cast(observed, "float32")
        parts = []
        for group in self._groups:
            there = ops.expand_dims(ops.take(observed, group.places, axis=-1), -1)
            values = there * group.likelihood.features(group.encode(x))
            parts.append(ops.reshape(values, (-1, len(group.places) * group.width)))
        return ops.concatenate([*parts, observed], axis=-1)

    def num_params(self, channels):
        return sum(group.num_params for group in self._groups)

    def start(self, channels):
        starts = []
        for group in self._groups:
            one = group.likelihood.start(1)
            zeros = np.zeros(group.likelihood.num_params(group.width))
            starts.append(np.tile(zeros if one is None else one, len(group.places)))
        return np.concatenate(starts)

    def noise_shape(self, event_shape):
        return (sum(math.prod(group.noise_shape) for group in self._groups),)

    def log_prob(self, x, x_params):
        return ops.sum(self.element_log_prob(x, x_params), axis=-1)

    def element_log_prob(self, x, x_params):
        """The terms column by column, `(..., D)`; 0 where x is missing."""
        observed, x = self._filled(x)
        terms = [
            ops.squeeze(group.likelihood.element_log_prob(group.encode(x), params), -1)
            for group, params in self._split(x_params)
        ]
        return ops.where(observed, self._joined(terms), 0.0)

    def mean(self, x_params):
        return self._joined([g.decode(g.likelihood.mean(p)) for g, p in self._split(x_params)])

    def draw(self, x_params, u):
        sizes = [math.prod(group.noise_shape) for group in self._groups]
        parts = zip(self._split(x_params), _cut(u, sizes), strict=True)
        return self._joined(
            [g.decode(g.likelihood.draw(p, _shaped(u, g.noise_shape))) for (g, p), u in parts]
        )

    def in_support(self, x):
        observed, x = self._filled(x)
        inside = [
            ops.all(group.likelihood.in_support(group.encode(x)), axis=-1) for group in self._groups
        ]
        whole = ops.logical_or(~self._counts, ops.equal(x, ops.floor(x)))
        inside = ops.logical_and(self._joined(inside), whole)
        return ops.logical_or(ops.logical_not(observed), inside)

    def check(self, x):
        """Raises `ValueError` if an entry of `x` that is not missing is none of its column's."""
        x = np.asarray(x)
        rows = max(1, 2**18 // len(self.columns))
        for start in range(0, len(x), rows):
            outside = self._outside(x[start : start + rows].astype("float32"))
            if outside.any():
                row, place = np.argwhere(outside)[0]
                raise self._refused(start + row, self.columns[place], x[start + row, place])

    def check_entries(self, x):
        raise ValueError("the rows of a table must be dense here: give x.toarray()")

    def _refused(self, row, column, value):
        low, high = column.closed
        may = {
            "category": f"a place from 0 to {len(column.categories) - 1} in its categories",
            "count": "a whole number from 0",
        }.get(column.kind, f"a finite number from {low:g} to {high:g}")
        return SupportError(
            f"row {row} of x holds {value:g} in column {column.name!r}, which must be {may}, or "
            f"NaN where it is missing. {self.advice}"
        )

    def _filled(self, x):
        """Which entries are not missing, and x with some value in place of those that are."""
        missing = ops.isnan(x)  # itself the condition, because tf2onnx would multiply by another
        return ops.logical_not(missing), ops.where(missing, self._filling, x)

    def _split(self, x_params):
        """The groups, and of each the raw outputs `(..., columns, params of one)`."""
        sizes = [group.num_params for group in self._groups]
        for group, params in zip(self._groups, _cut(x_params, sizes), strict=True):
            count = len(group.places)
            yield group, _shaped(params, (count, group.num_params // count))

    def _joined(self, parts):
        """What each group has of its columns, `(..., columns)`, in the order of x."""
        return ops.take(ops.concatenate(parts, axis=-1), self._order, axis=-1)

    def get_config(self):
        return {**super().get_config(), "columns": [column.told() for column in self.table]}


def _groups(columns):
    """The columns by likelihood and width, in the order in which the first of each stands."""
    places = {}
    for place, column in enumerate(columns):
        width = len(column.categories) if column.kind == "category" else 1
        places.setdefault((column.likelihood, width), []).append(place)
    return [
        Group(LIKELIHOODS[name]([columns[p] for p in at]), np.array(at, "int32"), width)
        for (name, width), at in places.items()
    ]


def _mixture(columns):
    return MixtureOfRoundedLogistics(
        *([[*_knots(c)[axis]] for c in columns] for axis in (0, 1)),
        *([getattr(c, name) for c in columns] for name in ("step", "minimum", "maximum")),
    )


def _normal(columns):
    """Standardized by the knots, which stand a standard deviation to both sides of the mean."""
    x = np.array([_knots(column)[0] for column in columns])
    location, scale = x.mean(axis=-1, keepdims=True), np.diff(x, axis=-1) / 2
    return Transformed(HeteroscedasticNormal(), location, scale)


def _knots(column):
    if column.x_knots is None:
        raise ValueError(
            f"column {column.name!r} must know where its numbers lie: see keras_vae.tables.fitted"
        )
    return column.x_knots, column.y_knots


LIKELIHOODS = {
    "categorical": lambda columns: Categorical(),
    "mixture": _mixture,
    "negative_binomial": lambda columns: NegativeBinomial(),
    "normal": _normal,
    "poisson": lambda columns: Poisson(),
    "zero_inflated_negative_binomial": lambda columns: ZeroInflatedNegativeBinomial(),
}


def _cut(values, sizes):
    """`values` in parts of so many entries of the last axis."""
    ends = [int(end) for end in np.cumsum(sizes)[:-1]]
    return ops.split(values, ends, axis=-1) if ends else [values]


def _shaped(values, shape):
    """`(..., n)` → `(..., *shape)`, without the other sizes, which a converter may mistake."""
    if len(shape) == 1:
        return values
    parts = [_shaped(part, shape[1:]) for part in ops.split(values, shape[0], axis=-1)]
    return ops.stack(parts, axis=-len(shape))
