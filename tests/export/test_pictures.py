"""A bundle has a picture where its examples have one, and its card shows it then alone."""

import json

import pytest
from PIL import Image

import keras_vae
from export import pictures, runtime
from export.runtime import cli

CARD = {1: "vectors of 7", 3: "images of 4 x 4 x 2"}


@pytest.mark.parametrize(
    ("shape", "pictured"),
    [
        ((7,), True),
        ((4, 4, 2), True),
        ((5, 3), False),
        ((4, 4, 4, 1), False),
        ((2, 2, 2, 2, 2), False),
    ],
)
def test_examples_of_any_number_of_axes_are_exported(shape, pictured, tmp_path, capsys):
    vae = keras_vae.VAE.from_architecture("mlp", shape, 2, "poisson", seed=0, hidden=(4,))
    vae.export(tmp_path / "bundle")
    picture, card = tmp_path / "bundle/samples.png", (tmp_path / "bundle/README.md").read_text()
    assert picture.is_file() == pictured == ("![Samples](samples.png)" in card)
    assert f"# A variational autoencoder of {CARD.get(len(shape), 'arrays of')}" in card
    assert json.loads((tmp_path / "bundle/manifest.json").read_text())["input_shape"] == [*shape]
    assert runtime.OnnxVAE(tmp_path / "bundle").sample(3, mean=False).shape == (3, *shape)
    if pictured:
        assert min(Image.open(picture).size) > 100
    status = cli.main([str(tmp_path / "bundle"), "--out", str(tmp_path / "x.png")])
    assert status == (0 if len(shape) == 3 else 2)
    if status:
        (line,) = capsys.readouterr().err.splitlines()
        assert "of images, (count, height, width, channels)" in line
        assert "--out samples.npy" in line
    vae.export(tmp_path / "bundle")  # over itself, with a picture and without


def test_vectors_that_cannot_be_drawn_have_no_picture(tmp_path):
    class Means:
        input_shape, covariates = (7,), ()

        def sample(self, count, mean):
            raise ValueError("holds no generator.onnx")

    assert not pictures.write(Means(), tmp_path / "samples.png")
    assert not list(tmp_path.iterdir())
