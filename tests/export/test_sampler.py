"""sampler.onnx: seed in, images out, z to the bit."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

import keras_vae
from export import bundle as bundles
from export import convert, loading, runtime, sampler, validate
from keras_vae import noise
from keras_vae.distributions import priors
from tests.tensors import small_prior

SEEDS = [0, 1, -1, 2**31, 2**32, 2**63 - 1, -(2**63), 0x0123456789ABCDEF]


def feeds(seed, count, first=0, temperature=1.0):
    values = {"seed": seed, "first": first, "count": count}
    arrays = {name: np.array(value, np.int64) for name, value in values.items()}
    return {**arrays, "temperature": np.array(temperature, np.float32)}


@pytest.fixture(scope="module")
def session(exported):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(exported / "sampler.onnx", options)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("first", "count"), [(0, 1), (5, 300), (2**31 - 3, 7), (2**32 - 3, 7), (2**40, 2), (0, 0)]
)
def test_z_is_the_noise_to_the_bit(session, seed, first, count):
    z, x_hat = session.run(["z", "x_hat"], feeds(seed, count, first, 1.0))
    np.testing.assert_array_equal(z.view("u4"), noise.latent(seed, first, count, 3).view("u4"))
    assert x_hat.shape == (count, 8, 8, 1)


def test_z_of_a_large_count(session):
    z = session.run(["z"], feeds(3, 100_000, 0))[0]
    np.testing.assert_array_equal(z, noise.latent(3, 0, 100_000, 3))


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0, 2.5])
def test_temperature_scales_the_noise(session, temperature):
    z = session.run(["z"], feeds(3, 10, 0, temperature))[0]
    np.testing.assert_array_equal(z, np.float32(temperature) * noise.latent(3, 0, 10, 3))


def test_every_input_is_one_in_every_runtime(session, exported):
    """An initializer of the same name would be a default here, and a constant elsewhere."""
    graph = onnx.load(exported / "sampler.onnx").graph
    inputs = ["seed", "first", "count", "temperature"]
    assert [value.name for value in graph.input] == inputs
    assert [value.name for value in session.get_inputs()] == inputs
    assert not {tensor.name for tensor in graph.initializer} & set(inputs)


def test_the_reference_evaluator_draws_the_same(exported, session):
    reference = ReferenceEvaluator(str(exported / "sampler.onnx"))
    request = feeds(-1, 5, 2**32 - 2, 1.0)
    for a, b in zip(reference.run(None, request), session.run(None, request), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_array_equal(
        reference.run(None, request)[0], noise.latent(-1, 2**32 - 2, 5, 3)
    )


def test_x_hat_is_that_of_the_decoder_and_of_keras(session, exported, vae):
    z, x_hat = session.run(["z", "x_hat"], feeds(7, 64, 0, 1.0))
    decoder = onnxruntime.InferenceSession(exported / "decoder.onnx")
    np.testing.assert_array_equal(x_hat, decoder.run(["x_hat"], {"z": z})[0])
    np.testing.assert_allclose(x_hat, vae.sample(64, seed=7), atol=1e-5)


def test_the_graph_is_one_clean_graph(exported, check_constants):
    model = loading.load(exported / "sampler.onnx")
    graph = model.graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    check_constants(graph)
    assert [value.name for value in graph.output] == ["z", "x_hat"]
    shaped = {value.name for value in graph.value_info} | {"z", "x_hat"}
    assert all(output in shaped for node in graph.node for output in node.output)
    wide = {onnx.TensorProto.UINT32, onnx.TensorProto.UINT64}  # wrong in some runtimes
    assert not wide & {value.type.tensor_type.elem_type for value in graph.value_info}


def test_a_prior_of_ones_own_is_drawn_from(vae, tmp_path):
    @keras.saving.register_keras_serializable("test_sampler")
    class Shifted(keras_vae.distributions.Prior):
        def log_prob(self, z):
            return -keras.ops.sum(keras.ops.square(z / 2 - 1), -1) / 2

        def transform(self, epsilon, u):
            return 2 * (epsilon + 1)

    other = keras_vae.VAE(vae.encoder, vae.decoder, prior=Shifted())
    other.export(tmp_path / "bundle")
    z = onnxruntime.InferenceSession(tmp_path / "bundle" / "sampler.onnx").run(["z"], feeds(1, 9))
    np.testing.assert_allclose(z[0], 2 * (noise.latent(1, 0, 9, 3) + 1), rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_prior_is_given_the_number_that_chooses_a_component(component_session, seed):
    for first, count in [(0, 300), (2**31 - 3, 7), (2**32 - 3, 7), (2**40, 2), (0, 0)]:
        z = component_session.run(["z"], feeds(seed, count, first, 0.5))[0]
        np.testing.assert_array_equal(z, np.stack([noise.component(seed, first, count)] * 3, -1))


@pytest.fixture(scope="module")
def component_session(vae):
    class Chosen(keras_vae.distributions.Prior):
        def log_prob(self, z):
            return keras.ops.zeros_like(z[..., 0])

        def transform(self, epsilon, u):
            return keras.ops.zeros_like(epsilon) + u[:, None]

    other = keras_vae.VAE(vae.encoder, vae.decoder, prior=Chosen())
    graph = sampler.sampler(convert.parts(other))
    return onnxruntime.InferenceSession(graph.SerializeToString())


@pytest.mark.parametrize("name", sorted(set(priors.PRIORS) - {"standard_normal"}))
def test_every_prior_passes_the_gate_and_works_alone(name, vae, tmp_path):
    other = keras_vae.VAE(vae.encoder, vae.decoder, prior=small_prior(name))
    rng = np.random.default_rng(0)
    other.prior.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in other.prior.weights])
    other.export(tmp_path / "bundle")
    bundle = runtime.OnnxVAE(tmp_path / "bundle")
    np.testing.assert_allclose(bundle.sample(300, seed=5), other.sample(300, seed=5), atol=1e-5)
    x = np.round(other.sample(5))
    theirs, ours = bundle.score(x, num_samples=9), other.score(x, num_samples=9)
    for key, scores in ours.items():
        np.testing.assert_allclose(theirs[key], scores, rtol=1e-5)
    assert len(str(bundle.manifest["prior"])) < 300  # no weights in there
    convolutions = [
        sum(node.op_type == "Conv" for node in onnx.load(tmp_path / "bundle" / file).graph.node)
        for file in ("sampler.onnx", "decoder.onnx")
    ]
    assert convolutions[0] == convolutions[1]  # no encoder: the pseudo-inputs are encoded before


@pytest.mark.parametrize("damage", ["table", "decoder"])
def test_a_sampler_that_draws_otherwise_is_refused(vae, exported, tmp_path, damage):
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in bundles.GRAPHS.keys() - {"imputer.onnx"}:  # which only tables have
        (folder / name).write_bytes((exported / name).read_bytes())
    model = sampler.sampler(convert.parts(vae))
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if (
            values.dtype == np.float32
            and (len(values.shape) == 1)
            and ((len(values) == 65536) == (damage == "table"))
        ):
            tensor.CopyFrom(onnx.numpy_helper.from_array(values + np.float32(1e-3), tensor.name))
    onnx.save(model, folder / "sampler.onnx")
    message = "z differs from the noise" if damage == "table" else "x_hat is not that of decoder"
    with pytest.raises(validate.ValidationError, match=message):
        validate.check(vae, folder)
