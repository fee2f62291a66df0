"""Bad data and steps that are not finite."""

import keras
import numpy as np
import pytest

from keras_vae import VAE
from tests.tensors import array, stream

COMPILES = pytest.mark.only_on("tensorflow", "jax")


def weights(vae):
    return [array(w) for w in vae.trainable_weights]


def same(a, b):
    return all(np.array_equal(v, w) for v, w in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "compiled",
    [
        {},
        pytest.param({"jit_compile": True}, marks=COMPILES),
        pytest.param({"steps_per_execution": 2}, marks=COMPILES),
    ],
)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_step_that_is_not_finite_changes_no_weight_and_is_counted(digits, compiled, policy):
    keras.config.set_dtype_policy(policy)
    try:
        vae = VAE.from_architecture("mlp", (8, 8, 1), 3, "normal", seed=0)
        vae.compile(optimizer=keras.optimizers.Adam(1e-3), **compiled)
    finally:
        keras.config.set_dtype_policy("float32")
    vae.fit(digits[:320], epochs=2, verbose=0)  # momentum, and the loss scale found
    bad = digits[:32].copy()
    bad[5, 0, 0, 0] = np.nan
    before, iterations = weights(vae), int(vae.optimizer.iterations)
    history = vae.fit(stream(bad), verbose=0).history
    assert history["skipped_steps"] == [1]
    assert np.isnan(history["loss"]).all()  # nothing was counted; 0 would look best of all
    assert same(weights(vae), before)
    assert int(vae.optimizer.iterations) == iterations

    mixed = np.concatenate([digits[:32], bad, digits[32:64]])
    history = vae.fit(stream(mixed), verbose=0).history
    assert history["skipped_steps"] == [1]
    assert np.isfinite(history["loss"]).all()
    assert not same(weights(vae), before)


def test_moving_averages_are_kept_from_a_step_that_is_skipped(digits):
    x, z = keras.Input((8, 8, 1)), keras.Input((2,))
    h = keras.layers.BatchNormalization()(keras.layers.Flatten()(x))
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    decoder = keras.Model(z, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(z)))
    vae = VAE(encoder, decoder, likelihood="normal", seed=0)
    vae.compile("adam")
    start = [array(w) for w in encoder.non_trainable_weights]
    vae.fit(digits[:32], verbose=0)
    before = [array(w) for w in encoder.non_trainable_weights]
    assert not same(start, before)
    vae.fit(stream(np.full((32, 8, 8, 1), np.nan, "float32")), verbose=0)
    assert same([array(w) for w in encoder.non_trainable_weights], before)


def test_a_skipped_step_does_not_count_in_compiled_metrics(make_vae, digits):
    x = digits[:96].copy()
    x[40] = np.nan
    history = make_vae(compiled={"metrics": ["mse"]}).fit(stream(x), verbose=0).history
    assert history["skipped_steps"] == [1]
    assert np.isfinite(history["mse"]).all()


def test_a_loss_scale_that_is_still_too_large_hides_no_loss(digits):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae = VAE.from_architecture("mlp", (8, 8, 1), 3, "normal", seed=0)
        adam = keras.optimizers.Adam()
        vae.compile(keras.optimizers.LossScaleOptimizer(adam, initial_scale=2.0**20))
    finally:
        keras.config.set_dtype_policy("float32")
    logs = vae.train_on_batch(digits[:32], return_dict=True)
    assert logs["skipped_steps"] == 1
    assert np.isfinite(logs["loss"])


def test_an_infinite_gradient_is_skipped_too(make_vae, digits):
    vae = make_vae()
    vae.likelihood.log_scale.assign(-43.0)  # the loss overflows float32
    before = weights(vae)
    vae.fit(digits[:32], verbose=0)
    assert same(weights(vae), before)


def test_many_skipped_steps_end_training_with_advice(make_vae, digits):
    vae = make_vae()
    nothing = np.full((64, 8, 8, 1), np.nan, "float32")
    with pytest.raises(FloatingPointError, match=r"32 training steps in a row.*data.*learning"):
        vae.fit(stream(nothing, batch_size=1), verbose=0)
    with pytest.raises(FloatingPointError, match=r"in a row"):
        vae.fit(stream(nothing, batch_size=16), epochs=20, verbose=0)


def test_skipped_steps_in_between_do_not_end_training(make_vae, digits):
    x = np.repeat(digits[:2], 50, axis=0)
    x[::2] = np.nan
    history = make_vae().fit(stream(x, batch_size=1), verbose=0).history
    assert history["skipped_steps"] == [50]


