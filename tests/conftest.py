"""Settings that must stand before Keras and matplotlib are imported, and what tests share."""

import copy
import os
from fnmatch import fnmatchcase
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

BACKEND = os.environ["KERAS_BACKEND"]

# Here a model is converted to ONNX or put on the devices of tf.distribute, or every backend runs.
ON_TENSORFLOW = (
    "export",
    "tests/backends",
    "tests/export",
    "tests/test_distribution_strategy.py",
    "tests/test_evaluate_bundle.py",
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
    "tests/test_table_commands.py",
    "tests/test_table_rows.py",
    "tests/test_tables.py",
)


# Heavier repetitions of a law that `make test` holds in another form: `make test-all` has them too.
REPETITIONS = (
    "tests/backends/*",  # the laws of every backend hold on each; this compares their numbers
    "tests/test_anomaly.py::test_a_bundle_decides*[[]binary*",
    "tests/test_anomaly.py::test_a_bundle_decides*[[]real*",
    "tests/test_cli.py::test_bad_arguments*many components*",
    "tests/test_cli.py::test_bad_arguments*memory*",
    "tests/test_covariates.py::test_priors_and_architectures*[[]flow*",
    "tests/test_covariates.py::test_priors_and_architectures*[[]resnet*",
    "tests/test_crossings.py::test_scores*flow and*-10*",
    "tests/test_crossings.py::test_scores*flow_matching and diagonal_normal-10*",
    "tests/test_crossings.py::test_scores*flow_matching and full_normal*",
    "tests/test_distribution_strategy.py::*conditional-*even*",
    "tests/test_distribution_strategy.py::*penalized-uneven*",
    "tests/test_distribution_strategy.py::*weighted-even*",
    "tests/test_distribution_strategy.py::*weighted-uneven*",
    "tests/test_estimators.py::test_iwae_trains[[]reparameterized*",
    "tests/test_fit_prior.py::*more_likely*flow_matching*",
    "tests/test_guards.py::test_a_step_that_is_not_finite*-compiled[12]*",
    "tests/test_imports.py::test_keras_loads*keras_vae, tensorflow, keras*",
    "tests/test_in_place.py::test_a_callback_may_use*compiled*",
    "tests/test_in_place.py::test_a_learning_rate*as a graph*",
    "tests/test_in_place.py::test_a_loaded*compiled*",
    "tests/test_in_place.py::test_a_weight*as a graph*",
    "tests/test_in_place.py::test_batches*as a graph*",
    "tests/test_in_place.py::test_compile*compiled*",
    "tests/test_in_place.py::test_steps_are_as_many*compiled*",
    "tests/test_in_place.py::test_the_weights*as a graph*",
    "tests/test_in_place.py::test_the_weights*compiled-a loss*",
    "tests/test_in_place.py::test_the_weights*compiled-labels*",
    "tests/test_in_place.py::test_training_that_comes_to_nothing*as a graph*",
    "tests/test_in_place.py::test_what_comes_after*compiled*",
    "tests/test_in_place.py::test_what_is_computed*as a graph*",
    "tests/test_inputs.py::test_a_container_of_one*list*",
    "tests/test_inputs.py::test_a_container_of_one*tuple*",
    "tests/test_inputs.py::test_sizes_that_are_known*compiled1-False*",
    "tests/test_inputs.py::test_sparse_rows_are*coo_matrix*",
    "tests/test_kl_weight.py::test_kl_weight_means*iwae-doubly*",
    "tests/test_kl_weight.py::test_the_weight_is_the_schedule*-0[]]",
    "tests/test_kl_weight.py::test_the_weight_that_is_logged*-0-True*",
    "tests/test_likelihoods.py::test_the_exported_scorer*[[]discretized_logistic*",
    "tests/test_likelihoods.py::test_the_exported_scorer*[[]negative_binomial*",  # with zeros
    "tests/test_likelihoods.py::test_the_exported_scorer*[[]normal*",  # of all tests/export
    "tests/test_likelihoods.py::test_the_exported_scorer*bernoulli*",  # of all tests/export
    "tests/test_likelihoods.py::test_the_exported_scorer*categorical*",
    "tests/test_likelihoods.py::test_the_exported_scorer*continuous*",
    "tests/test_likelihoods.py::test_the_exported_scorer*heteroscedastic*",
    "tests/test_likelihoods.py::test_the_exported_scorer*mixture*",  # test_generator.py exports it
    "tests/test_likelihoods.py::test_the_exported_scorer*poisson*",
    "tests/test_loop.py::test_batches_are_of_32*1600*",
    "tests/test_output.py::test_a_name_that_no_character_set*keras_vae*",
    "tests/test_parts.py::test_a_new_objective*other1*",
    "tests/test_prior_weight.py::test_a_first_fit_warms*flow_matching*",
    "tests/test_prior_weight.py::test_a_first_fit_warms*mixture*",  # as a flow, by one schedule
    "tests/test_prior_weight.py::test_a_first_fit_warms*vamp*",
    "tests/test_prior_weight.py::test_a_model_that_was_trained*[[]compiled_again]",
    "tests/test_prior_weight.py::test_a_model_that_was_trained*[[]loaded]",
    "tests/test_prior_weight.py::test_at_weight_0*flow_matching*",
    "tests/test_prior_weight.py::test_the_loss_of_a_step*-1[]]",
    "tests/test_prior_weight.py::test_the_loss_of_a_step*iwae-66*",  # in chunks, as the ELBO
    "tests/test_priors.py::test_a_prior_that_does_not_fit*",  # TensorFlow waits for memory for 10 s
    "tests/test_priors.py::test_mixed_precision*flow_matching*",
    "tests/test_priors.py::test_the_flows_log_determinant*flow_matching-[12]*",
    "tests/test_quadrature.py::test_the_estimate*-1[]]",  # two dimensions are the harder ones
    "tests/test_pages.py::test_the_example_of_anomalies*",
    "tests/test_resume.py::*same_bits*all at once*",
    "tests/test_resume.py::*same_bits*conv*",
    "tests/test_resume.py::*same_bits*resnet*",
    "tests/test_scaling.py::test_what_is_logged*categorical*",
    "tests/test_scaling.py::test_what_is_logged*continuous*",
    "tests/test_scaling.py::test_what_is_logged*discretized*",
    "tests/test_scaling.py::test_what_is_logged*negative_binomial*",
    "tests/test_scaling.py::test_what_is_logged*poisson*",  # a mean of scores, whatever they are of
    "tests/test_sized.py::test_a_bundle_agrees*poisson*",
    "tests/test_sized.py::test_a_bundle_agrees*zero_inflated*",
    "tests/test_sparse_data.py::test_dense_whole_numbers*",
    "tests/test_streaming.py::test_a_killed_training*",  # test_resume.py kills it in memory
    "tests/test_streaming.py::test_a_picture*train-remove*",
    "tests/test_streaming.py::test_a_picture*validation-remove*",
    "tests/test_streaming.py::test_a_picture*validation-spoil*",
    "tests/test_streaming.py::test_a_picture*widen*",
    "tests/test_streaming.py::test_a_streamed_fit*levels*",
    "tests/test_streaming.py::test_the_command*grey*",
    "tests/test_streaming.py::test_the_command*standardized*",
    "tests/test_topdown.py::test_it_trains*iwae*",
    "tests/test_topdown.py::test_it_trains*sticking*",
    "tests/test_vae.py::test_mixed_precision*bfloat16*",
    "tests/test_vae.py::test_saved_and_loaded*bernoulli*",
    "tests/test_vae.py::test_ways_to_run*jit_compile*",  # test_in_place.py has XLA
    "tests/export/runtime/test_fuzzing.py::*[[]300*",
    "tests/export/test_bundle.py::test_failure_at_any_step*error[12]*",
    "tests/export/test_calibration.py::*[[]flow*",
    "tests/export/test_conditional.py::*[[]mlp*",  # the label goes into either decoder alike
    "tests/export/test_convert.py::test_any_data_shape*bernoulli*",
    "tests/export/test_convert.py::test_any_data_shape*shape1*",  # an odd size, as shape2
    "tests/export/test_convert.py::test_every_architecture*[[]resnet]",
    "tests/export/test_convert.py::test_reduced_precision*[[]float16*",
    "tests/export/test_convert.py::test_reduced_precision*bfloat16*",
    "tests/export/test_full_normal.py::*[[]vamp*",
    "tests/export/test_generator.py::test_it_draws*[[]discretized_logistic*",
    "tests/export/test_generator.py::test_it_draws*[[]negative_binomial*",  # with zeros
    "tests/export/test_generator.py::test_it_draws*[[]normal*",
    "tests/export/test_generator.py::test_it_draws*[[]poisson*",
    "tests/export/test_generator.py::test_it_draws*continuous*",
    "tests/export/test_generator.py::test_it_draws*heteroscedastic*",
    "tests/export/test_quantize.py::*[[]mlp*",  # the convolutional model has dense layers too
    "tests/export/test_quantize.py::*over_budget*nan*",
    "tests/export/test_sampler.py::test_every_prior*flow_matching*",
    "tests/export/test_sampler.py::test_every_prior*mixture_of_normals*",
    "tests/export/test_sampler.py::test_every_prior*vamp*",
)


