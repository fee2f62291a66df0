"""scorer.onnx: the scores of Keras, by onnxruntime alone."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from export import convert, loading, validate

SCORES = ["elbo", "reconstruction_loss", "kl_loss", "log_likelihood"]


def feeds(x, num_samples, seed, index=None):
    index = np.arange(len(x)) if index is None else index
    integers = {"num_samples": num_samples, "seed": seed, "index": index}
    return {"x": x, **{name: np.array(value, np.int64) for name, value in integers.items()}}


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(3).integers(0, 2, (9, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def session(exported):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(exported / "scorer.onnx", options)


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize(("first", "num_samples"), [(0, 1), (7, 70), (2**32 - 4, 2), (2**40, 3)])
def test_the_scores_are_those_of_keras(session, vae, x, seed, first, num_samples):
    index = first + np.random.default_rng(0).permutation(len(x))
    scores = session.run(SCORES, feeds(x, num_samples, seed, index))
    expected = vae.score(x, num_samples, seed, index)
    for name, score in zip(SCORES, scores, strict=True):
        np.testing.assert_allclose(score, expected[name], rtol=1e-5, err_msg=name)


def test_no_input_has_a_default(exported, session):
    """An initializer of the same name would be a default here, and a constant elsewhere."""
    inputs = {"x": ["batch", 8, 8, 1], "num_samples": [], "seed": [], "index": ["batch"]}
    graph = onnx.load(exported / "scorer.onnx").graph
    assert {value.name: value.shape for value in session.get_inputs()} == inputs
    assert [value.name for value in graph.input] == list(inputs)
    assert not {tensor.name for tensor in graph.initializer} & set(inputs)


def test_an_example_has_its_score_whatever_stands_beside_it(session, x):
    """And in whatever order: its noise is that of its index."""
    index = np.array([2**33, 0, 2**44 - 1, 7, 12, 3, 9, 1, 2])
    whole = np.array(session.run(SCORES, feeds(x, 70, 1, index)))
    for rows in ([3], [4, 1], [8, 2, 0, 6, 4, 3, 7, 5, 1]):
        part = session.run(SCORES, feeds(x[rows], 70, 1, index[rows]))
        np.testing.assert_allclose(part, whole[:, rows], rtol=1e-6)
    assert (session.run(["elbo"], feeds(x, 70, 1, index ^ 1))[0] != whole[0]).all()


@pytest.mark.parametrize("num_samples", [0, -1, -(2**63)])
def test_onnxruntime_itself_refuses_less_than_one_draw(session, x, num_samples):
    with pytest.raises(InvalidArgument, match="indices element out of data bounds"):
        session.run(SCORES, feeds(x, num_samples, 0))


def test_exactly_num_samples_draws_count(session, vae, x):
    """Whatever the number of draws at once, which 256 / batch gives, leaves over."""
    for batch, num_samples in [(1, 255), (1, 256), (1, 257), (3, 86), (9, 29)]:
        score = session.run(["log_likelihood"], feeds(x[:batch], num_samples, 2))[0]
        expected = vae.score(x[:batch], num_samples, 2)["log_likelihood"]
        np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_data_without_density_score_minus_infinity(session, x):
    elbo, _, _, log_likelihood = session.run(SCORES, feeds(x / 2 + 0.25, 5, 0))
    assert (elbo == -np.inf).all()
    assert (log_likelihood == -np.inf).all()


def test_no_examples_have_no_scores(session, x):
    assert [score.shape for score in session.run(SCORES, feeds(x[:0], 5, 0))] == [(0,)] * 4


def test_memory_does_not_grow_with_the_draws(session, x):
    """50,000 draws at once would need more than 100 MB."""
    import resource

    session.run(SCORES, feeds(x[:1], 100, 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    session.run(SCORES, feeds(x[:1], 50_000, 0))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_the_reference_evaluator_scores_the_same(exported, session, x):
    reference = ReferenceEvaluator(str(exported / "scorer.onnx"))
    request = feeds(x, 30, -5)
    computed = reference.run(SCORES, request)
    np.testing.assert_allclose(computed, session.run(SCORES, request), rtol=1e-5)


def test_the_graph_holds_each_weight_once_outside_the_loop(exported, check_constants):
    model = loading.load(exported / "scorer.onnx")
    check_constants(model.graph)
    nodes = list(loading.operators(model))
    assert len({node.name for node in nodes}) == len(nodes)
    assert not any(node.op_type == "Constant" for node in nodes)
    (loop,) = (node for node in nodes if node.op_type == "Loop")
    assert not loop.attribute[0].g.initializer
    outputs = [name for node in nodes for name in node.output]
    assert len(set(outputs)) == len(outputs)


def test_changed_scores_are_refused(vae, exported, tmp_path):
    for file in exported.glob("*.onnx"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = onnx.load(tmp_path / "scorer.onnx")
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.shape == (3, 16) or values.shape == (16, 3):
            tensor.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(1.1), tensor.name))
    onnx.save(model, tmp_path / "scorer.onnx")
    with pytest.raises(validate.ValidationError, match=r"scorer\.onnx, batch 1, .* differs from"):
        validate.check(vae, tmp_path)


def test_nothing_is_computed_along_a_last_axis_of_length_one(mlp):
    """onnxruntime goes over such an axis one number at a time: 60 times as slow."""
    model = onnx.shape_inference.infer_shapes(convert.densities(mlp, convert.params(mlp)))
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values(model)}
    for node in model.graph.node:
        if node.op_type in {"Add", "Sub", "Mul", "Div", "Equal", "Where", "Or"}:
            shape = shapes[node.output[0]]
            assert len(shape) < 3 or shape[-1] != 1, node


def values(model):
    return [*model.graph.value_info, *model.graph.input, *model.graph.output]
