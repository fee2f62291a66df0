"""OnnxVAE and its command line given a label: Keras' numbers, and one clear line for a bad one."""

import numpy as np
import pytest
from PIL import Image

from export.runtime import OnnxVAE, cli
from export.runtime import vae as module

CLASSES = 4
COUNT = 11
Y = np.arange(COUNT) % CLASSES


@pytest.fixture(scope="module")
def keras_vae(make_vae):
    return make_vae("mlp", likelihood="normal", hidden=(16, 12), num_classes=CLASSES)


@pytest.fixture(scope="module")
def folder(keras_vae, tmp_path_factory):
    path = tmp_path_factory.mktemp("label") / "bundle"
    keras_vae.export(path)
    return path


@pytest.fixture(scope="module")
def conditional(folder):
    return OnnxVAE(folder)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(3).random((COUNT, 8, 8, 1), np.float32)


@pytest.fixture(scope="module")
def z():
    return np.random.default_rng(4).standard_normal((COUNT, 3), np.float32)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)


def test_the_bundle_knows_its_labels(conditional, onnx_vae):
    assert conditional.num_classes == CLASSES
    assert onnx_vae.num_classes is None


@pytest.mark.parametrize("label", range(CLASSES))
def test_samples_are_those_of_keras(folder, keras_vae, label, small_chunks):
    x_hat = OnnxVAE(folder).sample(COUNT, -2, 0.7, 2**31, label=label)
    expected = keras_vae.sample(COUNT, -2, 0.7, 2**31, label=label)
    np.testing.assert_allclose(x_hat, expected, atol=1e-5)


LABELS = {"one each": Y, "a column": Y[:, None], "one for all": 2, "a list": Y.tolist()}


@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS)
def test_x_hat_and_scores_are_those_of_keras(folder, keras_vae, x, z, label, small_chunks):
    vae = OnnxVAE(folder)
    x_hat = keras_vae.decode(z, label=label)
    np.testing.assert_allclose(vae.decode(z, label=label), x_hat, atol=1e-5)
    expected = keras_vae.score(x, 20, 9, label=label)
    for name, values in vae.score(x, 20, 9, label=label).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_labels_of_every_integer_dtype_are_taken(conditional, z, dtype):
    x_hat = conditional.decode(z, label=Y.astype(dtype))
    np.testing.assert_array_equal(x_hat, conditional.decode(z, label=Y))


BAD = {
    "missing": (None, "needs a label: give label, from 0 to 3"),
    "too large": (CLASSES, "whole numbers from 0 to 3, got 4"),
    "negative": (-1, "whole numbers from 0 to 3, got -1"),
    "not whole": (1.5, "whole numbers from 0 to 3, got 1.5"),
    "a name": ("seven", "whole numbers from 0 to 3, got dtype"),
    "too few": (Y[:5], "one whole number.*, got shape"),
    "one-hot": (np.eye(CLASSES, dtype=int)[Y], "one whole number.*, got shape"),
}


@pytest.mark.parametrize(("label", "message"), BAD.values(), ids=BAD)
def test_a_bad_label_is_refused(conditional, x, z, label, message):
    for call in (
        lambda: conditional.sample(2, label=label),
        lambda: conditional.sample_stream(2, label=label),  # at once
        lambda: conditional.decode(z, label=label),
        lambda: conditional.score(x, 2, label=label),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)


def test_samples_take_one_label_and_no_more(conditional):
    with pytest.raises(ValueError, match=r"label must be one whole number, got shape \(2,\)"):
        conditional.sample(2, label=[0, 1])


def test_one_unknown_label_among_many_is_named(conditional, z):
    with pytest.raises(ValueError, match=r"from 0 to 3, got 7$"):
        conditional.decode(z, label=np.where(Y == 3, 7, Y))


def test_a_model_without_labels_refuses_one(onnx_vae, x, z):
    for call in (
        lambda: onnx_vae.sample(2, label=0),
        lambda: onnx_vae.decode(z, label=Y),
        lambda: onnx_vae.score(np.round(x), 2, label=Y),
    ):
        with pytest.raises(ValueError, match="this model knows none: leave label out"):
            call()


@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_the_command_line_draws_a_label(folder, conditional, tmp_path, suffix):
    out = tmp_path / f"x{suffix}"
    arguments = [str(folder), "--count", "9", "--label", "3", "--out", str(out)]
    assert cli.main(arguments) == 0
    if suffix == ".npy":
        np.testing.assert_array_equal(np.load(out), conditional.sample(9, label=3))
    else:
        assert min(Image.open(out).size) > 20
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("name", ["x.npy", "x.png"])
@pytest.mark.parametrize(
    ("label", "message"),
    [
        ([], "needs a label: give label, from 0 to 3"),
        (["--label", "4"], "whole numbers from 0 to 3, got 4"),
        (["--label", "-1"], "whole numbers from 0 to 3, got -1"),
    ],
)
def test_the_command_line_refuses_a_bad_label(folder, tmp_path, error_line, name, label, message):
    assert cli.main([str(folder), *label, "--out", str(tmp_path / name)]) == 2
    assert message in error_line()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["seven", "1.5", "0,1"])
def test_the_command_line_refuses_a_label_that_is_no_number(folder, tmp_path, error_line, label):
    with pytest.raises(SystemExit) as raised:
        cli.main([str(folder), "--label", label, "--out", str(tmp_path / "x.npy")])
    assert raised.value.code == 2
    assert label in error_line()
    assert not list(tmp_path.iterdir())


def test_the_command_line_refuses_a_label_of_a_model_without(exported, tmp_path, error_line):
    assert cli.main([str(exported), "--label", "0", "--out", str(tmp_path / "x.npy")]) == 2
    assert "knows none: leave label out" in error_line()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("label", "goes_on"), [("1", True), ("2", False)])
def test_an_interrupted_array_goes_on_by_the_same_label_alone(
    folder, conditional, tmp_path, capsys, small_chunks, label, goes_on
):
    stream = OnnxVAE.sample_stream

    def broken(self, *draw):
        for index, part in enumerate(stream(self, *draw)):
            if index == 2:
                raise KeyboardInterrupt
            yield part

    command = [str(folder), "--count", "50", "--out", str(tmp_path / "x.npy"), "--label"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxVAE, "sample_stream", broken)
        assert cli.main([*command, "1"]) == 130
    assert cli.main([*command, label]) == 0
    assert ("going on after 8 of 50" in capsys.readouterr().out) == goes_on
    expected = OnnxVAE(folder).sample(50, label=int(label))
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