# The laws of the ways in which `fit` takes its steps, by XLA too.
WITH_XLA = ("tests/test_in_place.py", "tests/test_loop.py", "tests/test_resume.py")


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="the heavier repetitions too")


def pytest_configure(config):
    """Two devices, for test_distribution_strategy.py; TensorFlow allows it before its first use.

    The process that hands the tests out to others needs no TensorFlow, which takes seconds to load.
    """
    hands_out = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if BACKEND == "tensorflow" and not hands_out:
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )


def pytest_collection_modifyitems(config, items):
    """Leaves repetitions out, and skips what is for another backend: by `only_on`, or by a list."""
    if not config.getoption("--all"):
        repeated = [i for i in items if any(fnmatchcase(i.nodeid, p) for p in REPETITIONS)]
        config.hook.pytest_deselected(items=repeated)
        items[:] = [item for item in items if item not in repeated]
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


@pytest.fixture(scope="module", autouse=True)
def without_xla(request):
    """A second `fit` is compiled by XLA on TensorFlow, which takes seconds: for `--all` alone."""
    from keras_vae.models import loop

    path = request.path.relative_to(request.config.rootpath).as_posix()
    if BACKEND != "tensorflow" or path in WITH_XLA or request.config.getoption("--all"):
        yield
        return

    def plan(given, facts, limits, plan=loop.plan):
        return plan(given, facts._replace(supports_xla=facts.needs_xla), limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plan", plan)
        yield


@pytest.fixture(autouse=True)
def seeded():
    """`fit` shuffles by the seeds of Python and NumPy: with none, a threshold would need luck."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
