"""The programs of the model card run as they stand, and come to one picture in every language."""

import functools
import shutil
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from export import card, glossary, snippets
from export.runtime import OnnxVAE
from tests.conformance.runtimes import CHROMIUM
from tests.export import cards
from tests.export.explore.chromium import Chromium
from tests.export.explore.conftest import serving

SHAPE = (16, 8, 8, 1)


@pytest.fixture
def folder(exported, tmp_path):
    return cards.copied(exported, tmp_path / "bundle")


def picture(folder):
    head, pixels = (folder / "samples.pgm").read_bytes().split(b"\n", 1)
    assert head == b"P5 8 128 255"
    return np.frombuffer(pixels, np.uint8).reshape(SHAPE)


def expected(folder):
    return np.round(255 * OnnxVAE(folder).sample(16))


@pytest.mark.parametrize("run", [cards.run_python, cards.run_node, cards.run_cpp])
def test_each_language_writes_the_same_picture(folder, run):
    run(folder)
    assert np.abs(picture(folder) - expected(folder)).max() <= 1  # what rounding decides


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_browser_shows_the_same_picture(folder, tmp_path):
    if shutil.which(CHROMIUM) is None or not (folder / "node_modules").is_dir():
        pytest.skip(f"{cards.MISSING}chromium and onnxruntime-web")
    (folder / "draw.html").write_text(*cards.blocks(folder, "html"))

    def server(files, port):
        return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Quiet, directory=files))

    with serving(folder, server) as address, Chromium(CHROMIUM, tmp_path / "profile") as browser:
        pixels = (
            "[...document.querySelector('canvas').getContext('2d').getImageData(0,0,8,128).data]"
        )
        browser.open(f"{address}draw.html", until=f"{pixels}.some((value) => value)")
        shown = np.array(browser.run(pixels)).reshape(16, 8, 8, 4)[..., :1]
    assert np.abs(shown - expected(folder)).max() <= 1


def test_every_input_and_output_is_explained(exported):
    manifest = OnnxVAE(exported).manifest
    files = manifest["files"].values()
    held = {name for file in files for name in (*file["inputs"], *file["outputs"])}
    assert held <= glossary.MEANINGS.keys()
    text = card.text(manifest, pictured=False)
    types = {name: "int64" if name in glossary.WHOLE else "float32" for name in held}
    assert all(f"| `{name}` | {kind} |" in text for name, kind in types.items())


def told(shape, location=0.0, scale=1.0, **more):
    told = {"location": location, "scale": scale}
    return {"input_shape": shape, "latent_dim": 2, "files": {}, "preprocessing": told, **more}


@pytest.mark.parametrize(
    ("manifest", "channels"),
    [
        (told([4, 4, 1]), 1),
        (told([4, 4, 1], 0, 255), 1),
        (told([4, 4, 3], 0.5, 2.0), 3),
        (told([4, 4, 3], [[[0.25, 0.5, 0.75]]], [[[1.0, 2.0, 3.0]]]), 3),
    ],
)
def test_shades_are_x_as_the_model_sees_it(manifest, channels, rng):
    """The Python program's picture of given numbers is that of the manifest's preprocessing."""
    x_hat = rng.normal(size=(16, 4, 4, channels))
    code = snippets.programs(manifest)["python"].split("\n\n")[-1].splitlines()[0]
    scope = {"x_hat": x_hat}
    exec(code, scope)
    location, scale = (np.array(manifest["preprocessing"][n]) for n in ("location", "scale"))
    np.testing.assert_allclose(scope["shades"], (x_hat - location) / scale)


def test_a_scale_for_each_pixel_gives_rows_of_numbers():
    each = np.ones((4, 4, 1)).tolist()
    assert "savetxt" in snippets.programs(told([4, 4, 1], each, each))["python"]
