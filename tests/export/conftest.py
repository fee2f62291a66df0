"""Models with random biases, their bundles, and a disk that fills up."""

import contextlib
import resource

import numpy as np
import onnx
import pytest

import keras_vae
from export import bundle as bundles
from export import convert


def build(architecture, input_shape=(8, 8, 1), likelihood="bernoulli", **options):
    """A small VAE whose biases are not zero: the converter drops additions of zeros."""
    vae = keras_vae.VAE.from_architecture(
        architecture, input_shape, latent_dim=3, likelihood=likelihood, seed=0, **options
    )
    rng = np.random.default_rng(0)
    for model in (vae.encoder, vae.decoder):
        model.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return vae


@pytest.fixture(scope="session")
def make_vae():
    return build


@pytest.fixture(scope="session")
def vae():
    return build("conv", filters=(4, 8), units=16)


@pytest.fixture(scope="session")
def mlp():
    return build("mlp", likelihood="normal", hidden=(16, 12))


@pytest.fixture(scope="session", autouse=True)
def every_export(exported_once):
    """Here nearly all tests export one of the two models above."""


def write_graphs(vae, folder):
    parts = convert.parts(vae)
    graphs = {name: make(parts) for name, make in bundles.GRAPHS.items()}
    for name, graph in graphs.items():
        if graph is not None:
            onnx.save(graph, folder / name)


@pytest.fixture(scope="session")
def save_graphs():
    """Writes the ONNX files of a VAE, unchecked."""
    return write_graphs


@pytest.fixture(scope="session")
def exported(vae, tmp_path_factory):
    """A bundle that no test may change."""
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    vae.export(folder)
    return folder


@pytest.fixture
def bundle(exported, tmp_path):
    """A bundle of the test's own."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file in exported.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="session")
def saved(vae, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    vae.save(path)
    return path


@pytest.fixture
def full_disk():
    """A context in which no file grows beyond 1000 bytes, as on a disk that is full."""

    @contextlib.contextmanager
    def limited():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def contents():
    """Every file and folder below a folder, with the bytes."""

    def read(folder):
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }

    return read


@pytest.fixture
def error_line(capsys):
    """What was printed to stderr: one line, given without its `error: `."""

    def read():
        err = capsys.readouterr().err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err.removeprefix("error: ").strip()

    return read


@pytest.fixture
def check_constants():
    """That a graph holds each constant once, by whatever name; the defaults of inputs aside."""

    def check(graph):
        inputs = {value.name for value in graph.input}
        tensors = [tensor for tensor in graph.initializer if tensor.name not in inputs]
        arrays = [onnx.numpy_helper.to_array(tensor) for tensor in tensors]
        assert len({(a.dtype, a.shape, a.tobytes()) for a in arrays}) == len(arrays)

    return check
