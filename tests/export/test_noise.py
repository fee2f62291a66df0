"""The noise as a graph: the numbers of `keras_vae.noise`, to the bit."""

import functools

import numpy as np
import onnx
import onnxruntime
import pytest
import spox.opset.ai.onnx.v18 as op
from onnx import TensorProto, numpy_helper
from spox import Tensor, argument, build

import export.noise
from export import convert, sampler
from keras_vae import noise


def made(outputs, **ranks):
    """A function that computes a graph of int64 numbers and vectors."""
    arguments = {name: argument(Tensor(np.int64, (None,) * rank)) for name, rank in ranks.items()}
    graph = build(arguments, outputs(**arguments))
    session = onnxruntime.InferenceSession(graph.SerializeToString())

    def run(**inputs):
        return session.run(None, {k: np.array(v, np.int64) for k, v in inputs.items()})

    return run


@functools.cache
def drawn(latent_dim):
    """`draws`, made once for all seeds and indices, as in a bundle."""

    def outputs(seed, index, num_samples):
        keys = export.noise.example_keys(seed, index)
        k = op.range(op.const(np.int64(0)), num_samples, op.const(np.int64(1)))
        powers = export.noise.runtime_powers(seed)
        epsilon = export.noise.draws(keys, op.cast(k, to=np.int32), latent_dim, powers)
        return {"low": keys[0], "high": keys[1], "epsilon": epsilon}

    return made(outputs, seed=0, index=1, num_samples=0)


@pytest.mark.parametrize("seed", [0, -1, 2**32, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("latent_dim", [1, 2, 5, 8])
@pytest.mark.parametrize(
    ("index", "num_samples"), [([0], 4), ([2**40, 7, 2**44 - 1, 2**32 - 1], 2), ([], 3)]
)
def test_draws_of_given_examples(seed, latent_dim, index, num_samples):
    low, high, epsilon = drawn(latent_dim)(seed=seed, index=index, num_samples=num_samples)
    expected = noise.draws(seed, index, 0, num_samples, latent_dim)
    np.testing.assert_array_equal(epsilon.view("uint32"), expected.view("uint32"))
    keys = noise.example_keys(seed, index)
    np.testing.assert_array_equal([low.view("uint32"), high.view("uint32")], keys)


@functools.cache
def latents(latent_dim):
    """`latent` and `component`, made once."""

    def outputs(**scalars):
        latent = export.noise.latent(**scalars, latent_dim=latent_dim)
        return {"latent": latent, "u": export.noise.component(**scalars)}

    return made(outputs, seed=0, first=0, count=0)


@pytest.mark.parametrize("latent_dim", [1, 2, 5, 8])
@pytest.mark.parametrize("first", [0, 2**32 - 2, 2**44 - 5])
def test_latent_noise_and_the_choice_of_a_component(latent_dim, first):
    latent, u = latents(latent_dim)(seed=-3, first=first, count=5)
    np.testing.assert_array_equal(latent, noise.latent(-3, first, 5, latent_dim))
    np.testing.assert_array_equal(u, noise.component(-3, first, 5))


def test_no_round_has_a_product_with_a_constant(vae):
    """tract takes time exponential in such products; the few before the rounds do no harm."""
    graph = onnx.shape_inference.infer_shapes(sampler.sampler(convert.parts(vae))).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    integers = {
        v.name for v in graph.value_info if v.type.tensor_type.elem_type == TensorProto.INT32
    }
    assert len(integers) > 200
    products = [n for n in graph.node if n.op_type in ("Mul", "Div") and n.output[0] in integers]
    by_constants = [n for n in products if set(n.input) & set(constants)]
    assert len(products) > 40
    assert len(by_constants) <= 5
