"""p(x|z, y) of several covariates: exact answers, every form of y, and what is refused."""

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.stats

import keras_vae
from keras_vae import evaluation, tables
from keras_vae.commands import runs, testing
from keras_vae.distributions import Column
from keras_vae.models.labels import Labels
from keras_vae.plotting import kinds
from tests.tensors import array, stream

SITE = Column("site", "category", categories=("a", "b", "c"))
AGE = Column("age", "number", mean=40.0, scale=10.0)
COVARIATES = [SITE, AGE]


def made(architecture="mlp", shape=(6,), likelihood="normal", covariates=COVARIATES, **options):
    options = {"hidden": (8,), **options} if architecture == "mlp" else options
    vae = keras_vae.VAE.from_architecture(
        architecture, shape, 2, likelihood, seed=0, covariates=covariates, **options
    )
    vae.compile(optimizer=keras.optimizers.Adam(1e-2))
    return vae


@pytest.fixture
def x(rng):
    return rng.normal(0, 1, (60, 6)).astype("float32")


@pytest.fixture
def y(rng):
    return np.stack([np.arange(60) % 3, rng.uniform(20, 80, 60)], axis=-1).astype("float32")


def linear_vae(rng, covariates):
    """x = W z + V c + b + 0.8 noise, of arbitrary weights; c is y as the decoder takes it."""
    likelihood = keras_vae.distributions.Normal(scale=0.8)
    vae = made(likelihood=likelihood, hidden=(), covariates=covariates)
    for weight in (*vae.encoder.trainable_weights, *vae.decoder.trainable_weights):
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return vae


@pytest.mark.parametrize("covariates", [[AGE], COVARIATES], ids=["a number", "both"])
def test_the_log_likelihood_is_the_exact_one_given_the_covariates(rng, covariates, y):
    vae, x, y = linear_vae(rng, covariates), rng.normal(0, 1, (20, 6)), y[:20]
    one_hot, number = np.eye(3)[y[:, 0].astype(int)], (y[:, 1:] - 40) / 10
    parts = [number] if len(covariates) == 1 else [one_hot, number]
    weights, b = vae.decoder.get_weights()
    W, V = weights[:2].T, weights[2:]
    px = scipy.stats.multivariate_normal(b, W @ W.T + 0.8**2 * np.eye(6))
    given = y[:, -len(covariates) :]
    found = evaluation.importance_sample(vae, x, num_samples=2000, label=given)
    exact = px.logpdf(x - np.concatenate(parts, axis=-1) @ V)
    z = (found.log_likelihood - exact) / found.monte_carlo_error
    assert np.abs(z).max() < 4.5  # of 20 examples: false alarms once in 7,000 seeds
    older = given + np.eye(len(covariates))[-1] * 10
    other = evaluation.log_likelihood(vae, x, num_samples=2000, label=older)
    assert np.abs(other - found.log_likelihood).max() > 0.1


def test_training_recovers_the_effects_that_the_data_were_made_with(rng):
    """x = effect[site] + slope age + 0.5 noise, 4000 rows of 6 columns, with a fixed seed.

    The difference of two sites has a standard error of 0.5 √(2 / (1333 · 6)) = 0.008 in the data;
    that of the draws, which share their noise, adds little. 0.1 is for the training.
    """
    effect, slope = np.array([0.0, 1.0, -2.0]), 0.03
    y = np.stack([rng.integers(0, 3, 4000), rng.uniform(20, 60, 4000)], axis=-1)
    mean = effect[y[:, 0].astype(int)] + slope * (y[:, 1] - 40)
    x = mean[:, None] + rng.normal(0, 0.5, (4000, 6))
    vae = made(hidden=())
    vae.compile(optimizer=keras.optimizers.Adam(2e-2))
    vae.fit(x.astype("float32"), y, batch_size=200, epochs=15, verbose=0)

    def drawn(site, age):
        return vae.sample(2000, seed=5, label={"site": site, "age": age}, mean=False).mean()

    assert abs(drawn("b", 40) - drawn("a", 40) - 1) < 0.1
    assert abs(drawn("c", 40) - drawn("a", 40) + 2) < 0.1
    assert abs(drawn("a", 60) - drawn("a", 20) - 40 * slope) < 0.1


