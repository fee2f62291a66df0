"""What one column of a table holds: Column."""

import dataclasses
import datetime
import math
import numbers
from dataclasses import dataclass

from keras_vae.lookup import named

KINDS = {
    "number": ("mixture", "normal"),
    "date": ("mixture", "normal"),
    "count": ("mixture", "negative_binomial", "poisson", "zero_inflated_negative_binomial"),
    "category": ("categorical",),
}
"""The likelihoods that a column of each kind may have; the first is the one that it has."""

TYPES = {
    "name": str,
    "kind": str,
    "decimals": numbers.Integral,
    "minimum": numbers.Real | None,
    "maximum": numbers.Real | None,
    "mean": numbers.Real | None,
    "scale": numbers.Real | None,
}
DAY = 86400
PARTS_OF_A_DAY = {"S": 1, "M": 60, "H": 3600}
"""Seconds of what a format of dates may end in."""


@dataclass(frozen=True)
class Column:
    """A column of a table: what its values are, and as which number x each of them stands.

    - `number`: x is the number.
    - `count`: a whole number from 0.
    - `category`: x is the place, from 0, in the list of `categories`.
    - `date`: x is the days since `origin`.

    A value that is missing is NaN.

    Args:
        name: as it stands at the head of the column.
        kind: one of the above.
        decimals: of a number, how many it is written with; −3: it is in thousands.
        minimum, maximum: of a number or a date, as x: the least and the largest that there may be,
            or None. Counts have the minimum 0; a `"normal"` column has none.
        categories: texts, or numbers or booleans.
        format: of a date, as `strftime` has it.
        origin: of a date, the day that is x = 0.
        likelihood: `"mixture"` (`MixtureOfRoundedLogistics`) or `"normal"` of a number or a date,
            of a count also `"negative_binomial"`, `"poisson"` or
            `"zero_inflated_negative_binomial"`, but not `"normal"`; None: the first.
        label: whether a conditional model is given it, and it is not part of x.
        mean, scale: of such a column that is no category: what standardizes it, (x − mean) / scale;
            see `tables.fitted`.
        x_knots, y_knots: where the numbers of the training data lie; see `tables.fitted`.

    Raises:
        ValueError: a value is none that it may be.

    Example:

    >>> Column("price", "number", decimals=2).step
    0.01
    """

    name: str
    kind: str
    decimals: int = 0
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple = ()
    format: str | None = None
    origin: str | None = None
    likelihood: str | None = None
    label: bool = False
    mean: float | None = None
    scale: float | None = None
    x_knots: tuple | None = None
    y_knots: tuple | None = None

    def __post_init__(self):
        self._check_types()
        likelihoods = named("kind of a column", self.kind, KINDS)
        set_ = object.__setattr__  # as a frozen class allows it
        set_(self, "likelihood", self.likelihood or likelihoods[0])
        if self.likelihood not in likelihoods:
            raise ValueError(
                f"likelihood of the {self.kind} {self.name!r} must be {' or '.join(likelihoods)}, "
                f"got {self.likelihood!r}"
            )
        for field in ("categories", "x_knots", "y_knots"):
            value = getattr(self, field)
            set_(self, field, None if value is None else tuple(value))
        if self.kind == "count":
            set_(self, "minimum", 0.0)
        if self.kind == "category" and len({*map(str, self.categories)}) != len(self.categories):
            raise ValueError(f"categories of {self.name!r} must differ, got {self.categories}")
        if self.kind == "category" and not self.categories:
            raise ValueError(f"the category {self.name!r} must list its categories, got none")
        scale = 1.0 if self.scale is None else self.scale
        if not (math.isfinite(self.mean or 0.0) and 0 < scale < math.inf):
            raise ValueError(
                f"mean and scale of {self.name!r} must be finite, and scale positive, got "
                f"{self.mean} and {self.scale}"
            )
        if self.kind == "date":
            self._check_date()

    def _check_types(self):
        for field, types in TYPES.items():
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, types):
                raise ValueError(f"{field} of the column {self.name!r} cannot be {value!r}")

    def _check_date(self):
        try:
            datetime.date.fromisoformat(self.origin)
            datetime.datetime.strptime(datetime.date(2001, 2, 3).strftime(self.format), self.format)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"the date {self.name!r} must have a format such as %Y-%m-%d and an origin such as "
                f"2001-02-03, got {self.format!r} and {self.origin!r}"
            ) from error

    @property
    def step(self):
        """What the column's values are rounded to, as x."""
        if self.kind == "date":
            seconds = [PARTS_OF_A_DAY[c] for c in PARTS_OF_A_DAY if f"%{c}" in self.format]
            return min(seconds, default=DAY) / DAY
        return 10.0**-self.decimals if self.kind == "number" else 1.0

    @property
    def closed(self):
        """The minimum and the maximum, −∞ and ∞ where there is none."""
        low = -math.inf if self.minimum is None else self.minimum
        return low, math.inf if self.maximum is None else self.maximum

    @property
    def width(self):
        """Numbers that it is for a decoder that is given it: of a category one-hot, else one."""
        return len(self.categories) if self.kind == "category" else 1

    @property
    def some_value(self):
        """An x that the column may hold."""
        middle = self.x_knots[len(self.x_knots) // 2] if self.x_knots else 0.0
        return float(min(max(middle, self.closed[0]), self.closed[1]))

    def told(self):
        """The column as a dictionary for JSON, without what is as it is by default."""
        fields = {f.name: f.default for f in dataclasses.fields(self)}
        told = {name: getattr(self, name) for name in fields}
        fields |= {"likelihood": KINDS[self.kind][0]}
        fields |= {"minimum": 0.0} if self.kind == "count" else {}
        kept = {n: v for n, v in told.items() if v != fields[n] or n in ("name", "kind")}
        return {n: list(v) if isinstance(v, tuple) else v for n, v in kept.items()}
