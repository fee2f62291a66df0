"""Tables: what columns are found to be, rows to numbers, and what is refused in a line."""

import datetime
import os

import numpy as np
import pandas as pd
import polars as pl
import pytest

from keras_vae import tables
from keras_vae.tables import Column, encode, found, rows

RNG = np.random.default_rng(0)
N = 120
DATES = [datetime.date(2020, 1, 1) + datetime.timedelta(int(d)) for d in RNG.integers(0, 400, N)]


def written(form, values):
    return [format(value, form) for value in values]


def columns_and_notes(values):
    """Of a column `a` beside one that is of use."""
    series = values if isinstance(values, pl.Series) else pl.Series("a", values)
    frame = pl.DataFrame({"a": series, "other": ["x", "y"] * (len(series) // 2)})
    columns, notes = found(frame)
    return {column.name: column for column in columns}, notes


FOUND = {
    "text": (list("abc") * 40, {"kind": "category", "categories": ("a", "b", "c")}),
    "text with spaces": ([" yes", "no ", "yes"] * 40, {"categories": ("no", "yes")}),
    "booleans": ([True, False] * 60, {"kind": "category", "categories": (False, True)}),
    "decimals": (written(".2f", RNG.normal(0, 9, N)), {"kind": "number", "decimals": 2}),
    "none negative": (written(".1f", RNG.exponential(9, N)), {"decimals": 1, "minimum": 0.0}),
    "some negative": (written(".1f", RNG.normal(0, 9, N)), {"decimals": 1, "minimum": None}),
    "ends in zeros": (["1.50", "2.00", *written(".2f", RNG.normal(0, 9, N))], {"decimals": 2}),
    "thousands": ([1000 * int(v) for v in RNG.integers(1, 500, N)], {"decimals": -3}),
    "thousands as text": ([f"{v}000" for v in RNG.integers(1, 500, N)], {"decimals": -3}),
    "floats": (list(np.round(RNG.normal(0, 9, N), 2)), {"kind": "number", "decimals": 2}),
    "floats below 1": (list(np.round(RNG.random(N), 3)), {"kind": "number", "decimals": 3}),
    "tiny floats": (list(np.round(RNG.random(N) * 1e-6, 9)), {"kind": "number", "decimals": 9}),
    "scientific": (written(".2e", RNG.exponential(1, N)), {"kind": "number", "minimum": 0.0}),
    "tiny scientific": (written(".1e", np.full(N, 1e-6) * range(1, N + 1)), {"decimals": 6}),
    "no zero before": (
        [".5", "+1.", "-2", *written(".1f", RNG.normal(0, 9, N - 3))],
        {"decimals": 1},
    ),
    "single floats": (
        pl.Series("a", np.round(RNG.normal(0, 9, N), 2).astype("float32")),
        {"kind": "number", "decimals": 2},
    ),
    "more digits than float32": (written(".12f", RNG.normal(0, 9, N)), {"decimals": 6}),
    "counts": (RNG.negative_binomial(1, 0.05, N), {"kind": "count", "minimum": 0.0}),
    "whole, not spread": (RNG.binomial(200, 0.5, N), {"kind": "number", "decimals": 0}),
    "few numbers": (["1", "2", "10"] * 40, {"kind": "category", "categories": ("1", "2", "10")}),
    "few decimals": (["0.5", "2", "1.50"] * 40, {"categories": ("0.5", "1.50", "2")}),
    "constant": (["7"] * N, {"kind": "category", "categories": ("7",)}),
    "codes": (["01234", "10115", "80331"] * 40, {"categories": ("01234", "10115", "80331")}),
    "days": ([str(d) for d in DATES], {"kind": "date", "format": "%Y-%m-%d"}),
    "times": ([f"{d} 07:0{d.day % 6}" for d in DATES], {"format": "%Y-%m-%d %H:%M"}),
    "seconds": ([f"{d}T07:00:09" for d in DATES], {"format": "%Y-%m-%dT%H:%M:%S"}),
    "German days": ([f"{d:%d.%m.%Y}" for d in DATES], {"format": "%d.%m.%Y"}),
    "American days": ([f"{d:%m/%d/%Y}" for d in DATES], {"format": "%m/%d/%Y"}),
    "dates": (DATES, {"kind": "date", "origin": min(DATES).isoformat()}),
    "instants": (
        pl.Series("a", DATES).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
        {"kind": "date", "format": "%Y-%m-%d"},
    ),
    "polars categories": (
        pl.Series("a", list("ab") * 60, dtype=pl.Categorical),
        {"kind": "category", "categories": ("a", "b")},
    ),
    "decimal numbers": (
        pl.Series("a", written(".2f", RNG.normal(0, 9, N))).cast(pl.Decimal(10, 2)),
        {"kind": "number", "decimals": 2},
    ),
}


@pytest.mark.parametrize("what", FOUND)
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "with gaps"])
def test_a_column_is_found_to_be_what_it_is_and_can_be_encoded(what, gaps):
    values, fields = FOUND[what]
    series = values if isinstance(values, pl.Series) else pl.Series("a", values)
    series = series[: len(series) // 2 * 2]
    if gaps:
        series = pl.concat([series, pl.Series("a", [None, None], dtype=series.dtype)])
    column = columns_and_notes(series)[0]["a"]
    assert {name: getattr(column, name) for name in fields} == fields
    x = encode(pl.DataFrame({"a": series}), [column])[0]
    assert np.isnan(x[:, 0]).sum() == (2 if gaps else 0)
    if column.kind != "category":  # what is written is what was read
        assert len(np.unique(np.round(x / column.step))) >= 0.9 * series.drop_nulls().n_unique()


LEFT_OUT = {
    "every value is missing": [None] * N,
    "it numbers the rows": range(1, N + 1),
    "all values differ, an identifier": [f"id {i}" for i in range(N)],
    "text of its own": [f"text {v}" for v in RNG.integers(0, 150, N)],
    "less than float32 can tell": pl.Series("a", range(2**63, 2**63 + 4 * N, 4), pl.UInt64),
    "values of type Time": [datetime.time(1, 2)] * N,
    "values of type List": [[1]] * N,
}


@pytest.mark.parametrize("why", LEFT_OUT)
def test_a_column_of_no_use_is_left_out_and_a_note_says_why(why):
    columns, notes = columns_and_notes(LEFT_OUT[why])
    assert list(columns) == ["other"]
    assert len(notes) == 1
    assert notes[0].startswith("left out: a (")
    assert why in notes[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([*written(".3f", RNG.normal(size=N - 1)), "abc"], "'a' holds numbers, but also 'abc'"),
        ([*map(str, DATES[1:]), "2020-02-30"], "'a' holds dates, but also '2020-02-30'"),
        ([*RNG.normal(size=N - 1), np.inf], "'a' holds infinite numbers: leave empty"),
    ],
)
def test_a_column_that_holds_mistakes_is_refused_by_its_name(values, message):
    with pytest.raises(ValueError, match=message):
        columns_and_notes(values)


def test_dates_that_can_be_meant_otherwise_are_noted():
    both = [f"{d:02d}/{m:02d}/2020" for d, m in RNG.integers(1, 12, (N, 2))]
    columns, notes = columns_and_notes(both)
    assert columns["a"].format == "%d/%m/%Y"
    assert notes == ["read as a date: a, by %d/%m/%Y, though %m/%d/%Y would fit too"]
    assert "would fit" not in columns_and_notes([f"{d:%d/%m/%Y}" for d in DATES])[1][0]


def test_years_of_two_digits_are_no_years_of_the_first_century():
    column = columns_and_notes([f"{d:%d/%m/%y}" for d in DATES])[0].get("a")
    assert column is None or column.kind == "category" or column.origin > "1900"


def test_a_table_without_any_use_is_refused():
    with pytest.raises(ValueError, match="no column of the table is of any use: left out: a"):
        found(pl.DataFrame({"a": [None] * 30}))


PANDAS = {
    "Int64": (pd.array([1, None, 3, 40] * 30, dtype="Int64"), ["1", "", "3", "40"]),
    "Float64": (pd.array([1.5, None, 3.25, 4] * 30, dtype="Float64"), ["1.5", "", "3.25", "4.0"]),
    "boolean": (pd.array([True, None, False, True] * 30, dtype="boolean"), ["true", "", "false"]),
    "string": (pd.array(["q", None, "r", "s"] * 30, dtype="string"), ["q", "", "r", "s"]),
    "object": (np.array(["q", None, "r", np.nan] * 30, dtype=object), ["q", "", "r", ""]),
    "category": (pd.Categorical(["x", None, "y", "x"] * 30), ["x", "", "y", "x"]),
    "datetime": (pd.to_datetime(["2020-01-02", None, "2021-05-06", None] * 30), ["2020-01-02", ""]),
    "float": (np.tile([1.5, np.nan, 2.25, 7], 30), ["1.5", "", "2.25", "7.0"]),
}


@pytest.mark.parametrize("kind", PANDAS)
def test_a_frame_of_pandas_is_read_by_what_it_holds(kind):
    values, texts = PANDAS[kind]
    table = tables.read(pd.DataFrame({"a": values, "b": ["x", "y"] * 60}))
    assert tables.text(table.likelihood(), table.x)["a"][: len(texts)] == texts


LINES = {
    "nothing": ("", "at least one row"),
    "names alone": ("a,b\n", "at least one row"),
    "a longer row": ("a,b\n1,x\n1,2,3\n", "row"),
    "a shorter row": ("a,b\n1,x\n2\n", "row"),
    "Latin-1": ("a,b\nä,x\n".encode("latin-1"), "not in UTF-8: save it so"),
    "Latin-1 names": ("ä,b\na,x\n".encode("latin-1"), "not in UTF-8: save it so"),
    "UTF-16": ("a,b\nä,x\n".encode("utf-16"), "not in UTF-8: save it so"),
    "a name twice": ("a,b,a\n1,x,2\n", "a name of its own, got 'a' twice"),
    "an open quote": ('a,b\n"x,1\ny,2\n', "cannot be read"),
}


@pytest.mark.parametrize("what", LINES)
def test_a_file_that_is_no_table_is_refused_in_a_line_that_names_it(what, tmp_path):
    content, message = LINES[what]
    path = tmp_path / "people.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(path, message)


def refused(source, message):
    with pytest.raises(ValueError, match=message) as error:
        tables.read(source)
    assert "\n" not in str(error.value)
    assert str(source) in str(error.value)


def test_what_is_no_file_or_of_another_kind_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "t.parquet").write_text("junk")
    (tmp_path / "t.xlsx").write_text("junk")
    for name in ("pipe.csv", "folder.csv", "none.csv"):
        refused(tmp_path / name, "must be a file, got a folder, a pipe or nothing")
    refused(tmp_path / "t.parquet", "cannot be read")
    refused(tmp_path / "t.xlsx", r"must be one of \.csv, \.tsv, \.parquet")
    for source in (5, {"a": [1]}, np.zeros((3, 2))):
        with pytest.raises(ValueError, match="a path, or a data frame of pandas, polars or Arrow"):
            tables.read(source)


