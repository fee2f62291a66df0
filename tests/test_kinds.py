"""Examples get the figures that suit their shape; the names of a run say which."""

import numpy as np
import pytest

from keras_vae import VAE, noise, plotting
from keras_vae.plotting import kinds


def model(shape, likelihood="normal", **options):
    return VAE.from_architecture("mlp", shape, 2, likelihood, seed=0, hidden=(4,), **options)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((4, 4, 1), kinds.Images),
        ((4, 4, 5), kinds.Images),
        ((7,), kinds.Vectors),
        ((1,), kinds.Vectors),
        ((5, 3), None),
        ((4, 4, 4, 1), None),
        ((2, 2, 2, 2, 2), None),
    ],
)
def test_the_number_of_axes_decides(shape, kind):
    figures = plotting.suited(model(shape))
    assert figures is None if kind is None else isinstance(figures, kind)


@pytest.mark.parametrize("shape", [(4, 4, 1), (7,)])
@pytest.mark.parametrize("num_classes", [None, 3])
def test_every_kind_draws_every_figure(shape, num_classes, rng):
    vae = model(shape, num_classes=num_classes)
    x = rng.random((6, *shape)).astype("float32")
    label = None if num_classes is None else np.array([0, 1, 1, 1, 1, 1])
    one = None if num_classes is None else 1
    figures = plotting.suited(vae)
    drawn = [
        figures.samples(x, label),
        figures.samples(),
        figures.drawn(x),
        figures.reconstructions(x, vae.reconstruct(x, label=label)),
        figures.traversal(one),
        figures.manifold(one),
    ]
    assert all(figure.axes for figure in drawn)


def test_a_label_is_drawn_as_often_as_the_data_have_it(rng):
    vae = model((3,), num_classes=4)
    x = kinds.draws(vae, np.array([0, 2, 2, 2]))
    expected = [
        vae.sample(250, label=0, mean=False),
        vae.sample(750, first=250, label=2, mean=False),
    ]
    assert np.array_equal(x, np.concatenate(expected))
    assert len(kinds.draws(vae)) == 1000


def test_longer_vectors_are_drawn_less_often():
    assert len(kinds.draws(model((3,)))) == kinds.DRAWS
    assert len(kinds.draws(model((2**16,)))) == kinds.FEWEST


def test_vectors_that_take_more_noise_than_there_is_have_no_histogram(monkeypatch):
    vae = model((3,))
    monkeypatch.setattr(noise, "EXAMPLE", noise.EVENT + 1)
    with pytest.raises(ValueError, match="takes 3 uniform numbers"):
        vae.sample(1, mean=False)
    assert plotting.suited(vae).samples() is None
