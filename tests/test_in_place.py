"""`fit` on arrays takes many steps in one call, and comes to the weights of Keras' own loop."""

import keras
import numpy as np
import pytest

from keras_vae import VAE, backend
from keras_vae.schedules import KLWarmup


class EachBatch(keras.callbacks.Callback):
    """Looks at batches, so that the steps are taken one by one."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)


@pytest.fixture(autouse=True, params=["compiled", "as a graph"])
def xla_after(request, monkeypatch):
    """Compiles the steps from the first on, or only in a second `fit`."""
    steps = 1 if request.param == "compiled" else 10**9
    monkeypatch.setattr(backend, "LIMITS", backend.LIMITS._replace(xla_after=steps))
    if request.param != "compiled" and keras.config.backend() != "tensorflow":
        pytest.skip("only TensorFlow has both")


def weights(vae):
    return [keras.ops.convert_to_numpy(w) for w in vae.weights]


def with_dropout():
    x, z = keras.Input((8, 8, 1)), keras.Input((3,))
    h = keras.layers.Dropout(0.5, seed=3)(keras.layers.Flatten()(x))
    h = keras.layers.BatchNormalization()(h)
    outputs = [keras.layers.Dense(3, name=name)(h) for name in ("z_mean", "z_log_var")]
    decoder = keras.Model(z, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(z)))
    return VAE(keras.Model(x, outputs), decoder, "normal", seed=0)


class AddsInPlace(keras.layers.Layer):
    """Adds to a constant, which PyTorch does in place, and makes a loss of it."""

    def call(self, h):
        loss = keras.ops.convert_to_tensor(0.0)
        loss += keras.ops.mean(h**2)
        self.add_loss(loss)
        return h


def with_loss():
    x = keras.Input((8, 8, 1))
    h = AddsInPlace()(keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    outputs = [keras.layers.Dense(3, name=name)(h) for name in ("z_mean", "z_log_var")]
    return VAE(keras.Model(x, outputs), mlp().decoder, "normal", seed=0)


def mlp(**options):
    return VAE.from_architecture("mlp", (8, 8, 1), 3, "normal", seed=0, hidden=(16,), **options)


def conv():
    x, z = keras.Input((8, 8, 1)), keras.Input((3,))
    h = keras.layers.Conv2D(4, 3, 2, "same", activation="tanh")(x)  # smooth: rounding stays small
    outputs = [
        keras.layers.Dense(3, name=n)(keras.layers.Flatten()(h)) for n in ("mean", "log_var")
    ]
    h = keras.layers.Reshape((4, 4, 4))(keras.layers.Dense(64, "tanh")(z))
    decoder = keras.Model(z, keras.layers.Conv2DTranspose(1, 3, 2, "same")(h))
    return VAE(keras.Model(x, outputs), decoder, "normal", seed=0)


MODELS = {
    "elbo": (mlp, {}),
    "iwae and a learned prior": (
        lambda: mlp(objective="iwae", prior="mixture_of_normals"),
        {"sample_weight": np.linspace(0.5, 1.5, 300)},
    ),
    "labels": (lambda: mlp(num_classes=10), {"y": np.arange(300) % 10}),
    "a loss of its own": (with_loss, {}),
    "convolutions": (conv, {}),
    "augment": (lambda: mlp(augment="binarize"), {"y": np.arange(300) % 10}),
    "dropout": (with_dropout, {"validation_split": 0.2}),
}


@pytest.mark.parametrize(
    "case",
    [
        *(name for name in MODELS if name != "dropout"),
        # TensorFlow's XLA draws other random numbers, so the masks are others.
        pytest.param("dropout", marks=pytest.mark.only_on("jax", "torch")),
    ],
)
def test_the_weights_are_those_of_the_loop_of_keras(digits, case):
    make, data = MODELS[case]
    results = []
    for one_by_one in (True, False):
        keras.utils.set_random_seed(1)
        vae, watch = make(), EachBatch()
        # PyTorch takes single steps in any case, as they are if `compile` asks for them.
        vae.compile("adam", metrics=["mse"], **({"jit_compile": False} if one_by_one else {}))
        callbacks = [KLWarmup(1.5), *([watch] if one_by_one else [])]
        history = vae.fit(
            digits[:300],
            batch_size=32,
            epochs=2,
            shuffle=False,  # Keras' own order is another
            verbose=0,
            callbacks=callbacks,
            **data,
        )
        results.append((weights(vae), history.history))
        assert int(vae.optimizer.iterations) == 2 * (8 if "validation_split" in data else 10)
    (own, own_logs), (many, many_logs) = results
    for a, b in zip(own, many, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)  # Adam's steps are 1e-3
    assert own_logs.keys() == many_logs.keys()
    for name, values in own_logs.items():
        np.testing.assert_allclose(values, many_logs[name], rtol=1e-4, err_msg=name)


def test_what_is_computed_between_the_steps_of_a_second_fit_is_of_all_batches(digits):
    vae, x, seen = mlp(), digits[:300], []

    class Predicts(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((len(self.model.predict(x, verbose=0)), self.model.steps_per_execution))

    vae.compile(keras.optimizers.Adam(0.0))
    for _ in range(2):
        logs = vae.fit(x, validation_data=(x,), callbacks=[Predicts()], verbose=0).history
        assert logs["val_kl_loss"][0] == pytest.approx(logs["kl_loss"][0], rel=1e-5)
    assert seen == [(300, 1)] * 2


@pytest.mark.parametrize("scaled", [False, True])
def test_a_second_fit_goes_on_from_averaged_weights(digits, scaled):
    vae, adam = mlp(), keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9)
    vae.compile(keras.optimizers.LossScaleOptimizer(adam, initial_scale=2.0) if scaled else adam)
    losses = [vae.fit(digits[:300], verbose=0).history["loss"][0] for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]


def test_averaged_weights_outlive_an_evaluation(digits):
    vae, x = mlp(), digits[:300]
    vae.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9))
    vae.fit(x, verbose=0)
    before = vae.evaluate(x, verbose=0, return_dict=True)["loss"]
    vae.predict(x, verbose=0)
    vae.train_on_batch(x[:32])
    vae.optimizer.finalize_variable_values(vae.trainable_variables)
    vae.fit(x, verbose=0)
    assert vae.evaluate(x, verbose=0, return_dict=True)["loss"] < before


def test_predictions_need_no_compile(digits):
    assert mlp().predict(digits[:50], verbose=0).shape == digits[:50].shape


def test_batches_and_epochs_are_those_that_callbacks_expect(digits):
    vae, watch = mlp(), EachBatch()
    vae.compile("adam")
    vae.fit(digits[:300], batch_size=32, epochs=2, verbose=0, callbacks=[watch])
    assert watch.batches == [*range(10), *range(10)]
    history = vae.fit(digits[:300], batch_size=32, epochs=5, initial_epoch=2, verbose=0)
    assert history.epoch == [2, 3, 4]
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9)
    assert vae.fit(digits[:300], epochs=9, verbose=0, callbacks=[stop]).epoch == [0, 1]


class AtEpochs(keras.callbacks.Callback):
    """Does something with the model after each epoch."""

    def __init__(self, action):
        super().__init__()
        self.action, self.results = action, []

    def on_epoch_end(self, epoch, logs=None):
        self.results.append(self.action(self.model))


def test_a_callback_may_use_the_model_as_ever(digits):
    x = digits[:300]
    actions = {
        "predict": (lambda vae: vae.predict(x, verbose=0).shape, x.shape),
        "evaluate": (lambda vae: np.isfinite(vae.evaluate(x, verbose=0)).all(), True),
        "train_on_batch": (lambda vae: np.isfinite(vae.train_on_batch(x[:32])).all(), True),
        "fit": (lambda vae: vae.fit(x[:64], batch_size=16, verbose=0).epoch, [0]),
    }
    for name, (action, expected) in actions.items():
        vae, callback = mlp(), AtEpochs(action)
        vae.compile("adam")
        vae.fit(x, epochs=2, verbose=0, callbacks=[callback])
        assert callback.results == [expected, expected], name
        more = {"train_on_batch": 2, "fit": 8}.get(name, 0)
        assert int(vae.optimizer.iterations) == 20 + more, name


def test_steps_are_as_many_as_were_asked_for(digits):
    vae = mlp()
    vae.compile("adam")
    vae.fit(digits[:300], batch_size=10, epochs=3, steps_per_epoch=10, verbose=0)
    assert int(vae.optimizer.iterations) == 30
    seen = AtEpochs(lambda vae: vae.costs.count)
    validation = {"validation_data": (digits[:300],), "validation_steps": 5}
    vae.fit(digits[:320], batch_size=10, verbose=0, callbacks=[seen], **validation)
    assert float(keras.ops.convert_to_numpy(seen.results[0])) == 50


def test_a_learning_rate_is_that_of_its_step(digits):
    results = []
    for asked in ({"jit_compile": False}, {}):
        keras.utils.set_random_seed(1)
        vae = mlp()
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [0.0, 1e-2, 1e-4])
        vae.compile(keras.optimizers.Adam(rate), **asked)
        vae.fit(digits[:300], epochs=1, shuffle=False, verbose=0)
        results.append(weights(vae))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_compile_in_the_end_and_weights_that_are_frozen_then_count(digits):
    vae = mlp()
    vae.compile("adam")
    vae.fit(digits[:64], verbose=0, callbacks=[EachBatch()])
    stop = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: vae.compile(keras.optimizers.SGD(0.0))
    )
    vae.fit(digits[:64], verbose=0, callbacks=[stop])
    before = [keras.ops.convert_to_numpy(w) for w in vae.trainable_weights]
    vae.fit(digits[:64], verbose=0, callbacks=[EachBatch()])
    for a, b in zip(before, vae.trainable_weights, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(b))
    vae.encoder.trainable = False
    vae.compile("adam")
    frozen = vae.encoder.get_weights()
    vae.fit(digits[:64], verbose=0)
    for a, b in zip(frozen, vae.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_weight_without_a_gradient_is_left_alone(digits):
    @keras.saving.register_keras_serializable("tests")
    class Idle(keras.layers.Layer):
        def build(self, shape):
            self.idle = self.add_weight((3,), "ones")

        def call(self, x):
            return x

    parts = mlp()
    z = keras.Input((3,))
    vae = VAE(parts.encoder, keras.Model(z, parts.decoder(Idle()(z))), "normal", seed=0)
    vae.compile("adam")
    vae.fit(digits[:300], verbose=0)
    idle = next(v for v in vae.decoder.weights if v.shape == (3,))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(idle), np.ones(3))


def test_weights_of_more_than_one_number_an_example_are_refused(digits):
    vae = mlp()
    vae.compile("adam")
    with pytest.raises(ValueError, match=r"sample_weight must be one number .*\(64, 2\)"):
        vae.fit(digits[:64], sample_weight=np.ones((64, 2)), verbose=0)


def test_what_comes_after_is_as_before(digits):
    """The settings of Keras' loop are put back, and validation is the same as evaluation."""
    vae = mlp()
    vae.compile("adam")
    for _ in range(2):
        history = vae.fit(digits[:300], verbose=0, validation_data=(digits[300:400],)).history
        assert vae.steps_per_execution == 1
    vae.sampling.seed_generator.state.assign([0, 0])
    loss = vae.evaluate(digits[300:400], verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(history["val_loss"][0], rel=0.05)
    before = weights(vae)
    logs = vae.train_on_batch(digits[:32], return_dict=True)
    assert np.isfinite(logs["loss"])
    assert any(not np.array_equal(a, b) for a, b in zip(before, weights(vae), strict=True))


def test_a_loaded_model_trains_as_the_one_that_was_saved(digits, tmp_path):
    vae = mlp()
    vae.compile("adam")
    vae.fit(digits[:300], verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    keras.utils.set_random_seed(2)
    vae.fit(digits[:300], verbose=0)
    keras.utils.set_random_seed(2)
    loaded.fit(digits[:300], verbose=0)
    for a, b in zip(weights(vae), weights(loaded), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_training_that_comes_to_nothing_is_ended(digits):
    vae = mlp()
    vae.compile("adam")
    vae.likelihood.log_scale.assign(-43.0)  # the loss overflows float32
    before = weights(vae)
    for data in ({"batch_size": 4}, {"batch_size": 30, "epochs": 9}):  # in one epoch, in several
        with pytest.raises(FloatingPointError, match="in a row"):
            vae.fit(digits[:300], verbose=0, **data)
    for variable, a, b in zip(vae.weights, before, weights(vae), strict=True):
        assert np.array_equal(a, b) or "seed" in variable.path, variable.path
