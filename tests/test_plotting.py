"""Pictures: what they show where, and what they refuse."""

import os
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from keras_vae import plotting
from keras_vae.plotting import panels
from tests import pictures


class Decoder:
    """Stands for a VAE: pixel i is sigmoid(z[i]) as long as there are dimensions, the rest 0."""

    def __init__(self, latent_dim, input_shape=(4, 6, 1)):
        self.latent_dim, self.input_shape = latent_dim, input_shape

    def decode(self, z):
        size = int(np.prod(self.input_shape))
        x_hat = np.zeros((len(z), size), np.float32)
        x_hat[:, : z.shape[1]] = 1 / (1 + np.exp(-z[:, :size]))
        return x_hat.reshape(-1, *self.input_shape)


def sheet(figure):
    return np.asarray(figure.axes[0].get_images()[0].get_array())


def tiles(figure, height, width, gap=1):
    """The pictures on the sheet, by row and column."""
    paper = sheet(figure)
    rows = (paper.shape[0] + gap) // (height + gap)
    columns = (paper.shape[1] + gap) // (width + gap)
    starts = [(r * (height + gap), c * (width + gap)) for r in range(rows) for c in range(columns)]
    cut = [paper[top : top + height, left : left + width] for top, left in starts]
    return np.stack(cut).reshape(rows, columns, height, width, -1)


def labels(ticks):
    return [tick.get_text() for tick in ticks]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_lie_row_by_row(channels):
    x = np.random.default_rng(0).random((7, 4, 6, channels)).astype(np.float32)
    shown = tiles(plotting.images(x, columns=3), 4, 6)
    assert shown.shape == (3, 3, 4, 6, channels)
    assert np.array_equal(shown.reshape(9, 4, 6, channels)[:7], x)


def test_values_are_clipped_and_grey_has_a_fixed_scale():
    x = np.array([-1, 0.25, 0.5, 2], np.float32).reshape(1, 2, 2, 1)
    figure = plotting.images(x)
    assert sheet(figure).ravel().tolist() == [0, 0.25, 0.5, 1]
    assert figure.axes[0].get_images()[0].get_clim() == (0, 1)


def test_bytes_are_drawn_as_the_grey_values_that_they_stand_for():
    x = np.arange(0, 256, 15, dtype=np.uint8).reshape(1, 3, 6, 1)
    shown = sheet(plotting.images(x)).ravel()
    np.testing.assert_array_equal(shown, x.ravel() / np.float32(255))
    pairs = sheet(plotting.reconstructions(x, x / 255))
    np.testing.assert_array_equal(pairs[:3], pairs[-3:])


@pytest.mark.parametrize("length", [1, 5, 9])
def test_vectors_are_folded_and_every_value_is_shown(length):
    x = np.random.default_rng(0).normal(size=(4, length)).astype(np.float32)
    shown = sheet(plotting.images(x))
    assert sorted(shown[np.isfinite(shown)]) == sorted(x.ravel())


@pytest.mark.parametrize("count", [1, 4, 5])
def test_a_reconstruction_lies_under_its_original(count):
    x = np.random.default_rng(0).random((count, 4, 6, 1)).astype(np.float32)
    figure = plotting.reconstructions(x, x / 2, columns=4)
    shown = tiles(figure, 4, 6)
    assert np.array_equal(shown[0::2].reshape(-1, 4, 6, 1)[:count], x)
    assert np.array_equal(shown[1::2].reshape(-1, 4, 6, 1)[:count], x / 2)
    assert labels(figure.axes[0].get_yticklabels())[:2] == ["x", r"$\hat{x}$"]


def test_a_traversal_moves_one_dimension_from_minus_3_to_3():
    figure = plotting.latent_traversal(Decoder(3), columns=5)
    shown = tiles(figure, 4, 6).reshape(3, 5, 24)
    for dim in range(3):
        path = 1 / (1 + np.exp(-np.linspace(-3, 3, 5)))
        np.testing.assert_allclose(shown[dim, :, dim], path, rtol=1e-5)
        np.testing.assert_allclose(np.delete(shown[dim, :, :3], dim, axis=1), 0.5)
    assert labels(figure.axes[0].get_yticklabels()) == ["z[0]", "z[1]", "z[2]"]
    assert labels(figure.axes[0].get_xticklabels()) == ["-3", "-1.5", "0", "1.5", "3"]


def test_a_traversal_shows_the_dimensions_that_matter_most():
    vae = Decoder(30)  # 24 pixels: the last 6 dimensions change nothing
    scale = np.linspace(0.1, 1, 30, dtype=np.float32)
    decode = vae.decode
    vae.decode = lambda z: decode(z * scale)
    shown = labels(plotting.latent_traversal(vae).axes[0].get_yticklabels())
    assert shown == [f"z[{dim}]" for dim in range(23, 7, -1)]


def test_a_traversal_starts_where_it_is_told():
    z = np.array([1.0, -2.0])
    shown = tiles(plotting.latent_traversal(Decoder(2), 3, z), 4, 6).reshape(2, 3, 24)
    np.testing.assert_allclose(shown[0, :, 1], 1 / (1 + np.exp(2)), rtol=1e-5)
    np.testing.assert_allclose(shown[1, :, 0], 1 / (1 + np.exp(-1)), rtol=1e-5)


def test_the_manifold_grows_right_and_up_through_normal_quantiles():
    shown = tiles(plotting.manifold(Decoder(2), size=4), 4, 6, gap=0).reshape(4, 4, 24)
    quantiles = np.array([-1.15034938, -0.31863936, 0.31863936, 1.15034938])
    values = 1 / (1 + np.exp(-quantiles))
    np.testing.assert_allclose(shown[..., 0], np.tile(values, (4, 1)), rtol=1e-5)
    np.testing.assert_allclose(shown[..., 1], np.tile(values[::-1, np.newaxis], (1, 4)), rtol=1e-5)


