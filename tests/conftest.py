"""Settings that must stand before Keras and matplotlib are imported, and what tests share."""

import copy
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["MPLBACKEND"] = "Agg"
if os.environ["KERAS_BACKEND"] == "torch":  # its threads spin: two workers on two cores stand still
    os.environ.setdefault("OMP_NUM_THREADS", "1")
elif os.environ["KERAS_BACKEND"] == "jax":  # compiling takes longer than all else
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.abspath(".pytest_cache/jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
else:  # tf2onnx copies a graph before each of its steps and drops one that fails: here it shows
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")

import numpy as np
import pytest

from tests import costs

BACKEND = os.environ["KERAS_BACKEND"]

# Here a model is converted to ONNX or put on the devices of tf.distribute, or every backend runs.
ON_TENSORFLOW = (
    "export",
    "tests/backends",
    "tests/export",
    "tests/test_distribution_strategy.py",
    "tests/test_evaluate_bundle.py",
    "tests/test_start.py",
)

# No backend computes here: once, on TensorFlow, is enough.
ON_NONE = (
    "keras_vae/conditions.py",
    "keras_vae/conformal.py",
    "keras_vae/datasets",
    "keras_vae/exchange.py",
    "keras_vae/files.py",
    "keras_vae/folders.py",
    "keras_vae/lookup.py",
    "keras_vae/noise.py",
    "keras_vae/names.py",
    "keras_vae/options.py",
    "keras_vae/settings.py",
    "keras_vae/signals.py",
    "keras_vae/plotting/columns.py",
    "keras_vae/plotting/tiles.py",
    "tests/conformance",
    "tests/test_benchmark_data.py",
    "tests/test_benchmarks.py",
    "tests/test_columns.py",
    "tests/test_costs.py",
    "tests/test_conditions.py",
    "tests/test_datasets.py",
    "tests/test_dialect.py",
    "tests/test_files.py",
    "tests/test_folders.py",
    "tests/fuzzing/test_arrays.py",
    "tests/test_kills.py",
    "tests/test_images.py",
    "tests/test_imports.py",
    "tests/test_names.py",
    "tests/test_noise.py",
    "tests/test_noise_checker.py",
    "tests/test_noise_javascript.py",
    "tests/test_output.py",
    "tests/test_packaging.py",
    "tests/test_pareto.py",
    "tests/test_pages.py",
    "tests/test_runtime_wheel.py",
    "tests/test_settings.py",
    "tests/test_signals.py",
    "tests/test_site.py",
    "tests/test_table_commands.py",
    "tests/test_table_rows.py",
    "tests/test_tables.py",
)


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="the tests that cost much too")
    parser.addoption("--measure", metavar="FILE", help="write what each test costs: tests/costs.py")


def pytest_configure(config):
    """Two devices, for test_distribution_strategy.py; TensorFlow allows it before its first use.

    The process that hands the tests out to others needs no TensorFlow, which takes seconds to load.
    """
    works = hasattr(config, "workerinput")
    hands_out = getattr(config.option, "numprocesses", None) and not works
    if path := config.getoption("--measure"):
        config.pluginmanager.register(costs.Meter())
        if not works:
            config.pluginmanager.register(costs.Bill(path))
    if BACKEND == "tensorflow" and not hands_out:
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )


def pytest_collection_modifyitems(config, items):
    """Leaves out what costs much, and skips what is for another backend: `only_on`, or a list."""
    if not config.getoption("--all"):
        names = costs.left_out()
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in names])
        items[:] = [item for item in items if item.nodeid not in names]
    for item in items:
        path = item.path.relative_to(item.config.rootpath)
        if any(path.is_relative_to(part) for part in ON_TENSORFLOW + ON_NONE):
            item.add_marker(pytest.mark.only_on("tensorflow"))
        for marker in item.iter_markers("only_on"):
            if BACKEND not in marker.args:
                item.add_marker(pytest.mark.skip(reason=f"only on {' and '.join(marker.args)}"))


@pytest.fixture(scope="session")
def digits():
    """Grey images: `(N, 8, 8, 1)` in [0, 1]."""
    from keras_vae import datasets

    return datasets.load("digits").x_train


@pytest.fixture(scope="session")
def make_vae():
    """Makes a small compiled VAE; equal arguments give equal weights and noise."""

    import keras

    import keras_vae

    def make(architecture="mlp", likelihood="normal", seed=0, compiled=None, **options):
        vae = keras_vae.VAE.from_architecture(
            architecture, (8, 8, 1), 3, likelihood=likelihood, seed=seed, **options
        )
        vae.compile(**{"optimizer": keras.optimizers.Adam(1e-3), **(compiled or {})})
        return vae

    return make


def once(function, key, last=16):
    """Computes `function` of equal keys once, for as many as the last ones; each gets a copy."""
    known = {}

    def call(*given, **options):
        name = key(*given, **options)
        if name not in known:
            known[name] = function(*given, **options)
        if len(known) > last:
            del known[next(iter(known))]
        return copy.deepcopy(known[name])

    return call


@pytest.fixture(scope="session")
def exported_once():
    """No graph is made anew of a model that equals an earlier one, by its weights and all names.

    Nor are files of the same bytes compared with it again: all else of an export is done.
    """
    from export import bundle, convert, validate

    def of_model(vae):
        return vae.to_json(), *(weight.tobytes() for weight in vae.get_weights())

    def of_parts(parts):
        return tuple(getattr(part, "SerializeToString", lambda p=part: str(p))() for part in parts)

    def of_files(vae, folder, *options, **named):
        files = ((path.name, path.read_bytes()) for path in sorted(folder.glob("*.onnx")))
        return *of_model(vae), *options, *named.items(), *files

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "parts", once(convert.parts, of_model))
        patch.setattr(validate, "check", once(validate.check, of_files))
        for name, make in bundle.GRAPHS.items():
            patch.setitem(bundle.GRAPHS, name, once(make, of_parts))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_pictures():
    """A training draws four, half of its time here: where they are looked at, `pictures.drawn`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_vae.plotting.save", lambda figure, path: Path(path).touch())
        yield


@pytest.fixture(autouse=True)
def seeded():
    """`fit` shuffles by the seeds of Python and NumPy: with none, a threshold would need luck."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