REFUSED = {
    "no channel axis": (lambda x: x[..., 0], r"shape \(batch, 8, 8, 1\).*x\[\.\.\., None\]"),
    "one example": (lambda x: x[0], r"for one example use x\[None\]"),
    "another size": (lambda x: x[:, :7], r"shape \(batch, 8, 8, 1\), got \(64, 7, 8, 1\)"),
    "strings": (lambda x: x.astype("U4"), r"must hold numbers"),
    "objects": (lambda x: x.astype(object), r"must hold numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "encode", "reconstruct"])
def test_data_of_a_wrong_form_is_refused(make_vae, digits, case, method):
    change, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        getattr(make_vae(), method)(change(digits[:64]))


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_data_outside_the_support_is_refused(make_vae, digits, method):
    vae, binary = make_vae(likelihood="bernoulli"), digits[:64].round()
    before = weights(vae)
    run = getattr(vae, method)
    with pytest.raises(ValueError, match=r"0\.\d+ \(.*datasets.binarize"):
        run(digits[:64])
    with pytest.raises(ValueError, match=r"batch 0 holds.*datasets.binarize"):
        run(stream(digits[:64]))
    with pytest.raises(ValueError, match=r"batch 0 holds.*datasets.binarize"):
        run((digits[i : i + 32],) for i in range(2))
    assert same(weights(vae), before)
    with pytest.raises(ValueError, match=r"batch 2 holds.*datasets.binarize"):
        run(stream(np.concatenate([binary, digits[:32]])), verbose=0)


def test_validation_data_is_refused_before_the_first_step(make_vae, digits):
    vae = make_vae(likelihood="bernoulli")
    with pytest.raises(ValueError, match="binarize"):
        vae.fit(digits[:64].round(), validation_data=(digits[:64],), verbose=0)
    assert int(vae.optimizer.iterations) == 0


def test_a_stream_is_read_once(make_vae, digits):
    """A source that can be read once loses no batch to the checks."""
    batches = iter([digits[i : i + 32] for i in range(0, 96, 32)])
    tf = pytest.importorskip("tensorflow")
    once = tf.data.Dataset.from_generator(
        lambda: batches, output_signature=tf.TensorSpec((None, 8, 8, 1), tf.float32)
    )
    vae = make_vae()
    vae.fit(once, verbose=0)
    assert int(vae.optimizer.iterations) == 3


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_images_of_another_size_in_a_stream_are_refused_and_the_model_is_kept(
    make_vae, digits, method
):
    vae = make_vae()
    before = weights(vae)
    with pytest.raises(ValueError, match=r"shape.*8, 8, 1\)"):
        getattr(vae, method)(stream(digits[:64, :7]), verbose=0)
    assert same(weights(vae), before)
    assert vae.fit(digits[:64], verbose=0).history["loss"][0] > 0


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_an_array_with_values_that_are_not_finite_is_refused(make_vae, digits, method):
    bad = digits[:64].copy()
    bad[3] = np.inf
    with pytest.raises(ValueError, match="64 values that are NaN or infinite"):
        getattr(make_vae(), method)(bad)


def test_z_of_a_wrong_form_is_refused(make_vae):
    vae = make_vae()
    with pytest.raises(ValueError, match=r"z must have shape \(batch, 3\), got \(2, 4\)"):
        vae.decode(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"z must hold numbers"):
        vae.decode(np.array([["a", "b", "c"]]))


@pytest.mark.parametrize(
    "request_",
    [
        {"count": -1},
        {"count": 1.5},
        {"count": 1, "seed": 2**63},
        {"count": 1, "seed": 0.5},
        {"count": 1, "first": -1},
        {"count": 1, "temperature": -0.1},
        {"count": 1, "temperature": np.nan},
        {"count": 1, "temperature": np.inf},
    ],
)
def test_a_request_for_samples_out_of_range_is_refused(make_vae, request_):
    name = list(request_)[-1]
    with pytest.raises(ValueError, match=f"{name} must be a .*, got"):
        make_vae().sample(**request_)


def test_more_samples_than_memory_holds_are_refused_with_another_way(make_vae):
    with pytest.raises(ValueError, match=r"samples take .* GB, more .* in parts, as in sample\("):
        make_vae().sample(2**43)


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5, "a"])
def test_a_seed_that_keras_cannot_use_is_refused(make_vae, seed):
    with pytest.raises(ValueError, match=r"seed must be a whole number from 0 to 2\*\*31 - 1"):
        make_vae(seed=seed)


def test_what_is_not_finite_is_not_encoded(make_vae):
    with pytest.raises(ValueError, match="x holds values that are NaN"):
        make_vae().encode(np.full((2, 8, 8, 1), np.nan))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        make_vae().encode(np.zeros((2, 8, 8, 1)), batch_size=0)


def test_a_loss_given_to_compile_is_refused(make_vae):
    with pytest.raises(ValueError, match=r"loss='mse'.*objective"):
        make_vae().compile(optimizer="adam", loss="mse")


def parts(latent_dim=2, outputs=2, decoder_shape=(8, 8, 1)):
    x, z = keras.Input((8, 8, 1)), keras.Input((latent_dim,))
    h = keras.layers.Flatten()(x)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h) for _ in range(outputs)])
    size = int(np.prod(decoder_shape))
    h = keras.layers.Reshape(decoder_shape)(keras.layers.Dense(size)(z))
    return encoder, keras.Model(z, h)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"outputs": 1}, "encoder must have two outputs"),
        ({"outputs": 3}, "encoder must have two outputs"),
        ({"latent_dim": 3}, "decoder must take z of shape"),
        ({"decoder_shape": (8, 8, 2)}, "decoder must return"),
    ],
)
def test_parts_that_do_not_fit_are_refused(wrong, message):
    VAE(*parts())
    with pytest.raises(ValueError, match=message):
        VAE(*parts(**wrong))


def test_encoders_whose_outputs_have_no_order_are_refused():
    encoder, decoder = parts()
    z_mean, z_log_var = encoder.outputs
    named = keras.Model(encoder.inputs, {"z_mean": z_mean, "z_log_var": z_log_var})
    with pytest.raises(ValueError, match="two outputs in a list"):
        VAE(named, decoder)
    with pytest.raises(ValueError, match="encoder must be a functional or sequential model"):
        VAE(keras.Model(), decoder)
