"""What is missing, and a browser or a host that can less: one clear line each."""

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from export.explore import site

SHOWN = "!document.querySelector('#error').hidden"
ERROR = "document.querySelector('#error').textContent"
CANNOT = "this browser has no WebAssembly with threads and SIMD: use a newer one"


@pytest.mark.parametrize(
    "script", ["delete globalThis.WebAssembly", "WebAssembly.validate = () => false"]
)
def test_a_browser_that_cannot_compute_is_told_so(exported, runtime, browser, serve, script):
    added = browser.send("Page.addScriptToEvaluateOnNewDocument", source=script)
    with serve(site.files(exported, runtime)) as address:
        browser.open(address, until=SHOWN)
    browser.send("Page.removeScriptToEvaluateOnNewDocument", **added)
    assert browser.run(ERROR) == CANNOT


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "bundle/manifest.json",
            "no bundle is here: bundle/manifest.json is missing, or not of keras-vae",
        ),
        ("bundle/sampler.onnx", "the bundle holds no sampler.onnx"),
        (
            "runtime/ort.wasm.bundle.min.mjs",
            "onnxruntime-web is missing: its files belong into runtime/ beside this page",
        ),
    ],
)
def test_a_file_that_is_missing_is_one_line(exported, runtime, browser, serve, place, told):
    files = site.files(exported, runtime)
    del files[place]
    with serve(files) as address:
        browser.open(address, until=SHOWN)
    assert browser.run(ERROR) == told


def test_the_written_page_works_on_a_host_without_threads(
    exported, runtime, browser, serve, tmp_path
):
    site.write(site.files(exported, runtime), tmp_path / "page")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    def plain(folder, port):
        return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Quiet, directory=folder))

    with serve(tmp_path / "page", plain) as address:
        browser.open(address)
        told = browser.run("document.querySelector('#status').innerText")
    assert "one thread, since the host does not isolate this page" in told
