"""What `fit`, `evaluate` and `predict` take, and what they refuse with one clear line."""

import warnings
from itertools import chain

import keras
import numpy as np
import pytest
from scipy import sparse

from keras_vae import VAE, anomaly
from keras_vae.distributions import likelihoods
from keras_vae.evaluation import latent_use, report
from keras_vae.models.packed import PackedRows
from tests.tensors import array

ONE = {"list": lambda x: [x], "tuple": lambda x: (x,), "dictionary": lambda x: {"x": x}}


class Batches(keras.utils.PyDataset):
    """A data set of `count` batches, whatever `batch` gives."""

    def __init__(self, batch, count=4):
        super().__init__()
        self.batch, self.count = batch, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.batch(index)


def table_vae(likelihood="normal", **options):
    vae = VAE.from_architecture("mlp", (20,), 2, likelihood, seed=0, hidden=(8,), **options)
    vae.compile(keras.optimizers.Adam(1e-2))
    return vae


def numbers(history):
    """What a short `fit` logged, about: the noise of two equal runs is the same."""
    return {name: pytest.approx(values, rel=1e-3) for name, values in history.history.items()}


@pytest.fixture
def counts(rng):
    return rng.poisson(0.3, (70, 20)).astype("float32")


@pytest.mark.parametrize("form", ONE)
def test_a_container_of_one_is_what_it_holds(make_vae, digits, form):
    x, wrap, (plain, other) = digits[:64], ONE[form], (make_vae(), make_vae())
    expected = numbers(plain.fit(x, validation_data=(x,), shuffle=False, verbose=0))
    found = other.fit(wrap(x), validation_data=(wrap(x),), shuffle=False, verbose=0).history
    assert found == expected
    assert other.evaluate(wrap(x), verbose=0) == pytest.approx(plain.evaluate(x, verbose=0), 1e-3)
    np.testing.assert_allclose(
        other.predict(wrap(x), verbose=0), plain.predict(x, verbose=0), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("form", ["tuple", "dictionary"])  # Keras makes no tensors of lists
def test_a_data_set_may_yield_containers_of_one(make_vae, digits, form):
    x, vae = digits[:64], make_vae()
    data = Batches(lambda i: (ONE[form](x[16 * i : 16 * i + 16]),))
    expected = make_vae().evaluate(x, batch_size=16, verbose=0)
    assert vae.evaluate(data, verbose=0) == pytest.approx(expected)
    np.testing.assert_allclose(
        vae.predict(data, verbose=0), vae.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )
    assert vae.fit(data, verbose=0).history["loss"][0] > 0


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_several_arrays_are_refused_by_their_names(make_vae, digits, method):
    two = {"image": digits[:8], "mask": digits[:8]}
    for x in (two, Batches(lambda i: (two,))):
        with pytest.raises(ValueError, match="one array, got a dict of image, mask"):
            getattr(make_vae(), method)(x, verbose=0)


def test_validation_split_takes_its_weights_along(make_vae, digits):
    x, weight = digits[:64].copy(), np.repeat([1.0, 0.0], [56, 8])
    x[56:] = 100  # what does not count
    vae, options = make_vae(), {"sample_weight": weight, "validation_split": 0.25, "verbose": 0}
    history = vae.fit(x, batch_size=16, **options).history
    given = vae.evaluate(x[48:], sample_weight=weight[48:], return_dict=True, verbose=0)
    assert history["val_loss"][0] == pytest.approx(given["loss"], rel=0.1)
    assert vae.evaluate(x[48:], return_dict=True, verbose=0)["loss"] > 100 * abs(given["loss"])


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_a_model_that_is_not_compiled_says_so(digits, method):
    vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", prior="flow", seed=0)
    with pytest.raises(ValueError, match="You must call `compile"):
        getattr(vae, method)(digits[:8])


@pytest.mark.parametrize("kind", ["csr_array", "coo_matrix"])
def test_sparse_rows_are_what_the_dense_ones_are(counts, kind):
    x, weight = getattr(sparse, kind)(counts), np.linspace(0, 2, len(counts))
    options = {"sample_weight": weight, "validation_split": 0.25, "shuffle": False, "verbose": 0}
    dense, other = table_vae("poisson"), table_vae("poisson")
    expected = numbers(dense.fit(counts, epochs=2, batch_size=16, **options))
    assert other.fit(x, epochs=2, batch_size=16, **options).history == expected
    np.testing.assert_allclose(
        other.predict(x, verbose=0), dense.predict(counts, verbose=0), rtol=1e-3
    )
    assert other.evaluate(x, verbose=0) == pytest.approx(dense.evaluate(counts, verbose=0), 1e-3)


def test_sparse_rows_keep_their_labels(counts):
    x, y = sparse.csr_array(counts), np.arange(len(counts)) % 3
    dense, other = (table_vae("poisson", num_classes=3) for _ in range(2))
    expected = numbers(dense.fit(counts, y, shuffle=False, verbose=0))
    assert other.fit(x, y, shuffle=False, verbose=0).history == expected
    np.testing.assert_allclose(
        other.predict([x, y], verbose=0), dense.predict([counts, y], verbose=0), rtol=1e-3
    )


def test_shuffled_sparse_rows_are_all_there_in_another_order(counts):
    y = np.arange(len(counts))
    rows = PackedRows(sparse.csr_array(counts), y, batch_size=16, shuffle=True)
    seen = []
    for _ in range(2):
        x, labels = (np.concatenate(column) for column in zip(*rows, strict=True))
        np.testing.assert_array_equal(x, counts[labels])
        seen.append(labels)
        rows.on_epoch_end()
    assert [sorted(labels) for labels in seen] == [list(y)] * 2
    assert len({tuple(labels) for labels in [y, *seen]}) == 3
    with pytest.raises(ValueError, match="as many rows, got 70 of x and 69"):
        PackedRows(sparse.csr_array(counts), y[1:])


class Positive(likelihoods.Normal):
    support = "positive numbers"

    def in_support(self, x):
        return keras.ops.greater(x, 0)


@pytest.mark.parametrize(
    ("likelihood", "change", "message"),
    [
        ("poisson", lambda x: x * 0.5, r"counts .*x holds 0\.5"),
        ("normal", lambda x: np.where(x > 1, np.nan, x), "NaN or infinite"),
        (Positive(), lambda x: x, "positive numbers, but x holds 0"),
        ("poisson", lambda x: x[:, 1:], r"shape \(batch, 20\), got \(70, 19\)"),
        ("poisson", lambda x: x.astype(complex), "must hold numbers, got dtype complex"),
    ],
)
def test_sparse_rows_that_do_not_fit_are_refused(counts, likelihood, change, message):
    with pytest.raises(ValueError, match=message):
        table_vae(likelihood).fit(sparse.csr_array(change(counts)), verbose=0)


def test_sparse_rows_are_encoded_scored_and_judged_as_dense_ones(counts):
    vae, x = table_vae("poisson"), sparse.csr_array(counts)
    for method in (vae.encode, vae.reconstruct, vae.element_log_prob, latent_use):
        given = {"vae": vae} if method is latent_use else {}
        found, expected = (list(method(x=rows, **given))[:2] for rows in (x, counts))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    for of_sparse, of_dense in (
        (vae.score(x, num_samples=3), vae.score(counts, num_samples=3)),
        (report(vae, x, 30).to_json(), report(vae, counts, 30).to_json()),
    ):
        assert {n: str(v) for n, v in of_sparse.items()} == {n: str(v) for n, v in of_dense.items()}
    detector = anomaly.calibrate(vae, x, num_samples=5)
    assert detector.threshold == anomaly.calibrate(vae, counts, num_samples=5).threshold
    assert (detector.is_anomaly(x) == detector.is_anomaly(counts)).all()


def test_the_order_of_sparse_rows_is_a_function_of_the_epoch(counts):
    def orders(first, last):
        keras.utils.set_random_seed(3)
        x, y = sparse.csr_array(counts), np.arange(len(counts))
        rows = PackedRows(x, y, batch_size=16, shuffle=True, epoch=first)
        for epoch in range(first, last):
            yield epoch, [row for _, labels in rows for row in labels.tolist()]
            rows.on_epoch_end()

    whole = dict(orders(0, 4))
    assert dict(orders(2, 4)) == {epoch: whole[epoch] for epoch in (2, 3)}
    assert whole[0] != whole[1]


def test_rows_read_beyond_an_epoch_of_some_steps_are_in_the_same_orders(counts):
    x, y = sparse.csr_array(counts), np.arange(len(counts))  # 70: 5 batches

    def seen(epoch, count, ends):
        keras.utils.set_random_seed(3)
        rows = PackedRows(x, y, batch_size=16, shuffle=True, epoch=epoch, steps=3)
        assert rows.num_batches is None
        for index in range(count):  # however late Keras says that an epoch is over
            yield rows[index][1].tolist()
            for _ in range(ends.count(index)):
                rows.on_epoch_end()

    whole = [*seen(0, 10, [])]
    assert [*seen(0, 10, [0, 0, 1, 4])] == whole
    assert [*seen(2, 4, [2])] == whole[6:]  # an epoch has 3
    passes = [[*chain(*batches)] for batches in (whole[:5], whole[5:])]
    assert [sorted(rows) for rows in passes] == [y.tolist()] * 2
    assert passes[0] != passes[1]


def test_a_fit_of_sparse_rows_by_steps_goes_on_through_the_rows(counts):
    def fitted(*epochs):
        vae = table_vae("poisson")
        for initial, last in epochs:
            keras.utils.set_random_seed(0)
            given = {"initial_epoch": initial, "epochs": last, "steps_per_epoch": 3}
            vae.fit(sparse.csr_array(counts), batch_size=16, verbose=0, **given)
        assert int(vae.optimizer.iterations) == 12
        return vae.get_weights()

    for found, expected in zip(fitted((0, 2), (2, 4)), fitted((0, 4)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_fit_of_sparse_rows_that_goes_on_comes_to_the_same_weights(counts):
    def fitted(*epochs):
        vae = table_vae("poisson")
        for initial, last in epochs:
            keras.utils.set_random_seed(0)
            x = sparse.csr_array(counts)
            vae.fit(x, initial_epoch=initial, epochs=last, batch_size=16, verbose=0)
        return vae.get_weights()

    for found, expected in zip(fitted((0, 2), (2, 4)), fitted((0, 4)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_is_the_array_in_it(counts, library):
    frame = pytest.importorskip(library).DataFrame({f"c{i}": counts[:, i] for i in range(20)})
    vae = table_vae()
    np.testing.assert_array_equal(vae.predict(frame, verbose=0), vae.predict(counts, verbose=0))
    np.testing.assert_array_equal(vae.encode(frame), vae.encode(counts))
    assert np.isfinite(vae.fit(frame, validation_split=0.2, verbose=0).history["val_loss"]).all()


def test_columns_beside_x_go_by_their_order_and_not_by_an_index(counts):
    series, weight = pytest.importorskip("pandas").Series, np.linspace(0, 2, len(counts))
    options = {"validation_split": 0.25, "shuffle": False, "verbose": 0}
    expected = numbers(table_vae().fit(counts, sample_weight=weight, **options))
    column = series(weight, index=np.arange(len(counts))[::-1])
    assert table_vae().fit(counts, sample_weight=column, **options).history == expected


def test_nullable_columns_without_gaps_are_numbers(counts):
    frame = pytest.importorskip("pandas").DataFrame(counts)
    np.testing.assert_array_equal(
        table_vae().encode(frame.astype("Int64")), table_vae().encode(counts)
    )


FRAMES = {
    "text": (lambda x: x.assign(c3="a"), "column 'c3' holds"),
    "category": (lambda x: x.assign(c3=x.c3.astype("category")), "column 'c3' holds category"),
    "date": (lambda x: x.assign(c3=np.datetime64("2020-01-01")), "column 'c3' holds datetime"),
    "NaN": (lambda x: x.where(x < 2), "NaN or infinite"),
    "NA": (lambda x: x.astype("Int64").where(x < 2), "NaN or infinite"),
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_column_that_holds_no_numbers_is_named(counts, kind, method):
    frame = pytest.importorskip("pandas").DataFrame(counts, columns=[f"c{i}" for i in range(20)])
    change, message = FRAMES[kind]
    with pytest.raises(ValueError, match=message):
        getattr(table_vae(), method)(change(frame), verbose=0)


PIXELS = {
    "uint8": lambda x: (255 * x).astype("uint8"),
    "floats": lambda x: np.floor(255 * x),
    "uint8 vectors": lambda x: (255 * x).astype("uint8").reshape(len(x), 64),
}


@pytest.mark.parametrize("kind", PIXELS)
def test_pixels_that_are_not_scaled_are_warned_of_in_a_density(digits, kind):
    x = PIXELS[kind](digits[:32])
    vae = VAE.from_architecture("mlp", x.shape[1:], 2, "normal", seed=0, hidden=(4,))
    vae.compile("adam")
    with pytest.warns(UserWarning, match=r"x holds whole numbers up to 255.* x / 255"):
        vae.fit(x, verbose=0)


@pytest.mark.parametrize(
    ("likelihood", "change"),
    [
        ("normal", lambda x: x),
        ("normal", lambda x: (x > 0.5).astype("uint8")),
        ("normal", lambda x: np.floor(255 * x) - 128),
        ("poisson", lambda x: np.floor(255 * x)),
    ],
)
def test_other_numbers_are_not_taken_for_pixels(make_vae, digits, likelihood, change):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="x holds")
        make_vae(likelihood=likelihood).fit(change(digits[:32]), verbose=0)


def unknown_sizes(x, ranked=True):
    """Pictures as `decode_png` gives them to tf.data: their sizes are known at run time."""
    import tensorflow as tf

    shape = (None, None, None, 1) if ranked else None
    signature = tf.TensorSpec(shape, tf.float32)
    batches = [x[i : i + 16] for i in range(0, len(x), 16)]
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)


@pytest.mark.parametrize("ranked", [True, False])
@pytest.mark.parametrize("compiled", [{}, {"run_eagerly": True}])
def test_sizes_that_are_known_at_run_time_are_checked_then(make_vae, digits, ranked, compiled):
    x, vae = digits[:64], make_vae(compiled=compiled)
    data, wrong = unknown_sizes(x, ranked), unknown_sizes(x.reshape(-1, 4, 16, 1), ranked)
    expected = make_vae(compiled=compiled).evaluate(x, batch_size=16, verbose=0)
    assert vae.evaluate(data, verbose=0) == pytest.approx(expected)
    np.testing.assert_allclose(
        vae.predict(data, verbose=0), vae.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )
    assert vae.fit(data, verbose=0).history["loss"][0] > 0
    before = [array(w) for w in vae.weights]
    for method in ("fit", "evaluate", "predict"):
        with pytest.raises(ValueError, match=r"shape \(batch, 8, 8, 1\), got \(\d+, 4, 16, 1\)"):
            getattr(vae, method)(wrong, verbose=0)
    for weight, value in zip(vae.weights, before, strict=True):
        np.testing.assert_array_equal(array(weight), value)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "validation"])
def test_no_data_are_refused(make_vae, digits, method):
    vae, x = make_vae(), digits[:16]
    run = {
        "fit": vae.fit,
        "evaluate": vae.evaluate,
        "predict": vae.predict,
        "validation": lambda nothing, verbose: vae.fit(x, validation_data=nothing, verbose=verbose),
    }[method]
    for nothing in (x[:0], unknown_sizes(x[:0])):
        with pytest.raises(ValueError, match="must hold at least one"):
            run(nothing, verbose=0)


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_a_column_of_another_length_is_refused(make_vae, digits, name):
    with pytest.raises(ValueError, match=f"{name} must hold one entry .* 64 .*, got 63"):
        make_vae().fit(digits[:64], **{name: np.ones(63)}, verbose=0)


def test_weights_may_be_a_tensor(make_vae, digits):
    weight = np.linspace(0.5, 1.5, 64).astype("float32")
    losses = [
        make_vae().fit(digits[:64], sample_weight=w, shuffle=False, verbose=0).history["loss"]
        for w in (weight, keras.ops.convert_to_tensor(weight))
    ]
    assert losses[0] == losses[1]
