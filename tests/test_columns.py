"""Figures of vectors: what stands in a panel, and what is refused."""

import numpy as np
import pytest

from keras_vae import plotting
from tests.test_plotting import Decoder

KINDS = {
    "reals": lambda rng, shape: rng.normal(size=shape),
    "counts": lambda rng, shape: rng.poisson(3, shape),
    "large counts": lambda rng, shape: rng.poisson(900, shape),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(shape),
    "binary": lambda rng, shape: rng.integers(0, 2, shape),
    "constant": lambda rng, shape: np.full(shape, 7.25),
    "huge": lambda rng, shape: np.floor(1e30 * rng.random(shape)),
}


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def stairs(axes):
    """The heights and the edges of what a panel shows: of the data, and of the samples last."""
    return [patch.get_data() for patch in axes.patches]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beside", [True, False])
def test_heights_are_shares_and_the_bins_are_shared(kind, beside, rng):
    x, data = KINDS[kind](rng, (500, 3)), KINDS[kind](rng, (80, 3))
    figure = plotting.histograms(x, data if beside else None)
    assert titles(figure) == ["column 0", "column 1", "column 2"]
    for column, axes in enumerate(figure.axes):
        shown = stairs(axes)
        assert len(shown) == 1 + beside
        for values, (heights, edges, _) in zip([data, x][-len(shown) :], shown, strict=True):
            inside = values[:, column][(values[:, column] >= edges[0])]
            inside = inside[inside <= edges[-1]]
            assert heights.sum() == pytest.approx(len(inside) / len(values))
            assert heights.sum() > 0.9
            assert np.array_equal(edges, shown[0][1])
            assert 1 <= len(heights) <= 30


def test_each_count_has_its_bin_where_there_are_few(rng):
    x = rng.integers(0, 6, (1000, 1))
    ((heights, edges, _),) = stairs(plotting.histograms(x).axes[0])
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    np.testing.assert_allclose(heights, np.bincount(x[:, 0]) / 1000)


def test_a_bin_of_many_counts_holds_as_many_as_its_neighbour(rng):
    _, edges, _ = stairs(plotting.histograms(rng.poisson(900, (1000, 1))).axes[0])[0]
    assert len(set(np.diff(edges))) == 1
    assert (edges % 1 == 0.5).all()


def test_what_is_not_finite_is_left_out():
    x = np.array([[0.0], [1.0], [np.nan], [np.inf]])
    ((heights, _, _),) = stairs(plotting.histograms(x).axes[0])
    assert heights.sum() == pytest.approx(1.0)


def test_of_many_columns_the_first_are_shown_that_hold_more_than_one_number(rng):
    data = rng.normal(size=(9, 40))
    data[:, ::2] = 3.0
    figure = plotting.histograms(rng.normal(size=(9, 40)), data)
    assert titles(figure) == [f"column {column}" for column in range(1, 32, 2)]


def test_a_point_is_an_example_and_its_reconstruction(rng):
    x, x_hat = rng.normal(size=(2, 6, 3))
    for column, axes in enumerate(plotting.column_reconstructions(x, x_hat).axes):
        points, diagonal = axes.get_lines()
        assert np.array_equal(points.get_xydata(), np.stack([x[:, column], x_hat[:, column]], 1))
        assert diagonal.get_slope() == 1


def test_a_line_is_the_way_of_one_dimension():
    vae = Decoder(3, (4,))
    figure = plotting.column_traversal(vae, points=5)
    path = 1 / (1 + np.exp(-np.linspace(-3, 3, 5)))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    for column, axes in enumerate(figure.axes):  # column 3 is always 0
        lines = dict(zip(names, axes.get_lines(), strict=True))
        np.testing.assert_allclose(lines.pop(f"z[{column}]").get_ydata(), path, rtol=1e-5)
        assert all(set(line.get_ydata()) == {0.5} for line in lines.values())
    assert titles(figure) == ["column 0", "column 1", "column 2"]


def test_a_map_of_the_plane_grows_right_and_up():
    panels = plotting.column_manifold(Decoder(2, (2,)), size=4).axes[:2]
    right, up = (np.asarray(axes.get_images()[0].get_array()) for axes in panels)
    assert (np.diff(right, axis=1) > 0).all()
    assert (np.diff(up[::-1], axis=0) > 0).all()
    assert np.array_equal(right, up.T[:, ::-1])


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plotting.histograms(np.zeros((0, 3))), r"x must have shape \(N, D\).*\(0, 3\)"),
        (lambda: plotting.histograms(np.zeros((2, 3, 4))), r"got \(2, 3, 4\)"),
        (lambda: plotting.histograms(np.zeros((2, 3)), np.zeros((9, 4))), "data must have"),
        (lambda: plotting.column_reconstructions(np.zeros((2, 3)), np.zeros((3, 3))), "x_hat must"),
        (lambda: plotting.column_traversal(Decoder(3, (4,)), z=np.zeros(2)), "z must have shape"),
        (lambda: plotting.column_traversal(Decoder(3, (4,)), points=1), "at least 2"),
        (lambda: plotting.column_manifold(Decoder(3, (4,))), "latent_dim must be 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()
