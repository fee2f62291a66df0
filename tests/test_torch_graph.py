"""Functions as graphs of PyTorch's operations: when one is made, and that it computes the same."""

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.only_on("torch")


@pytest.fixture
def graphs(make_vae):
    """Makes the graphs of a function that counts the times Python ran it."""

    def make(function, after):
        from keras_vae.backend.torch_graph import Graphs

        def counted(*tensors):
            counted.calls += 1
            return function(*tensors)

        counted.calls = 0
        return Graphs(counted, make_vae(), after), counted

    return make


def test_a_graph_is_made_for_each_shape_after_so_many_calls(graphs):
    graph, function = graphs(lambda x: (x * 2,), after=3)
    for shape in [(2, 3), (4, 3)]:
        function.calls = 0
        x = keras.random.normal(shape)
        for _ in range(6):
            np.testing.assert_array_equal(as_array(graph(x)[0]), 2 * as_array(x))
        assert function.calls == 4  # as it is three times, and followed once


def test_another_layout_in_memory_is_another_graph(graphs):
    graph, _ = graphs(lambda x: (keras.ops.reshape(x, (-1,)),), after=0)
    x = keras.random.normal((3, 3))
    for tensor in (x, keras.ops.transpose(x), x):
        np.testing.assert_array_equal(as_array(graph(tensor)[0]), as_array(tensor).ravel())
    assert len(graph.graphs) == 2


def test_what_python_must_decide_runs_as_it_is(graphs):
    graph, function = graphs(lambda x: (x if x.sum() > 0 else -x,), after=1)
    for sign in [1, 1, -1, 1]:
        np.testing.assert_array_equal(as_array(graph(keras.ops.full((2,), sign))[0]), [1, 1])
    assert function.calls == 5  # followed once, in vain


def test_scoring_in_many_parts_runs_as_a_graph(make_vae, digits, monkeypatch):
    from keras_vae.backend import torch_graph

    traced = []
    trace = torch_graph.Graphs._trace

    def counted(graphs, tensors):
        traced.append(trace(graphs, tensors))
        return traced[-1]

    monkeypatch.setattr(torch_graph.Graphs, "_trace", counted)
    vae, x = make_vae(), digits[:4]
    whole = vae.score(x, 40)
    assert not traced
    parts = vae.score(x, 40, batch_size=4)
    (graph,) = traced
    assert graph is not None
    for name, values in parts.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-6, atol=1e-5)


def as_array(tensor):
    return keras.ops.convert_to_numpy(tensor)
