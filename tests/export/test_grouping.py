"""A viewer of a graph sees what each node is for, by the name before its slash."""

import onnx
import pytest

from export import loading

GROUPS = {
    "encoder.onnx": {"encoder"},
    "decoder.onnx": {"decoder"},
    "sampler.onnx": {"noise", "prior", "decoder", "outputs"},
    "generator.onnx": {"noise", "prior", "decoder", "draw", "outputs"},
    "scorer.onnx": {"noise", "encoder", "densities", "outputs"},
    "elements.onnx": {"noise", "encoder", "densities", "outputs"},
}


def nodes(folder, name):
    return list(loading.operators(onnx.load(folder / name)))


@pytest.mark.parametrize("name", GROUPS)
def test_each_node_has_a_group(exported, name):
    assert {node.name.split("/")[0] for node in nodes(exported, name)} == GROUPS[name]


@pytest.mark.parametrize("name", ["sampler.onnx", "generator.onnx"])
def test_the_seed_is_read_by_the_noise_alone(exported, name):
    given = {"seed", "first", "count"}
    reading = [node for node in nodes(exported, name) if given & set(node.input)]
    assert {node.name.split("/")[0] for node in reading} == {"noise"}


def test_the_decoder_of_the_sampler_has_the_names_of_that_of_decoder_onnx(exported):
    alone = [(node.op_type, node.name) for node in nodes(exported, "decoder.onnx")]
    inside = [(n.op_type, n.name) for n in nodes(exported, "sampler.onnx")]
    assert [pair for pair in inside if pair[1].startswith("decoder/")] == alone