def test_every_form_of_y_gives_the_same_losses(x, y):
    sites = [SITE.categories[int(place)] for place in y[:, 0]]
    named = {"site": sites, "age": y[:, 1], "other": 0}
    forms = {
        "array": y,
        "double": y.astype("float64"),
        "tensor": keras.ops.convert_to_tensor(y),
        "dictionary": {name: named[name] for name in ("age", "site")},
        "pandas": pd.DataFrame(named),
        "polars": pl.DataFrame(named),
    }
    found = {name: made().evaluate(x, form, verbose=0) for name, form in forms.items()}
    found["stream"] = made().evaluate(stream(x, y), verbose=0)
    for name, losses in found.items():
        np.testing.assert_allclose(losses, found["array"], rtol=1e-5, err_msg=name)
    vae = made()
    assert np.abs(vae.evaluate(x, np.add(y, [0, 10]), verbose=0)[0] - found["array"][0]) > 1e-3
    score = vae.score(x, 3, label=forms["pandas"])["elbo"]
    np.testing.assert_array_equal(score, vae.score(x, 3, label=y)["elbo"])


def test_rows_in_place_and_a_stream_train_alike(x, y):
    losses = []
    for arguments in ((x, y), (stream(x, y, batch_size=20),)):
        keras.utils.set_random_seed(0)
        vae = made()
        options = {"batch_size": 20} if len(arguments) == 2 else {}
        given = {"shuffle": False, "verbose": 0, "epochs": 2, "validation_data": (x, y)}
        given["validation_batch_size"] = 60
        losses.append(vae.fit(*arguments, **options, **given).history)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(losses[0][name], losses[1][name], rtol=1e-5)