def test_constant_columns_and_gaps_take_no_panel():
    x = np.float32([[np.nan, 2, np.nan, 1], [5, 2, np.nan, 2], [5, np.nan, np.nan, 3]])
    assert panels.varied(x).tolist() == [3]
    figure = plotting.column_reconstructions(x, x)
    (axes,) = figure.axes
    assert axes.lines[1].get_xy1() == (1, 1)  # the line of equal ones, whatever is missing


@pictures.drawn()
def test_a_column_may_have_any_name(tmp_path):
    x, names = np.random.default_rng(0).random((2, 5, 3)), ["fee_$ & tip_$", "a_{b", "$\\frac$"]
    plotting.save(plotting.column_reconstructions(*x, names=names), tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size > (100, 50)


@pictures.drawn()
@pytest.mark.parametrize("shape", [(4, 6, 3), (7,)])
def test_every_picture_takes_colour_and_vectors(tmp_path, shape):
    figures = [
        plotting.latent_traversal(Decoder(2, shape)),
        plotting.manifold(Decoder(2, shape), size=3),
        plotting.reconstructions(*np.random.default_rng(0).random((2, 5, *shape))),
    ]
    for figure in figures:
        plotting.save(figure, tmp_path / "a.png")
        assert isinstance(figure, Figure)
        assert Image.open(tmp_path / "a.png").size > (100, 50)


def test_convergence_is_the_mean_over_draws():
    figure = plotting.convergence({10: [-3.0, -1.0], 1: [-5.0, -3.0]}, elbo=[-6.0, -4.0])
    estimate, elbo = figure.axes[0].get_lines()
    assert estimate.get_xydata().tolist() == [[1, -4], [10, -2]]
    assert set(elbo.get_ydata()) == {-5}
    assert figure.axes[0].get_xscale() == "log"


def test_the_kl_of_each_dimension_is_a_bar_or_a_curve():
    bars = plotting.kl_per_dimension([2.0, 0.5]).axes[0].patches
    assert [bar.get_height() for bar in bars] == [2, 0.5]
    lines = plotting.kl_per_dimension([[1.0, 0.0], [2.0, 0.5]]).axes[0].get_lines()
    assert [line.get_ydata().tolist() for line in lines] == [[1, 2], [0, 0.5]]


def test_training_curves_pair_training_and_validation():
    history = {"epoch": [4, 5], "loss": [9, 8], "kl_loss": [2, 3], "val_loss": [8, 7], "lr": [1, 1]}
    figure = plotting.training_curves({**history, "skipped_steps": [0, 0]})
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["loss", "kl loss", "lr"]
    lines = {line.get_label(): line for line in panels["loss"].get_lines()}
    assert lines["training"].get_ydata().tolist() == [9, 8]
    assert lines["validation"].get_ydata().tolist() == [8, 7]
    assert lines["training"].get_xdata().tolist() == [5, 6]
    assert panels["kl loss"].get_ylabel() == "nats per example"
    assert panels["lr"].get_ylabel() == ""


def test_skipped_steps_are_shown_when_there_are_any():
    figure = plotting.training_curves({"loss": [9, 8], "skipped_steps": [0, 2]})
    assert [axes.get_title() for axes in figure.axes] == ["loss", "skipped steps"]


@pictures.drawn()
def test_a_busy_machine_is_no_warning(tmp_path, monkeypatch):
    """matplotlib warns where it takes a second to find a place for a legend."""
    monkeypatch.setattr("matplotlib.legend.time.perf_counter", iter(range(0, 1000, 2)).__next__)
    figure = plotting.training_curves({"loss": [9, 8]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plotting.save(figure, tmp_path / "a.png")


@pictures.drawn()
def test_save_writes_a_png_whole_or_not_at_all(tmp_path, monkeypatch):
    figure = plotting.images(np.zeros((2, 4, 4, 1)))
    plotting.save(figure, tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    assert Image.open(tmp_path / "a.png").format == "PNG"

    def full_disk(path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space left"):
        plotting.save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == whole
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plotting.images(np.zeros((0, 4, 4, 1))), r"N from 1, got \(0, 4, 4, 1\)"),
        (
            lambda: plotting.images(np.zeros((3, 4, 4))),
            r"must have shape \(N, H, W, C\) .* got \(3, 4, 4\)",
        ),
        (lambda: plotting.images(np.zeros((3, 4)), columns=0), "at least 1"),
        (
            lambda: plotting.reconstructions(np.zeros((3, 4)), np.zeros((2, 4))),
            r"the shape of x, \(3, 4\), got \(2, 4\)",
        ),
        (
            lambda: plotting.latent_traversal(Decoder(3), z=np.zeros(2)),
            r"z must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda: plotting.latent_traversal(Decoder(3), columns=1),
            "columns must be at least 2, got 1",
        ),
        (lambda: plotting.manifold(Decoder(3)), "latent_dim must be 2 for a manifold, got 3"),
        (lambda: plotting.manifold(Decoder(2), size=0), "at least 1"),
        (lambda: plotting.training_curves({}), "got no epoch"),
        (lambda: plotting.convergence({}), "got no estimate"),
        (
            lambda: plotting.kl_per_dimension([]),
            r"must have shape \(latent_dim,\) or .* got \(0,\)",
        ),
        (lambda: plotting.training_curves({"loss": []}), "got no epoch"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()