SAME = {
    "t.csv": "name,size\nx,1.5\n,2.25\n" + "y,NA\n" * 20,
    "t.tsv": "name\tsize\nx\t1.5\n?\t2.25\n" + "y\t\n" * 20,
    "semicolons.csv": "name;size\nx;1,5\n;2,25\n" + "y;\n" * 20,
    "spaces.csv": "name,size\n x, 1.5\n ,2.25 \n" + "y , \n" * 20,
    "bom.csv": "\ufeffname,size\nx,1.5\nnull,2.25\n" + "y,None\n" * 20,
    "blank.csv": "name,size\n\nx,1.5\n\n,2.25\n" + "y,NA\n" * 20,
    "returns.csv": "name,size\rx,1.5\r,2.25\r" + "y,NA\r" * 20,
    "quotes.csv": '"name","size"\r\n"x","1.5"\r\n"","2.25"\r\n' + '"y",\r\n' * 20,
}


@pytest.mark.parametrize("name", SAME)
def test_one_table_in_many_forms_is_the_same_to_both_readers(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(SAME[name].encode())
    size = Column("size", "number", decimals=2)
    table = tables.read(path, [Column("name", "category", categories=("x", "y")), size])
    np.testing.assert_array_equal(table.x[:3], np.float32([[0, 1.5], [np.nan, 2.25], [1, np.nan]]))
    plain = [column.told() for column in table.columns]
    head, lines, _ = rows.read(path)
    np.testing.assert_array_equal(rows.numbers(plain, lines, head), table.x)
    assert tables.read(path).columns[0].categories == ("x", "y")


def test_cells_may_hold_quotes_commas_and_new_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"a\nb",c\n"x, ""y""\nz",1.5\nq,2.5\n')
    table = tables.read(path)
    assert [column.name for column in table.columns] == ["a\nb", "c"]
    assert table.columns[0].categories == ("q", 'x, "y"\nz')


def test_a_lone_quote_is_a_part_of_its_cell(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('pipe,price\n5" steel,1.5\n3" lead,2.5\n' * 1 + '5" steel,7.25\n' * 20)
    assert tables.read(path).columns[0].categories == ('3" lead', '5" steel')


def test_a_tsv_is_separated_by_tabs_whatever_its_names_hold(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("weight, kg, dry\tsort\n" + "1.5\ta\n2.25\tb\n" * 20)
    assert [column.name for column in tables.read(path).columns] == ["weight, kg, dry", "sort"]


def test_digits_that_are_not_ascii_are_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "１２,x\n٣,y\n" * 20)
    assert tables.read(path).columns[0].kind == "category"


@pytest.mark.parametrize("forms", [("1", "1.0"), (".5", "0.5"), ("-.5e1", "-5")])
def test_numbers_that_are_equal_are_one_category_however_written(forms, tmp_path):
    path, (one, other) = tmp_path / "t.csv", forms
    path.write_text("a,b\n" + f"{one},x\n{other},y\n2,x\n" * 20)
    np.testing.assert_array_equal(tables.read(path).x[:3, 0], [0, 0, 1])


KNOWN = [
    Column("sex", "category", categories=("f", "m")),
    Column("size", "number", decimals=1),
    Column("day", "date", format="%Y-%m-%d", origin="2020-01-01"),
]
FRAME = pl.DataFrame(
    {"sex": ["m", None, "f"], "size": ["1.5", "2", None], "day": ["2020-01-03", None, "2019-12-31"]}
)


def test_rows_are_encoded_by_the_names_of_columns():
    nan = np.nan
    x, y = encode(FRAME.select("day", "size", pl.lit(1).alias("more"), "sex"), KNOWN)
    np.testing.assert_array_equal(x, [[1, 1.5, 2], [nan, 2, nan], [0, nan, -1]])
    assert (x.dtype, y) == (np.float32, None)
    label = [Column("sex", "category", categories=("f", "m"), label=True), KNOWN[1]]
    x, y = encode(FRAME[[0, 2]], label)
    np.testing.assert_array_equal(y, [1, 0])
    assert x.shape == (2, 1)
    with pytest.raises(ValueError, match="the label 'sex' must not be missing, as in row 1"):
        encode(FRAME, label)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sex", "x", "'sex' holds 'x' in row 2, and its categories are 'f', 'm'"),
        ("size", "tall", "'size' holds 'tall' in row 2"),
        ("size", "1e39", "'size' holds '1e39' in row 2"),
        ("day", "2020-02-30", "'day' holds '2020-02-30' in row 2, and .* written as %Y-%m-%d"),
    ],
)
def test_a_value_that_a_column_does_not_know_is_named(name, value, message):
    frame = FRAME.with_columns(pl.Series(name, [*FRAME[name][:2], value]))
    with pytest.raises(ValueError, match=message):
        encode(frame, KNOWN)
    if name == "sex":
        assert np.isnan(encode(frame, KNOWN, unseen="missing")[0][2, 0])
    with pytest.raises(ValueError, match="the table must have the columns 'sex'"):
        encode(frame.drop("sex"), KNOWN)
    with pytest.raises(ValueError, match="unseen must be"):
        encode(frame, KNOWN, unseen="ignore")


def test_a_label_that_is_no_column_gets_the_closest_match():
    with pytest.raises(ValueError, match=r"got 'sx'.* Did you mean 'sex'"):
        tables.read(FRAME, KNOWN, label="sx")
    with pytest.raises(ValueError, match=r"got 'sx'.* Did you mean 'sex'"):
        tables.read(FRAME, KNOWN, label="size,sx")
