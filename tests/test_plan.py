"""How `fit` decides to take its steps: a pure function, and the facts that it is given."""

import keras
import numpy as np
import pytest
from scipy import sparse

from keras_vae import VAE, backend
from keras_vae.models.plan import MAX_BLOCK, MAX_BYTES, MAX_NOISE, Facts, plan
from keras_vae.schedules import KLWarmup

X = np.zeros((3200, 8, 8, 1), "float32")
LIMITS = backend.LIMITS._replace(
    steps=32, convolutions_in_loops=True, divides_epochs=False, xla_after=700
)
FACTS = Facts(draws=3)


class EachBatch(keras.callbacks.Callback):
    """Looks at batches."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def steps(**given):
    return plan({"x": X, "batch_size": 32, **given}, FACTS, LIMITS).steps


def test_many_steps_are_one_call_where_no_callback_looks_at_batches(tmp_path):
    quiet = [
        keras.callbacks.EarlyStopping(),
        keras.callbacks.ModelCheckpoint(tmp_path / "m.keras"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        KLWarmup(3),
    ]
    assert steps(callbacks=quiet) == 32
    for callbacks in (
        [EachBatch()],
        [keras.callbacks.LambdaCallback(on_train_batch_end=print)],
        [keras.callbacks.ModelCheckpoint("m.keras", save_freq=5)],
        keras.callbacks.CallbackList([]),
    ):
        assert steps(callbacks=callbacks) == 1, callbacks


@pytest.mark.parametrize(
    "given",
    [
        {"x": iter([X])},
        {"x": keras.utils.PyDataset()},
        {"y": X, "class_weight": {0: 1.0}},
        {"steps_per_epoch": 5},
        {"shuffle": "batch"},
    ],
)
def test_other_data_and_arguments_are_left_to_keras(given):
    assert plan({"x": X, **given}, FACTS, LIMITS) is None


def test_what_is_too_large_or_packed_is_brought_batch_by_batch():
    def brought(x):
        return plan({"x": x}, FACTS, LIMITS).brought

    count = MAX_BYTES // 256
    assert not brought(np.broadcast_to(X[:1], (count, 8, 8, 1)))
    assert brought(np.broadcast_to(X[:1], (count + 1, 8, 8, 1)))
    assert brought(sparse.csr_array(X.reshape(-1, 64)))


@pytest.mark.parametrize(
    "facts", [{"in_keras_loop": True}, {"replicas": 2}, {"rows_of_process": True}]
)
def test_other_models_are_left_to_keras(facts):
    assert plan({"x": X}, FACTS._replace(**facts), LIMITS) is None


def test_an_epoch_that_keras_cuts_short_is_left_to_keras():
    keras.config.set_max_steps_per_epoch(3)
    try:
        assert plan({"x": X}, FACTS, LIMITS) is None
    finally:
        keras.config.set_max_steps_per_epoch(None)


def test_xla_compiles_for_many_steps_and_for_a_model_that_was_trained_before():
    def xla(facts=FACTS, **given):
        return plan({"x": X, **given}, facts, LIMITS).xla

    assert not xla(epochs=6)
    assert xla(epochs=7)
    assert xla(FACTS._replace(steps_before=1))
    assert not xla(FACTS._replace(convolves_on_cpu=True), epochs=70)
    assert not xla(FACTS._replace(supports_xla=False), epochs=70)


def test_much_noise_or_large_examples_mean_fewer_steps():
    assert plan({"x": X}, Facts(draws=MAX_NOISE // (5 * 32)), LIMITS).steps == 5
    assert plan({"x": X}, Facts(draws=MAX_NOISE), LIMITS).steps == 1
    large = np.broadcast_to(X[:1, :1, :1], (64, 2**9, 2**9, 1))
    assert plan({"x": large}, FACTS, LIMITS).steps == MAX_BLOCK // (32 * 2**18)


def test_one_step_is_a_call_where_a_loop_convolves_slowly():
    limits = LIMITS._replace(convolutions_in_loops=False)
    for convolves in (False, True):
        facts = FACTS._replace(convolves_on_cpu=convolves)
        assert plan({"x": X}, facts, LIMITS).steps == 32
        assert plan({"x": X}, facts, limits).steps == (1 if convolves else 32)


@pytest.mark.only_on("jax")
def test_jax_convolves_outside_of_a_loop(make_vae, monkeypatch):
    assert taken(make_vae("conv"), monkeypatch).steps == 1
    assert taken(make_vae("mlp"), monkeypatch).steps > 1


def test_calls_divide_an_epoch_where_keras_would_warn():
    limits = LIMITS._replace(divides_epochs=True)
    assert plan({"x": X[:320], "batch_size": 32}, FACTS, limits).steps == 10
    assert plan({"x": X[:320], "batch_size": 7}, FACTS, limits).steps == 23  # of 46
    assert plan({"x": X[:301], "batch_size": 7}, FACTS, limits).steps == 1  # of 43


def taken(vae, monkeypatch):
    """The plan of one `fit`; None if Keras' own loop takes the steps."""
    plans = []
    monkeypatch.setattr(
        "keras_vae.models.loop.plan", lambda *a: plans.append(plan(*a)) or plans[-1]
    )
    vae.fit(X[:64], batch_size=32, verbose=0)
    return plans[0]


@pytest.mark.parametrize(
    "asked",
    [
        {"run_eagerly": True},
        pytest.param({"jit_compile": True}, marks=pytest.mark.only_on("tensorflow", "jax")),
        pytest.param({"steps_per_execution": 2}, marks=pytest.mark.only_on("tensorflow", "jax")),
    ],
)
def test_what_compile_asks_for_is_what_happens(make_vae, asked, monkeypatch):
    vae = make_vae(compiled=asked)
    assert taken(vae, monkeypatch) is None
    vae.compile("adam", steps_per_execution="auto", jit_compile="auto")
    assert taken(vae, monkeypatch) is not None


def test_a_step_of_a_subclass_is_taken_by_keras(make_vae, monkeypatch):
    class Mine(VAE):
        def train_step(self, *args):
            return super().train_step(*args)

    vae = Mine(*(getattr(make_vae(), part) for part in ("encoder", "decoder")), likelihood="normal")
    vae.compile("adam")
    assert taken(vae, monkeypatch) is None


def test_a_step_of_a_subclass_may_log_what_it_likes(make_vae):
    class Mine(VAE):
        def train_step(self, *args):
            result = super().train_step(*args)
            logs, *state = result if isinstance(result, tuple) else (result,)
            logs = {"mine": logs["loss"]}
            return (logs, *state) if state else logs

    vae = Mine(*(getattr(make_vae(), part) for part in ("encoder", "decoder")), likelihood="normal")
    vae.compile("adam")
    (value,) = vae.train_on_batch(X[:32])
    assert np.isfinite(value)
    with pytest.raises(FloatingPointError, match="in a row"):
        vae.fit(np.full((64, 8, 8, 1), 1e30, "float32"), batch_size=1, verbose=0)
