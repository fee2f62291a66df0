"""Every Keras habit works on a VAE: fit, evaluate, predict, summary, save, callbacks, policies."""

import csv

import keras
import numpy as np
import pytest
from keras import ops

import keras_vae
from keras_vae import VAE
from keras_vae.schedules import KLWarmup
from tests.tensors import Batches, array, stream

COMPILES = pytest.mark.only_on("tensorflow", "jax")
COSTS = {"loss", "reconstruction_loss", "kl_loss"}


def weights(vae):
    return [array(w) for w in vae.trainable_weights]


def same(a, b, atol=0.0):
    return all(np.allclose(v, w, rtol=0, atol=atol) for v, w in zip(a, b, strict=True))


FORMS = {
    "array": lambda x: {"x": x, "batch_size": 32},
    "array as its own target": lambda x: {"x": x, "y": x, "batch_size": 32},
    "float64": lambda x: {"x": x.astype("float64"), "batch_size": 32},
    "tensor": lambda x: {"x": ops.convert_to_tensor(x), "batch_size": 32},
    "tf.data": lambda x: {"x": stream(x)},
    "tf.data of pairs": lambda x: {"x": stream(x, x)},
    "PyDataset": lambda x: {"x": Batches(x)},
    "generator": lambda x: {"x": ((x[i : i + 32],) for i in range(0, 96, 32))},
}


@pytest.fixture(scope="module")
def reference(make_vae, digits):
    """What `fit` makes of the array itself."""
    vae = make_vae()
    vae.fit(digits[:96], batch_size=32, shuffle=False, verbose=0)
    return vae


@pytest.mark.parametrize("form", FORMS)
def test_fit_takes_every_form_of_data_and_they_agree(make_vae, digits, reference, form):
    shuffle = {} if form in ("tf.data", "tf.data of pairs", "generator") else {"shuffle": False}
    vae = make_vae()
    history = vae.fit(**FORMS[form](digits[:96]), epochs=1, verbose=0, **shuffle).history
    assert set(history) == COSTS | {"skipped_steps"}
    assert history["loss"] == pytest.approx(reference.history.history["loss"], rel=1e-6)
    assert same(weights(vae), weights(reference), atol=1e-6)