MODELS = {
    "flow": {"prior": "flow"},
    "conv, vamp": {
        "architecture": "conv",
        "shape": (6, 6, 1),
        "prior": keras_vae.distributions.VampPrior(3, activation="linear"),
        "filters": (4,),
        "units": 8,
    },
    "resnet": {"architecture": "resnet", "shape": (6, 6, 1), "width": 4},
}


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS)
def test_priors_and_architectures_take_covariates(options, rng, y):
    vae = made(**options)
    x = rng.normal(0, 1, (60, *vae.input_shape)).astype("float32")
    loss = vae.fit(x, y, batch_size=30, validation_split=0.5, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    assert np.isfinite(vae.score(x, 2, label=y)["log_likelihood"]).all()
    x_hat = vae.sample(3, label=y[0])
    assert np.abs(vae.sample(3, label=y[1]) - x_hat).max() > 0
    np.testing.assert_allclose(vae.sample(1, first=2, label=y[0])[0], x_hat[2], atol=1e-6)
    predicted = vae.predict([x, y], verbose=0)
    np.testing.assert_allclose(predicted, vae.reconstruct(x, label=y), atol=1e-5)


def test_a_saved_model_knows_its_covariates(x, y, tmp_path):
    vae = made()
    vae.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.covariates == vae.covariates == [SITE.told(), AGE.told()]
    assert loaded.num_classes is None
    found = [model.score(x, 3, label=y)["elbo"] for model in (vae, loaded)]
    np.testing.assert_array_equal(*found)


def test_one_category_is_a_label(x):
    named, plain = made(covariates=[SITE]), made(covariates=None, num_classes=3)
    assert "covariates" not in plain.get_config()
    assert (named.num_classes, plain.num_classes) == (3, 3)
    assert plain.covariates == [{"name": "label", "kind": "category", "categories": [0, 1, 2]}]
    y = np.arange(60) % 3
    expected = plain.score(x, 2, label=y)["elbo"]
    for label in (y, {"site": [SITE.categories[place] for place in y]}):
        np.testing.assert_array_equal(named.score(x, 2, label=label)["elbo"], expected)


GOOD = np.stack([np.arange(60) % 3, np.full(60, 40.0)], axis=-1)


def changed(place, value):
    y = GOOD.copy()
    y[7, place] = value
    return y


BAD = {
    "missing": (None, "this model needs a label"),
    "an unknown category": (
        changed(0, 3),
        "'site' a place from 0 to 2, of a, b, c, got 3 in row 7",
    ),
    "half a category": (changed(0, 0.5), "got 0.5 in row 7"),
    "no number": (changed(1, np.nan), "'age' a finite number, got nan in row 7"),
    "an infinite number": (changed(1, np.inf), "'age' a finite number, got inf in row 7"),
    "one covariate": (GOOD[:, 0], r"2 numbers, .*site \(a, b, c\), age \(a number\), got shape"),
    "three covariates": (GOOD[:, [0, 1, 1]], "2 numbers, .*got shape"),
    "too few": (GOOD[:5], "2 numbers, .*got shape"),
    "texts": (GOOD.astype(str), "label.* must be numbers, or values by name"),
    "no age": ({"site": "a"}, "by name, got no 'age'"),
    "another name": ({"site": "a", "age": 4, "sex": "f"}, "by name, got 'sex'"),
    "an unknown name": ({"site": "d", "age": 4}, "'site' must be one of a, b, c, got 'd'"),
    "no value": ({"site": "a", "age": None}, "'age' must be a number, got None"),
    "a word": ({"site": "a", "age": "old"}, "'age' must be a number, got 'old'"),
    "unequal": ({"site": ["a"] * 60, "age": [4] * 5}, "as many values of each name"),
}


@pytest.mark.parametrize(("y", "message"), BAD.values(), ids=BAD)
def test_covariates_that_are_missing_or_unknown_are_refused(y, message, x):
    vae = made()
    before = vae.get_weights()
    for call in (
        lambda: vae.fit(x, y, verbose=0),
        lambda: vae.fit(x, GOOD, validation_data=(x, y), verbose=0),
        lambda: vae.evaluate(x, y, verbose=0),
        lambda: vae.predict([x, y], verbose=0),
        lambda: vae.score(x, label=y),
        lambda: vae.decode(np.zeros((60, 2)), label=y),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)
    for weight, was in zip(vae.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, was)


@pytest.mark.parametrize(("place", "value"), [(0, 3), (1, np.nan)])
def test_a_stream_of_unknown_covariates_is_refused(place, value, x):
    vae = made()
    for method in (vae.fit, vae.evaluate):
        with pytest.raises(
            ValueError, match=r"holds labels that are none of site \(a, b, c\), age"
        ):
            method(stream(x, changed(place, value)), verbose=0)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match="'age' must have a mean and a scale"):
        made(covariates=[Column("age", "number")])
    with pytest.raises(ValueError, match="differ in name"):
        made(covariates=[AGE, AGE])
    with pytest.raises(ValueError, match=r"second input \(None, 4\) for the covariates site"):
        made(num_classes=5)
    for scale in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="scale positive, got"):
            Column("age", "number", mean=0.0, scale=scale)
    with pytest.raises(ValueError, match="got a label, but this model knows none"):
        made(covariates=None).sample(1, label={"site": "a"})


def test_what_a_decoder_is_given_is_one_hot_and_standardized(y):
    encoded = array(Labels(COVARIATES).encoded(y))
    np.testing.assert_array_equal(encoded[:, :3], np.eye(3)[y[:, 0].astype(int)])
    np.testing.assert_allclose(encoded[:, 3], (y[:, 1] - 40) / 10, rtol=1e-6)


FRAME = pl.DataFrame(
    {
        "age": [20 + i / 2 for i in range(80)],
        "height": [150 + (i * 37 % 80) / 2 for i in range(80)],
        "site": ["a", "b"] * 40,
    }
)


