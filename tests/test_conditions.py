"""Covariates by name and as numbers, where NumPy alone is needed."""

import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from export.runtime import conditions as of_the_runtime
from export.runtime import manifest
from keras_vae import conditions

SITE = {"name": "site", "kind": "category", "categories": ["a", "b = c", "d, e"]}
AGE = {"name": "age", "kind": "number", "mean": 40.0, "scale": 10.0}
DAY = {"name": "day", "kind": "date", "format": "%d.%m.%Y", "origin": "2020-01-01"} | {
    "mean": 100.0,
    "scale": 50.0,
}
ALL = [SITE, AGE, DAY]
MANIFEST = json.loads(Path(manifest.__file__).with_name("manifest.schema.json").read_text())


def test_each_combination_has_its_turn_once():
    count = conditions.combinations(ALL)
    found = conditions.in_turn(ALL, np.arange(count))
    assert (count, found.dtype, found.shape) == (12, "float32", (12, 3))
    assert len({*map(tuple, found)}) == 12
    assert {*found[:, 1]} == {30, 50}
    np.testing.assert_array_equal(conditions.in_turn(ALL, [-1, count + 3]), found[[-1, 3]])
    for y in found:
        np.testing.assert_array_equal(conditions.checked(ALL, y), y)
    labels = conditions.in_turn(conditions.label_of(3), np.arange(4))
    assert (labels.dtype, labels.tolist()) == ("int64", [0, 1, 2, 0])


DATES = [
    "03.01.2020",
    datetime.date(2020, 1, 3),
    datetime.datetime(2020, 1, 3),
    np.datetime64("2020-01-03"),
    pd.Timestamp("2020-01-03"),
]


@pytest.mark.parametrize("day", DATES, ids=lambda day: type(day).__name__)
def test_a_date_is_its_days_however_it_is_given(day):
    y = conditions.checked(ALL, {"site": "b = c", "age": 31, "day": day})
    np.testing.assert_array_equal(y, [1, 31, 2])
    column = pd.DataFrame({"site": ["a", "d, e"], "age": [1, 2.5], "day": [day] * 2})
    expected = [[0, 1, 2], [2, 2.5, 2]]
    np.testing.assert_array_equal(conditions.checked(ALL, column, 2), expected)


@pytest.mark.parametrize(
    ("categories", "value", "place"),
    [
        ([False, True], True, 1),
        ([False, True], "True", 1),
        ([1, 2.5], 2.5, 1),
        ([1, 2.5], "1", 0),
        (["1", "2"], 2.0, 1),
        (["1", "01"], "01", 1),
    ],
)
def test_a_category_is_found_however_it_is_written(categories, value, place):
    covariate = {"name": "c", "kind": "category", "categories": categories}
    assert conditions.checked([covariate], {"c": value}) == place


def test_flags_say_the_values_by_name():
    wheres = ["site=b = c", " age = 31.5", "day=02.01.2020"]
    np.testing.assert_array_equal(conditions.parsed(ALL, wheres), [1, 31.5, 1])
    assert int(conditions.parsed([SITE], ["site=d, e"])) == 2


@pytest.mark.parametrize(
    ("wheres", "message"),
    [
        (["site=x"], "no 'age'"),
        (["site=x", "age=1", "day=01.01.2020"], "'site' must be one of a, b = c, d, e, got 'x'"),
        (["size=1"], "must be site= or age= or day=, each once, got 'size=1'"),
        (["site"], "must be site= or age="),
        (["site=a", "site=a"], "each once, got 'site=a'"),
        (["site=a", "age=", "day=01.01.2020"], "'age' must be a number, got ''"),
        (["site=a", "age=nan", "day=01.01.2020"], "'age' a finite number, got nan"),
        (["site=a", "age=1e39", "day=01.01.2020"], "'age' a finite number, got 1e"),
        (["site=a", "age=1", "day=2020-01-01"], "'day' must be a date, got '2020-01-01'"),
    ],
)
def test_bad_flags_are_refused(wheres, message):
    with pytest.raises(ValueError, match=message):
        conditions.parsed(ALL, wheres)
    with pytest.raises(ValueError, match="needs a model that was trained with a column"):
        conditions.parsed([], wheres)


def test_a_message_says_how_to_give_a_label():
    with pytest.raises(ValueError, match=r"--where site=a --where age=40.0 --where day=01.01.2020"):
        conditions.checked(ALL, None)


def bundle(**changed):
    return {"input_shape": [2], **changed}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (bundle(covariates=[AGE | {"scale": 0.0}]), "the scale of 'age' is 0"),
        (bundle(covariates=[{"name": "age", "kind": "number"}]), "'age' has no mean"),
        (bundle(covariates=[SITE | {"categories": []}], num_classes=3), "num_classes is 3"),
        (bundle(covariates=[AGE, AGE]), "must differ in name"),
        (bundle(covariates=[SITE], num_classes=4), "num_classes is 4"),
    ],
)
def test_a_manifest_whose_covariates_do_not_fit_is_refused(told, message):
    with pytest.raises(ValueError, match=message):
        manifest._check_columns(told)


def test_covariates_of_older_manifests_are_known():
    column = {**SITE, "label": True}
    x = {"name": "x", "kind": "number"}
    assert manifest.covariates({"columns": [x, column], "num_classes": 3}) == [column]
    assert manifest.covariates({"columns": [x, column]}) == []  # whose decoder takes z alone
    assert manifest.covariates({"num_classes": 3}) == of_the_runtime.label_of(3)
    assert manifest.covariates({}) == []


@pytest.mark.parametrize("covariates", [conditions.label_of(3), [AGE], [DAY], [SITE, AGE]])
def test_what_was_checked_is_taken_again(covariates):
    """One y, and several of them; of one number too."""
    first = conditions.in_turn(covariates, [0])[0]
    one = conditions.checked(covariates, first)
    assert one.shape == conditions.form(covariates)[1]
    np.testing.assert_array_equal(conditions.checked(covariates, one), one)
    many = conditions.checked(covariates, one, count=3)
    np.testing.assert_array_equal(conditions.checked(covariates, many, count=3), many)
    assert many.shape == (3, *one.shape)


def test_the_example_of_a_date_is_one_that_is_taken():
    assert conditions.checked([DAY], conditions.example([DAY])).shape == (1,)


@pytest.mark.parametrize("value", [None, 3.5, "31.02.2020"])
def test_what_is_no_date_is_refused(value):
    with pytest.raises(ValueError, match="the label 'day' must be"):
        conditions.checked([DAY], {"day": value})
