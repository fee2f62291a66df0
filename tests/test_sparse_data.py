"""Sparse rows and AnnData from the file to the bundle: what is read, and what is refused."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from keras_vae import cli, datasets
from keras_vae.commands import recipe, runs
from keras_vae.commands.testing import load_test_set
from keras_vae.distributions import Column


@pytest.fixture
def counts(rng):
    return rng.poisson(0.5, (60, 12)).astype("float32")


def anndata_or_skip():
    """AnnData, which writes the texts of pandas 3 if it is told to."""
    if keras.config.backend() != "tensorflow":
        pytest.skip("files are read in one way for every backend")
    anndata = pytest.importorskip("anndata")
    anndata.settings.allow_write_nullable_strings = True
    return anndata


@pytest.fixture
def h5ad(counts, tmp_path):
    """Writes an .h5ad, and gives its path."""

    anndata = anndata_or_skip()

    def written(x=None, name="cells.h5ad", **obs):
        cells = anndata.AnnData(sparse.csr_matrix(counts) if x is None else x)
        for column, values in obs.items():
            cells.obs[column] = values
        cells.write_h5ad(tmp_path / name)
        return tmp_path / name

    return written


FORMS = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "dense": np.asarray,
    "whole": lambda x: sparse.csr_matrix(x.astype("int64")),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_x_are_the_same_sparse_rows(form, counts, h5ad):
    data = datasets.load(h5ad(FORMS[form](counts)))
    assert data.input_shape == (12,)
    assert data.x_train.dtype == data.x_test.dtype == "float32"
    expected = datasets.dataset.from_arrays("counts", counts)
    np.testing.assert_array_equal(data.x_train.toarray(), expected.x_train)
    np.testing.assert_array_equal(data.x_test.toarray(), expected.x_test)


def test_what_is_given_stays_as_it_was():
    x = sparse.csr_matrix(([1, 2, 3, 4], [2, 0, 1, 1], [0, 2, 4]))
    before = x.toarray()
    found = datasets.sparse.rows_of(x, "x")
    np.testing.assert_array_equal(x.toarray(), before)
    np.testing.assert_array_equal(found.toarray(), before)


@pytest.mark.parametrize("value", [0.1, 1.7, 1000.1])
def test_a_constant_column_of_sparse_rows_stays_as_wide(value, rng):
    x = rng.normal(size=(10_000, 3)).astype("float32")
    x[:, 1] = value
    x[:, 2] *= rng.random(len(x)) < 0.3
    layer = recipe.standardizing(sparse.csr_array(x))
    expected = recipe.standardizing(x)
    np.testing.assert_allclose(layer.input_variance, expected.input_variance, rtol=1e-9)
    assert layer.input_variance[1] == 1


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr"])
def test_an_npz_of_scipy_is_sparse_rows(form, counts, tmp_path):
    sparse.save_npz(tmp_path / "x.npz", sparse.coo_array(counts).asformat(form))
    data = datasets.load(tmp_path / "x.npz")
    expected = datasets.dataset.from_arrays("counts", counts)
    np.testing.assert_array_equal(data.x_train.toarray(), expected.x_train)


def test_labels_are_a_column_of_obs(h5ad):
    kinds = np.array(["T", "B", "NK"])[np.arange(60) % 3]
    data = datasets.load(h5ad(kind=kinds, batch=np.arange(60) % 2), label="kind")
    assert data.classes == ("B", "NK", "T")
    assert sorted({*data.y_train, *data.y_test}) == [0, 1, 2]
    data = datasets.load(h5ad(batch=np.arange(60) % 2), label="batch")
    assert data.classes == ("0", "1")


def test_several_columns_of_obs_are_covariates(h5ad, tmp_path, capsys):
    import pandas as pd

    batch = pd.Categorical(np.array(["b", "1", "2"])[np.arange(60) % 3])
    path = h5ad(batch=batch, age=20 + np.arange(60) / 2, dose=np.arange(60) % 4, kept=True)
    data = datasets.load(path, label="batch, age,dose")
    kinds = [(column.name, column.kind) for column in data.covariates]
    assert kinds == [("batch", "category"), ("age", "number"), ("dose", "category")]
    assert data.covariates[0].categories == ("1", "2", "b")  # also where they look like numbers
    assert (data.y_train.shape, data.y_train.dtype) == ((48, 3), "float32")
    assert data.notes == ("the model is given batch (1, 2, b), age (a number), dose (0, 1, 2, 3)",)
    numbers = [Column("dose", "number"), Column("age", "number")]
    data = datasets.load(path, label=["age", "dose"], columns=numbers)
    assert data.covariates == tuple(reversed(numbers))
    assert datasets.load(path, label="age").covariates[0].kind == "number"
    assert datasets.load(path, label="dose").classes == ("0", "1", "2", "3")

    out = tmp_path / "run"
    status, told = train(capsys, "--data", path, "--label", "batch,age", "--out", out)
    assert status == 0
    assert "the model is given batch (1, 2, b), age (a number)" in told.out
    vae = runs.Run(out).open()
    assert [covariate["name"] for covariate in vae.covariates] == ["batch", "age"]
    elbo = json.loads((out / "metrics.json").read_bytes())["test"]["elbo"]
    assert cli.main(["evaluate", str(out)]) == 0
    assert f"{elbo:.2f}" in capsys.readouterr().out
    other = h5ad(name="other.h5ad", batch=["2"] * 60, age=np.arange(60.0))
    assert {*load_test_set(vae, runs.Run(out), other).label[:, 0]} == {1}
    for obs, message in (
        ({"batch": ["x"] * 60, "age": np.arange(60.0)}, "'batch' holds 'x' in row 0"),
        ({"batch": ["2"] * 60}, "has none named 'age'"),
        ({"batch": ["2"] * 60, "age": [np.nan] * 60}, "'age' must not be missing"),
    ):
        with pytest.raises(ValueError, match=message):
            load_test_set(vae, runs.Run(out), h5ad(name="other.h5ad", **obs))


def normalized(counts, **others):
    anndata = anndata_or_skip()
    cells = anndata.AnnData(np.log1p(counts))
    for name, layer in others.pop("layers", {}).items():
        cells.layers[name] = layer
    if "raw" in others:
        cells.raw = anndata.AnnData(others["raw"])
    return cells


def test_what_is_no_counts_is_refused_with_the_place_of_the_counts(counts, tmp_path):
    path = tmp_path / "cells.h5ad"
    for others, message in (
        ({}, "no layer holds counts"),
        ({"layers": {"spliced": counts}}, r"layers\['spliced'\] holds counts.*a\.X = a\.layers"),
        ({"layers": {"c": sparse.csr_matrix(counts)}}, r"a\.X = a\.layers\['c'\]"),
        ({"raw": sparse.csr_matrix(counts)}, r"raw\.X holds counts.*raw\.to_adata\(\)"),
    ):
        normalized(counts, **others).write_h5ad(path)
        with pytest.raises(ValueError, match=rf"raw counts, .* but holds 0\.69.*{message}"):
            datasets.load(path)


def broken(path):
    path.write_bytes(path.read_bytes()[:3000])


def beyond(path):
    import h5py

    with h5py.File(path, "a") as file:
        file["X/indices"][0] = 10**6


@pytest.mark.parametrize("spoil", [broken, beyond])
def test_a_damaged_file_is_refused_in_one_line(spoil, h5ad):
    path = h5ad()
    spoil(path)
    with pytest.raises(ValueError, match=r"cells\.h5ad cannot be read") as error:
        datasets.load(path)
    assert "\n" not in str(error.value)


def test_an_npz_whose_indices_are_beyond_its_shape_is_refused(counts, tmp_path):
    x = sparse.csr_matrix(counts)
    x.indices[0] = 10**6
    sparse.save_npz(tmp_path / "x.npz", x)
    with pytest.raises(ValueError, match=r"x\.npz cannot be read"):
        datasets.load(tmp_path / "x.npz")


def test_what_does_not_fit_is_refused(h5ad, counts, tmp_path):
    few = {"cluster": [0.0, 1.0, np.nan] * 20, "whole": pd.array([0, None] * 30, dtype="Int64")}
    path = h5ad(kind=["a", None] * 30, many=np.arange(60), **few)
    for given, message in (
        ({"label": "sort"}, "none named 'sort'"),
        ({"label": "kind"}, "lacks the label of 30 cells"),
        ({"label": "cluster"}, "lacks the label of 20 cells"),
        ({"label": "whole"}, "lacks the label of 30 cells"),
        ({"columns": "columns.json"}, "columns are for tables"),
    ):
        with pytest.raises(ValueError, match=message):
            datasets.load(path, **given)
    sparse.save_npz(tmp_path / "x.npz", sparse.csr_matrix(np.where(counts > 2, np.nan, counts)))
    with pytest.raises(ValueError, match="finite float32"):
        datasets.load(tmp_path / "x.npz")
    sparse.save_npz(tmp_path / "x.npz", sparse.csr_matrix(counts[:1]))
    with pytest.raises(ValueError, match="2 examples or more"):
        datasets.load(tmp_path / "x.npz")


def train(capsys, *arguments):
    status = cli.main(["train", *map(str, arguments), "--epochs", "2", "--hidden", "8"])
    return status, capsys.readouterr()


def test_train_gives_the_likelihood_the_total_and_evaluate_the_same_numbers(h5ad, tmp_path, capsys):
    path, out = h5ad(kind=np.array(["T", "B", "NK"])[np.arange(60) % 3]), tmp_path / "run"
    status, told = train(capsys, "--data", path, "--label", "kind", "--out", out)
    assert status == 0
    assert "--likelihood negative_binomial --size-factor observed" in told.out
    vae = runs.Run(out).open()
    assert (vae.num_classes, type(vae.likelihood).__name__) == (3, "SizedCounts")
    metrics = json.loads((out / "metrics.json").read_bytes())
    assert metrics["label"] == {"column": "kind", "classes": ["B", "NK", "T"]}
    assert cli.main(["evaluate", str(out)]) == 0
    assert f"{metrics['test']['elbo']:.2f}" in capsys.readouterr().out
    # The labels of other data go by their names, in whatever order these stand there.
    other = h5ad(name="other.h5ad", kind=["T"] * 60)
    assert {*load_test_set(vae, runs.Run(out), other).label} == {2}
    other = h5ad(name="other.h5ad", kind=["A"] * 60)
    with pytest.raises(ValueError, match="label 'A', and the model knows B, NK, T"):
        load_test_set(vae, runs.Run(out), other)


def test_dense_whole_numbers_stay_real_and_a_line_says_what_they_may_be(counts, tmp_path, capsys):
    np.save(tmp_path / "x.npy", counts)
    status, told = train(capsys, "--data", tmp_path / "x.npy", "--out", tmp_path / "run")
    assert status == 0
    assert "if they are counts, give --likelihood negative_binomial" in told.out
    assert "--preprocessing standardize" in told.out
    flags = ["--likelihood", "poisson", "--size-factor", "observed"]
    status, told = train(capsys, "--data", tmp_path / "x.npy", "--out", tmp_path / "sized", *flags)
    assert (status, "if they are" in told.out) == (0, False)
    assert runs.Run(tmp_path / "sized").open().likelihood.likelihood_name == "poisson"


def test_a_training_on_sparse_rows_goes_on_to_the_same_bits(h5ad, tmp_path, capsys):
    for name, first in (("whole", 4), ("halves", 2)):
        given = ["--data", str(h5ad()), "--out", str(tmp_path / name), "--hidden", "8"]
        assert cli.main(["train", *given, "--epochs", str(first)]) == 0
    assert cli.main(["train", "--resume", str(tmp_path / "halves"), "--epochs", "4"]) == 0
    whole, halves = (runs.Run(tmp_path / n).open().get_weights() for n in ("whole", "halves"))
    for expected, found in zip(whole, halves, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--binarize", "dynamic"], "dense to be binarized"),
        (["--likelihood", "normal", "--size-factor", "observed"], "with a size factor.*normal"),
        (["--architecture", "conv"], "conv"),
    ],
)
def test_flags_that_do_not_fit_sparse_counts_end_with_status_2(
    flags, message, h5ad, tmp_path, capsys
):
    status, told = train(capsys, "--data", h5ad(), "--out", tmp_path / "run", *flags)
    assert (status, told.err.count("\n")) == (2, 1)
    assert message.split(".*")[0] in told.err


def test_sparse_real_numbers_are_standardized_as_dense_ones(rng, tmp_path, capsys):
    x = np.where(rng.random((60, 12)) < 0.5, rng.normal(5, 2, (60, 12)), 0).astype("float32")
    sparse.save_npz(tmp_path / "x.npz", sparse.csr_matrix(x))
    np.save(tmp_path / "x.npy", x)
    found = {}
    for name in ("x.npz", "x.npy"):
        status, told = train(capsys, "--data", tmp_path / name, "--out", tmp_path / f"{name}.run")
        assert status == 0
        assert "--preprocessing standardize" in told.out
        likelihood = runs.Run(tmp_path / f"{name}.run").open().likelihood
        found[name] = likelihood.location, likelihood.scale
    np.testing.assert_allclose(found["x.npz"], found["x.npy"], rtol=1e-5)