@pytest.mark.parametrize(
    "compiled",
    [
        pytest.param({"jit_compile": True}, marks=COMPILES),
        pytest.param({"steps_per_execution": 2}, marks=COMPILES),
        {"run_eagerly": True},
    ],
    ids=lambda compiled: next(iter(compiled)),
)
def test_ways_to_run_a_step_agree(make_vae, digits, compiled):
    x, data = digits[:96], {"validation_data": (digits[96:128],), "shuffle": False, "verbose": 0}
    plain, other = make_vae(), make_vae(compiled=compiled)
    expected = plain.fit(x, batch_size=32, epochs=2, **data).history
    history = other.fit(x, batch_size=32, epochs=2, **data).history
    assert set(history) == COSTS | {"skipped_steps"} | {f"val_{name}" for name in COSTS}
    if "jit_compile" not in compiled:  # XLA draws other noise from the same seed
        assert history["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert history["loss"] == pytest.approx(expected["loss"], rel=0.1)
    assert history["loss"][1] < history["loss"][0]


def test_the_loss_is_the_sum_of_its_terms_and_falls(make_vae, digits):
    vae = make_vae()
    history = vae.fit(digits, epochs=3, verbose=0, validation_split=0.1).history
    for prefix in ("", "val_"):
        total = np.add(history[f"{prefix}reconstruction_loss"], history[f"{prefix}kl_loss"])
        np.testing.assert_allclose(history[f"{prefix}loss"], total, rtol=1e-5)
    assert history["loss"][0] > history["loss"][1] > history["loss"][2] > 0


def test_evaluate_and_batch_methods(make_vae, digits):
    vae = make_vae()
    result = vae.evaluate(digits[:64], return_dict=True, verbose=0)
    assert set(result) == COSTS
    assert set(vae.train_on_batch(digits[:32], return_dict=True)) == COSTS | {"skipped_steps"}
    assert set(vae.test_on_batch(digits[:32], return_dict=True)) == COSTS


def test_examples_of_weight_zero_do_not_count(make_vae, digits):
    x = digits[:64].copy()
    weight = np.ones(64)
    weight[32:] = 0
    few, all_of_them = make_vae(), make_vae()
    for vae in (few, all_of_them):  # so that noise does not count
        vae.encoder.get_layer("z_log_var").bias.assign(np.full(3, -1e3))
    expected = few.evaluate(x[:32], batch_size=32, return_dict=True, verbose=0)
    actual = all_of_them.evaluate(x, sample_weight=weight, return_dict=True, verbose=0)
    assert actual == pytest.approx(expected, rel=1e-4)


def test_sample_weights_of_validation_data_count(make_vae, digits):
    """Also of a pair without targets, whose weights Keras itself drops."""
    x, weight = digits[:64], np.repeat([1.0, 0.0], 32)
    validation = {"all": (x, x), "x, None, w": (x, None, weight), "x, x, w": (x, x, weight)}
    losses = {
        name: make_vae().fit(x, validation_data=data, shuffle=False, verbose=0).history["val_loss"]
        for name, data in validation.items()
    }
    assert losses["x, None, w"] == pytest.approx(losses["x, x, w"], rel=1e-5)
    assert losses["x, None, w"] != pytest.approx(losses["all"], rel=1e-4)


@pytest.mark.only_on("tensorflow")
def test_other_export_formats_are_those_of_keras(make_vae, digits, tmp_path):
    vae = make_vae()
    vae.export(tmp_path / "saved_model", format="tf_saved_model", verbose=False)
    tf = pytest.importorskip("tensorflow")
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    np.testing.assert_allclose(loaded.serve(digits[:3]), vae.reconstruct(digits[:3]), atol=1e-5)


@pytest.mark.parametrize("form", ["x, weights", "x, x, weights", "tf.data"])
def test_sample_weight_scales_the_gradient_as_in_keras(make_vae, digits, form):
    x, twice = digits[:32], np.full(32, 2.0)
    weighted = {
        "x, weights": {"x": x, "sample_weight": twice},
        "x, x, weights": {"x": x, "y": x, "sample_weight": twice},
    }
    given = weighted.get(form) or {"x": stream(x, x, twice)}
    plain = make_vae(compiled={"optimizer": keras.optimizers.SGD(1e-4)})
    doubled = make_vae(compiled={"optimizer": keras.optimizers.SGD(0.5e-4)})
    before = weights(plain)
    plain.fit(x, shuffle=False, verbose=0)
    doubled.fit(**given, shuffle=False, verbose=0)
    for start, a, b in zip(before, weights(plain), weights(doubled), strict=True):
        np.testing.assert_allclose(a - start, b - start, atol=1e-7)


def test_predict_is_reconstruct_and_call(make_vae, digits):
    vae, x = make_vae("conv"), digits[:40]
    x_hat = vae.reconstruct(x)
    assert x_hat.shape == x.shape
    np.testing.assert_allclose(vae.predict(x, verbose=0), x_hat, atol=1e-6)
    np.testing.assert_allclose(array(vae(x)), x_hat, atol=1e-6)
    np.testing.assert_allclose(vae.decode(vae.encode(x)[0]), x_hat, atol=1e-6)


@pytest.mark.parametrize("method", ["encode", "reconstruct"])
def test_batches_change_nothing(make_vae, digits, method):
    results = [getattr(make_vae(), method)(digits[:50], batch_size=n) for n in (50, 7)]
    for a, b in zip(*(np.atleast_1d(r) for r in results), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_sample_i_depends_on_i_alone(make_vae):
    vae = make_vae()
    together = vae.sample(100, seed=7)
    parts = [vae.sample(37, seed=7), vae.sample(63, seed=7, first=37)]
    np.testing.assert_allclose(together, np.concatenate(parts), atol=1e-6)
    assert not np.allclose(together, vae.sample(100, seed=8))
    assert vae.sample(0).shape == (0, 8, 8, 1)
    cold = vae.sample(5, temperature=0)
    np.testing.assert_allclose(cold, vae.decode(np.zeros((5, 3))), atol=1e-6)


def test_summary_names_the_parts(make_vae):
    lines = []
    make_vae().summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    for part in ("encoder", "decoder", "normal", "standard_normal", "sampling"):
        assert part in text


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_saved_and_loaded_gives_the_same_numbers_and_trains_on(
    make_vae, digits, likelihood, tmp_path
):
    x = digits[:96].round() if likelihood == "bernoulli" else digits[:96]
    beta = keras_vae.objectives.ELBO(beta=1.5)
    vae = make_vae(likelihood=likelihood, objective=beta, seed=11)
    vae.fit(x, epochs=2, verbose=0)
    vae.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert (loaded.seed, loaded.objective.beta) == (11, 1.5)
    assert type(loaded.prior) is type(vae.prior)
    assert type(loaded.likelihood) is type(vae.likelihood)
    np.testing.assert_array_equal(loaded.reconstruct(x), vae.reconstruct(x))
    np.testing.assert_array_equal(loaded.sample(4), vae.sample(4))
    assert int(loaded.optimizer.iterations) == int(vae.optimizer.iterations) == 6
    for model in (vae, loaded):
        model.fit(x, epochs=2, shuffle=False, verbose=0)
    assert same(weights(vae), weights(loaded))  # optimizer and noise went on where they were


def test_callbacks_see_what_they_see_in_keras(make_vae, digits, tmp_path):
    vae = make_vae()
    history = vae.fit(
        digits[:96],
        validation_data=(digits[96:128],),
        epochs=9,
        verbose=0,
        callbacks=[
            keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
            keras.callbacks.EarlyStopping("val_loss", min_delta=1e9, patience=2),
        ],
    )
    assert len(history.epoch) == 3
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [float(row["val_kl_loss"]) for row in rows] == pytest.approx(
        history.history["val_kl_loss"]
    )
    assert isinstance(keras.saving.load_model(tmp_path / "best.keras"), VAE)


def test_a_callback_list_and_positional_arguments_are_taken(make_vae, digits):
    vae, x = make_vae(), digits[:32]
    callbacks = keras.callbacks.CallbackList([KLWarmup(2)], model=vae, add_history=True, steps=2)
    history = vae.fit(x, None, 16, 1, 0, callbacks)
    assert history.history["kl_weight"] == [0.25]
    assert vae.evaluate(x, None, 16, 0)[0] > 0


def test_metrics_given_to_compile_compare_x_hat_with_x(make_vae, digits):
    vae = make_vae(compiled={"metrics": ["mse"]})
    vae.encoder.get_layer("z_log_var").bias.assign(np.full(3, -1e3))
    expected = np.square(digits[:64] - vae.reconstruct(digits[:64])).mean()
    result = vae.evaluate(digits[:64], return_dict=True, verbose=0)
    assert set(result) == COSTS | {"mse"}
    assert result["mse"] == pytest.approx(expected, rel=1e-3)
    assert set(vae.fit(digits[:64], verbose=0).history) == COSTS | {"mse", "skipped_steps"}


def test_regularizers_of_the_users_layers_count(digits):
    x = keras.Input((8, 8, 1))
    h = keras.layers.Flatten()(x)
    heads = [keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(10.0))(h)] * 2
    z = keras.Input((2,))
    decoder = keras.Model(z, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(z)))
    vae = VAE(keras.Model(x, heads), decoder, likelihood="normal", seed=0)
    vae.compile("adam")
    result = vae.evaluate(digits[:32], return_dict=True, verbose=0)
    penalty = float(sum(vae.losses))
    assert penalty > 1
    expected = result["reconstruction_loss"] + result["kl_loss"] + penalty
    assert result["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_warmup_weighs_training_alone_and_ends_at_one(make_vae, digits):
    vae = make_vae()
    history = vae.fit(
        digits[:96],
        batch_size=32,
        epochs=4,
        verbose=0,
        validation_data=(digits[96:128],),
        callbacks=[KLWarmup(epochs=3)],
    ).history
    np.testing.assert_allclose(history["kl_weight"], [2 / 9, 5 / 9, 8 / 9, 1], rtol=1e-6)
    total = np.add(history["val_reconstruction_loss"], history["val_kl_loss"])
    np.testing.assert_allclose(history["val_loss"], total, rtol=1e-5)
    first = history["reconstruction_loss"][0]
    assert first < history["loss"][0] < first + history["kl_loss"][0]
    assert float(vae.kl_weight) == 1


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_loads(digits, policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        vae = VAE.from_architecture("conv", (8, 8, 1), 3, "normal", seed=0)
        vae.compile("adam")
        history = vae.fit(digits[:512], epochs=3, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert history["loss"][2] < history["loss"][0]
    assert {w.dtype for w in vae.trainable_weights} == {"float32"}
    vae.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.sample(4), vae.sample(4))


def test_a_layer_that_is_not_registered_is_found_among_the_custom_objects(tmp_path):
    """A scope that Keras opens for them reaches into the parts of the model."""

    class Twice(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    x, z = keras.Input((4,)), keras.Input((2,))
    h = Twice()(x)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    vae = keras_vae.VAE(encoder, keras.Model(z, keras.layers.Dense(4)(z)), likelihood="normal")
    vae.save(tmp_path / "model.keras")
    objects = {"Twice": Twice}
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects=objects)
    with keras.saving.custom_object_scope(objects):
        scoped = keras.saving.load_model(tmp_path / "model.keras")
    for model in (loaded, scoped):
        np.testing.assert_array_equal(model.get_weights()[0], vae.get_weights()[0])
