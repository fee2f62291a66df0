"""Rows to text and back are the same numbers; columns are told, read again, and checked."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from export.runtime import schema
from keras_vae import tables
from keras_vae.tables import Column, encode, rows

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(0)
SEX, SIZE = Column("sex", "category", categories=("f", "m")), Column("size", "number", decimals=1)
DAY = {"name": "a", "kind": "date", "origin": "2020-01-01"}
KINDS = {
    "number": ({"kind": "number", "decimals": 2}, np.round(RNG.normal(0, 99, 500), 2)),
    "thousands": ({"kind": "number", "decimals": -3}, 1000.0 * RNG.integers(-99, 99, 500)),
    "count": ({"kind": "count"}, RNG.poisson(9, 500)),
    "category": ({"kind": "category", "categories": ["x", 2, True, 0.5]}, RNG.integers(0, 4, 500)),
    "day": ({**DAY, "format": "%d.%m.%Y"}, RNG.integers(-9999, 9999, 500)),
    "hour": ({**DAY, "format": "%Y-%m-%d %H:00"}, RNG.integers(0, 9999, 500) / 24),
    "minute": ({**DAY, "format": "%Y-%m-%d %H:%M"}, RNG.integers(0, 999_999, 500) / 1440),
    "second": ({**DAY, "format": "%Y-%m-%d %H:%M:%S"}, RNG.integers(0, 9**7, 500) / 86400),
}


@pytest.mark.parametrize("what", KINDS)
def test_numbers_that_are_written_are_read_as_the_same(what):
    column, x = {"name": "a", **KINDS[what][0]}, KINDS[what][1].astype("float32")[:, None]
    x[::9] = np.nan
    texts = rows.texts([column], x)
    read = rows.numbers([column], [[text] for text in texts["a"]], ["a"])
    np.testing.assert_array_equal(read, x)
    frame = pl.DataFrame({"a": [text or None for text in texts["a"]]})
    np.testing.assert_array_equal(encode(frame, [Column(**column)])[0], x)


def test_rows_are_written_as_in_the_table_they_come_from():
    price, sex = {"name": "price", "kind": "number", "decimals": 2}, SEX.told()
    texts = rows.texts([price, sex], [[-0.001, 1], [1e6, 0], [2.5, np.nan], [np.nan, 1]])
    assert texts == {"price": ["0.00", "1000000.00", "2.50", ""], "sex": ["m", "f", "", "m"]}
    texts = rows.texts([{**sex, "label": True}, price], [[1.0], [np.nan]], label=1)
    assert texts == {"sex": ["m", "m"], "price": ["1.00", ""]}


@pytest.mark.parametrize("days", [3e6, -8e5])
def test_a_day_that_no_calendar_has_is_written_as_the_nearest(days):
    """As a model may draw it beside 9999-12-31, that stands for never."""
    text = rows.texts([{**DAY, "format": "%Y-%m-%d"}], [[days]])["a"]
    assert text == ["9999-12-31" if days > 0 else "0001-01-01"]


def test_columns_are_told_and_read_again(tmp_path):
    path = tmp_path / "columns.json"
    columns = [
        *tables.fitted([SEX, SIZE], np.float32([[0, 1.5], [np.nan, 2.5]])),
        Column("day", "date", format="%Y-%m-%d", origin="2020-01-01"),
        Column("n", "count", likelihood="zero_inflated_negative_binomial"),
        Column("y", "category", categories=(False, True), label=True),
        Column("z", "number", decimals=-3, minimum=0.0, maximum=9e3, likelihood="normal"),
    ]
    path.write_text(tables.told(columns), encoding="utf-8")
    again = tables.table.given(path)
    plain = [{**c.told(), "x_knots": 0, "y_knots": 0} for c in columns]
    assert [{**c.told(), "x_knots": 0, "y_knots": 0} for c in again] == plain
    whole = json.loads((ROOT / "docs/columns.schema.json").read_text())
    schema.check(json.loads(path.read_text()), whole)
    manifest = json.loads((ROOT / "export/runtime/manifest.schema.json").read_text())
    assert manifest["$defs"]["columns"] == whole["$defs"]["columns"]
    for wrong in ({"name": "a"}, {"name": "a", "kind": "x"}, {"name": 1, "kind": "number"}):
        with pytest.raises(ValueError, match="columns"):
            schema.check({"columns": [wrong]}, whole)


BROKEN = ["", "{", "[]", "5", "[" * 100_000, "\xff", '{"columns": 5}', '{"columns": []}']
WRONG = [
    "5",
    '{"name": "a"}',
    '{"kind": "number"}',
    '{"name": 5, "kind": "number"}',
    '{"name": "a", "kind": "x"}',
    '{"name": "a", "kind": "number", "more": 1}',
    '{"name": "a", "kind": "number", "decimals": "2"}',
    '{"name": "a", "kind": "number", "minimum": "2"}',
    '{"name": "a", "kind": "date", "format": 5, "origin": "2020-01-01"}',
]


@pytest.mark.parametrize("text", [*BROKEN, *(f'{{"columns": [{column}]}}' for column in WRONG)])
def test_a_file_of_columns_that_is_broken_is_refused_in_a_line(text, tmp_path):
    path = tmp_path / "columns.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"columns\.json") as error:
        tables.read(pl.DataFrame({"a": [1.5, 2.5]}), columns=path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_a_normal_column_has_no_bounds():
    age = {"name": "age", "kind": "number", "minimum": 0.0}
    with pytest.raises(ValueError, match="'-1' in row 0"):
        rows.numbers([age], [["-1"]], ["age"])
    assert rows.numbers([{**age, "likelihood": "normal"}], [["-1"]], ["age"]) == -1