@pytest.mark.only_on("tensorflow")  # whose data sets hold dictionaries and tuples as they are
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_stream_of_values_by_name_is_refused(method, x, y):
    named = {"site": y[:, 0], "age": y[:, 1]}
    for given, kind in ((named, "dict"), (tuple(named.values()), "tuple")):
        with pytest.raises(ValueError, match=rf"got a {kind}: keras_vae.tables.covariates"):
            getattr(made(), method)(stream(x, given), verbose=0)


@pytest.mark.parametrize("data", ["digits", "x.npz"])
def test_data_that_hold_no_covariates_are_told_from_those_that_may(data, x, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "x.npz", x_train=x)
    vae, folder = made(), runs.Run(tmp_path)
    with pytest.raises(ValueError, match="given site, age, which are read from a table or an"):
        testing.load_test_set(vae, folder, data)
    with pytest.raises(ValueError, match="no such file"):
        testing.load_test_set(vae, folder, "nowhere.npz")


def test_a_table_is_given_its_columns_with_label():
    table = tables.read(FRAME, label="site, age")
    assert [c.name for c in table.columns if c.label] == ["age", "site"]  # as they stand there
    np.testing.assert_array_equal(table.y[:, 1], [0, 1] * 40)
    vae = made(shape=table.x.shape[1:], likelihood=table.likelihood(), covariates=None)
    assert [c["name"] for c in vae.covariates] == ["age", "site"]
    assert vae.covariates[0]["mean"] == FRAME["age"].mean()
    vae.fit(table.x, FRAME, verbose=0)
    x = vae.sample(4, label={"age": 31.5, "site": "b"}, mean=False)
    rows = tables.text(vae.likelihood, x, label=[31.5, 1])
    assert (rows["age"], rows["site"]) == (["31.5"] * 4, ["b"] * 4)
    with pytest.raises(ValueError, match="here 'age', 'site': leave"):
        made(shape=(1,), likelihood=table.likelihood(), covariates=COVARIATES)
    with pytest.raises(ValueError, match="Did you mean 'site'"):
        tables.read(FRAME, label=["age", "sit"])
    gap = pl.DataFrame({"age": [3.0], "height": [4.0], "site": None}, schema=FRAME.schema)
    with pytest.raises(ValueError, match="'site' must not be missing, as in row 80"):
        tables.read(pl.concat([FRAME, gap]), label=["age", "site"])


def test_covariates_are_found_in_a_data_frame():
    found, y = tables.covariates(pd.DataFrame({name: FRAME[name] for name in ("site", "age")}))
    assert found[0] == Column("site", "category", categories=("a", "b"))
    age = FRAME["age"]
    np.testing.assert_allclose([found[1].mean, found[1].scale], [age.mean(), age.std(ddof=0)])
    np.testing.assert_array_equal(y[:, 1], age.to_numpy().astype("float32"))
    with pytest.raises(ValueError, match="of no use, got one left out: id"):
        tables.covariates({"id": [f"number {i}" for i in range(80)], "site": ["a", "b"] * 40})


def test_pictures_show_some_of_many_covariates(y):
    vae = made()
    assert len(kinds.draws(vae)) == 6 * round(1000 / 6)  # of three sites, at two ages
    many = np.stack([np.arange(500) % 3, np.arange(500.0)], axis=-1)
    assert len({*map(tuple, kinds.some(many))}) == kinds.FEWEST
    assert len(kinds.draws(vae, many)) == kinds.FEWEST * round(1000 / kinds.FEWEST)


def test_a_data_frame_of_one_column_is_a_label_without_a_name(make_vae, rng):
    vae = make_vae(num_classes=3)
    x, y = rng.random((6, 8, 8, 1)).astype("float32"), pd.DataFrame({"digit": [0, 1, 2, 0, 1, 2]})
    vae.fit(x, y, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="0 to 2"):
        vae.fit(x, y + 1, epochs=1, verbose=0)
