"""The page of a bundle, served, in a browser."""

import shutil
import threading
from contextlib import contextmanager

import pytest

from export.explore import server, site
from tests.conformance.runtimes import CHROMIUM, NODE
from tests.export.explore.chromium import Chromium

MISSING = "needs onnxruntime-web, from npm: make conformance or make test-all installs it"


@pytest.fixture(scope="session")
def runtime():
    """The folder of onnxruntime-web."""
    if not (NODE / site.INSTALLED).is_dir():
        pytest.skip(MISSING)
    return NODE


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser, for all tests of a worker."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("needs chromium on the PATH: apt install chromium")
    with Chromium(CHROMIUM, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@contextmanager
def serving(files, make=server.server):
    """Serves files, and yields their address."""
    with make(files, 0) as serves:
        thread = threading.Thread(target=serves.serve_forever, args=(0.02,))  # seconds
        thread.start()
        try:
            yield f"http://127.0.0.1:{serves.server_address[1]}/"
        finally:
            serves.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def serve():
    """A function of the files to a context of their address."""
    return serving
