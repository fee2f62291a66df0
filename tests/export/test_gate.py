"""The gate sees damage wherever it is: in any output of any graph, at any single place of z."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from export import bundle, validate
from keras_vae import distributions


@pytest.fixture(scope="module")
def graphs(mlp, save_graphs, tmp_path_factory):
    """The files of a model of three latent dimensions, as they are written."""
    folder = tmp_path_factory.mktemp("graphs")
    save_graphs(mlp, folder)
    return folder


@pytest.fixture
def folder(graphs, tmp_path):
    for name in bundle.GRAPHS.keys() - {"imputer.onnx"}:  # see test_tables.py
        (tmp_path / name).write_bytes((graphs / name).read_bytes())
    return tmp_path


def spoil(path, output, damage):
    """Adds what the text of a graph computes, its output `damage`, to an output of a file."""
    model, added = onnx.load(path), onnx.parser.parse_graph(damage)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"{name}/whole" if name == output else name for name in names]
    model.graph.initializer.extend(added.initializer)
    model.graph.node.extend(added.node)
    model.graph.node.append(helper.make_node("Add", [f"{output}/whole", "damage"], [output]))
    onnx.save(model, path)


OUTPUTS = {
    "encoder.onnx": ["z_mean", "z_log_var"],
    "decoder.onnx": ["x_params", "x_hat"],
    "sampler.onnx": ["z", "x_hat"],
    "generator.onnx": ["z", "x"],
    "scorer.onnx": ["elbo", "reconstruction_loss", "kl_loss", "log_likelihood"],
    "elements.onnx": ["element_log_prob"],
}


def test_every_graph_is_spoilt(graphs):
    for name in bundle.GRAPHS.keys() - {"imputer.onnx"}:  # see test_tables.py
        outputs = {value.name for value in onnx.load(graphs / name).graph.output}
        assert outputs <= set(OUTPUTS[name])


NAN = "spoilt () => (float damage) <float one = {1}, float minus = {-1}> {"
NAN += "below = Mul(one, minus) damage = Log(below)}"


@pytest.mark.parametrize(
    ("file", "output"), [(file, output) for file, names in OUTPUTS.items() for output in names]
)
def test_nan_is_refused_in_every_output(mlp, folder, file, output):
    spoil(folder / file, output, NAN)
    with pytest.raises(validate.ValidationError, match=rf"^{file}, .*: {output} (differs|is not)"):
        validate.check(mlp, folder)


ONE_ENTRY = """spoilt (float[batch, 3] z) => (float[batch, 1, 1, 1] damage)
<float[3, 1] where = {WHERE}, float limit = {5.9}, float single = {1}, float amount = {0.01},
 int64[1] last = {1}, int64[4] rows = {-1, 1, 1, 1}> {
    entry = MatMul (z, where)
    extreme = GreaterOrEqual (entry, limit)
    sizes = Abs (z)
    large = GreaterOrEqual (sizes, limit)
    counted = Cast <to = 1> (large)
    count = ReduceSum (counted, last)
    alone = Equal (count, single)
    here = And (extreme, alone)
    share = Cast <to = 1> (here)
    amounts = Mul (share, amount)
    damage = Reshape (amounts, rows)
}"""


@pytest.mark.parametrize("where", ["1, 0, 0", "0, 1, 0", "0, 0, 1", "-1, 0, 0", "0, 0, -1"])
def test_a_decoder_wrong_where_one_entry_of_z_is_extreme_is_refused(mlp, folder, where):
    """Where that entry is 6, or -6, and the others are less than 5.9, and nowhere else."""
    z = np.random.default_rng(0).standard_normal((64, 3), dtype=np.float32)

    def decode():
        return onnxruntime.InferenceSession(folder / "decoder.onnx").run(["x_hat"], {"z": z})[0]

    before = decode()
    spoil(folder / "decoder.onnx", "x_hat", ONE_ENTRY.replace("WHERE", where))
    np.testing.assert_array_equal(decode(), before)
    with pytest.raises(validate.ValidationError, match="extreme latents: x_hat differs"):
        validate.check(mlp, folder)


@pytest.mark.parametrize(
    ("scale", "damage", "refused"), [(0.5, 0.02, True), (0.01, 0.02, False), (0.01, 0.2, True)]
)
def test_scores_may_be_off_by_what_rounding_in_x_hat_makes_of_them(
    make_vae, save_graphs, tmp_path, scale, damage, refused
):
    """Which is 1 / σ times as much, so that a narrow normal is not refused for rounding."""
    vae = make_vae("mlp", likelihood=distributions.Normal(scale=scale), hidden=(16,))
    save_graphs(vae, tmp_path)
    spoil(
        tmp_path / "scorer.onnx",
        "log_likelihood",
        f"spoilt () => (float damage) <float damage = {{{damage}}}> {{}}",
    )
    before = [keras.ops.convert_to_numpy(weight) for weight in vae.weights]
    if refused:
        with pytest.raises(validate.ValidationError, match=r"^scorer.onnx, .*: log_likelihood"):
            validate.check(vae, tmp_path)
    else:
        assert validate.check(vae, tmp_path)["log_likelihood"] > validate.TOLERANCE
    for weight, value in zip(vae.weights, before, strict=True):  # the model is as it was
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
