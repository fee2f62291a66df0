"""OnnxVAE: numpy and onnxruntime alone, and the same numbers as Keras."""

import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from export.runtime import OnnxVAE, sampler, sessions
from export.runtime import vae as module

ROOT = Path(__file__).parents[3]
TRAINING = ["tensorflow", "keras", "torch", "jax", "onnx", "tf2onnx", "keras_vae", "export"]
UNIMPORTABLE = [*TRAINING, "PIL", "tqdm"]
ALONE = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[2:]))
from runtime import OnnxVAE
from runtime.cli import main
vae = OnnxVAE(sys.argv[1])
z_mean, z_log_var = vae.encode(vae.sample(3, seed=7))
print(*vae.decode(z_mean).shape)
sys.exit(main([sys.argv[1], "--count", "3", "--out", "samples.npy"]))
"""


def test_folder_runs_alone_where_nothing_else_can_be_imported(exported, tmp_path):
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "export/runtime", tmp_path / "runtime", ignore=ignore)
    command = [sys.executable, "-c", ALONE, str(exported), *UNIMPORTABLE]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("3 8 8 1\n3 samples of seed 0 in ")
    np.testing.assert_array_equal(np.load(tmp_path / "samples.npy"), OnnxVAE(exported).sample(3))


def test_agrees_with_keras(onnx_vae, vae):
    x = vae.sample(5, seed=3)
    np.testing.assert_allclose(onnx_vae.sample(5, seed=3), x, atol=1e-5)
    for ours, theirs in zip(onnx_vae.encode(x), vae.encode(x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    z = np.ones((2, 3), "float32")
    np.testing.assert_allclose(onnx_vae.decode(z), vae.decode(z), atol=1e-5)


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("temperature", [0, 0.5, 2])
def test_draws_the_samples_of_keras_for_every_seed(onnx_vae, vae, seed, temperature):
    drawn = onnx_vae.sample(3, seed, temperature, first=2)
    np.testing.assert_allclose(drawn, vae.sample(3, seed, temperature, first=2), atol=1e-5)


def test_sample_is_the_same_alone_and_among_others(onnx_vae):
    together = onnx_vae.sample(1200, seed=7)
    for first in (0, 1, 1023, 1024, 1025, 1199):
        alone = onnx_vae.sample(1, seed=7, first=first)
        np.testing.assert_allclose(alone[0], together[first], atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, 7, 64])
def test_chunks_do_not_show(exported, onnx_vae, monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    chunked, x = OnnxVAE(exported), np.random.default_rng(0).random((20, 8, 8, 1))
    np.testing.assert_allclose(chunked.sample(20, 1), onnx_vae.sample(20, 1), atol=1e-6)
    for ours, theirs in zip(chunked.encode(x), onnx_vae.encode(x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    z = onnx_vae.encode(x)[0]
    np.testing.assert_allclose(chunked.decode(z), onnx_vae.decode(z), atol=1e-6)


def test_stream_holds_the_samples_in_order_in_parts_of_one_size(onnx_vae):
    size, count = onnx_vae.chunk, 3 * onnx_vae.chunk + 5
    parts = list(onnx_vae.sample_stream(count, seed=2, temperature=0.5, first=9))
    assert [len(part) for part in parts] == [size, size, size, 5]
    np.testing.assert_array_equal(np.concatenate(parts), onnx_vae.sample(count, 2, 0.5, 9))


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_number_of_cores_changes_nothing(exported, onnx_vae, monkeypatch, cores):
    monkeypatch.setattr(module, "cores", lambda: cores)
    ours = OnnxVAE(exported).sample_stream(2600, seed=4)
    for part, same in zip(ours, onnx_vae.sample_stream(2600, seed=4), strict=True):
        np.testing.assert_array_equal(part, same)


def test_a_request_that_takes_long_is_shared_among_the_workers(exported, onnx_vae, monkeypatch):
    expected, sizes, draw = onnx_vae.sample(20, 4), [], sampler.draw
    monkeypatch.setattr(module, "cores", lambda: 3)
    monkeypatch.setattr(module, "WORTH", -1)  # nothing is too short
    monkeypatch.setattr(
        sampler, "draw", lambda *request: sizes.append(request[3]) or draw(*request)
    )
    vae = OnnxVAE(exported)
    np.testing.assert_array_equal(vae.sample(20, 4), expected)
    assert sizes == [20]  # how long it takes is not known yet
    np.testing.assert_allclose(vae.sample(20, 4), expected, atol=1e-6)
    assert sorted(sizes[1:]) == [6, 7, 7]
    vae.sample(19)
    assert sizes[4:] == [19]


def test_stream_without_end_takes_bounded_memory(onnx_vae):
    stream = onnx_vae.sample_stream(2**44)
    part = next(stream)
    tracemalloc.start()
    for _ in range(50):
        next(stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stream.close()
    assert peak < 10 * module.cores() * part.nbytes


@pytest.mark.parametrize(
    ("shape", "chunk"), [((2,), 1024), ((8, 8, 1), 1024), ((28, 28, 1), 128), ((512, 512, 3), 1)]
)
def test_chunks_are_smaller_for_larger_examples(bundle, shape, chunk):
    vae = OnnxVAE(bundle)
    vae.input_shape = shape
    assert vae.chunk == chunk


def test_a_precision_that_is_not_there_is_refused(exported):
    with pytest.raises(ValueError, match="holds files of precision float32, not 'int8': export it"):
        OnnxVAE(exported, precision="int8")


def test_threads_are_for_the_cpu_alone(exported, onnx_vae):
    assert sessions.on_cpu(["CPUExecutionProvider"])
    assert sessions.on_cpu([("CPUExecutionProvider", {"arena_extend_strategy": "0"})])
    assert not sessions.on_cpu(["CUDAExecutionProvider", "CPUExecutionProvider"])
    x_hat = OnnxVAE(exported, providers=[("CPUExecutionProvider", {})]).sample(1300, seed=4)
    np.testing.assert_array_equal(x_hat, onnx_vae.sample(1300, seed=4))


def test_shapes_and_types(onnx_vae):
    assert (onnx_vae.input_shape, onnx_vae.latent_dim) == ((8, 8, 1), 3)
    assert onnx_vae.manifest["format"] == "keras-vae"
    assert onnx_vae.sample(0).shape == (0, 8, 8, 1)
    assert list(onnx_vae.sample_stream(0)) == []
    assert onnx_vae.sample(2).dtype == np.float32
    assert [h.shape for h in onnx_vae.encode(np.zeros((2, 8, 8, 1)))] == [(2, 3), (2, 3)]
    assert [h.shape for h in onnx_vae.encode(np.zeros((0, 8, 8, 1)))] == [(0, 3), (0, 3)]


def test_sampling_needs_no_encoder(bundle):
    (bundle / "encoder.onnx").unlink()
    vae = OnnxVAE(bundle)
    assert vae.sample(1).shape == (1, 8, 8, 1)
    with pytest.raises(ValueError, match=r"cannot read .*encoder\.onnx: No such file"):
        vae.encode(np.zeros((1, 8, 8, 1)))


@pytest.mark.parametrize("draw", [OnnxVAE.sample, OnnxVAE.sample_stream])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": -1}, "count must be a whole number >= 0, got -1"),
        ({"count": 1.5}, "count must be a whole number"),
        ({"count": 1, "first": -1}, "first must be a whole number >= 0, got -1"),
        ({"count": 2**44, "first": 1}, r"first \+ count must be at most 2\*\*44"),
        ({"count": 1, "seed": 2**63}, "seed must be a whole number from"),
        ({"count": 1, "seed": -(2**63) - 1}, "seed must be a whole number from"),
        ({"count": 1, "seed": 0.5}, "seed must be a whole number from"),
        ({"count": 1, "temperature": -1}, "temperature must be a finite number >= 0, got -1"),
        ({"count": 1, "temperature": np.nan}, "temperature must be a finite number"),
        ({"count": 1, "temperature": np.inf}, "temperature must be a finite number"),
        ({"count": 1, "temperature": "1"}, "temperature must be a finite number"),
    ],
)
def test_request_out_of_range_is_refused_at_the_call(onnx_vae, draw, arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(onnx_vae, **arguments)


@pytest.mark.parametrize("count", [9, 5000])
def test_temperature_beyond_float32_is_refused(onnx_vae, count):
    with pytest.raises(ValueError, match="temperature 1e\\+39 is more than float32 can hold"):
        onnx_vae.sample(count, temperature=1e39)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 8, 8)), r"x must have shape \(batch, 8, 8, 1\), got \(2, 8, 8\)"),
        (np.zeros((8, 8, 1)), r"x must have shape"),
        (np.float32(1), r"x must have shape"),
        (np.zeros((1, 8, 8, 1), complex), "x must hold numbers, got dtype complex128"),
        (np.full((1, 8, 8, 1), "a"), "x must hold numbers, got dtype <U1"),
        (np.full((1, 8, 8, 1), None), "x must hold numbers, got dtype object"),
        (np.full((1, 8, 8, 1), np.nan), "x holds values that are NaN or infinite"),
        (np.full((1, 8, 8, 1), np.inf), "x holds values that are NaN or infinite"),
    ],
)
def test_wrong_x_is_refused(onnx_vae, x, message):
    with pytest.raises(ValueError, match=message):
        onnx_vae.encode(x)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((2, 4)), r"z must have shape \(batch, 3\), got \(2, 4\)"),
        (np.zeros(3), r"z must have shape \(batch, 3\), got \(3,\)"),
        (np.full((1, 3), "a"), "z must hold numbers"),
        (np.full((1, 3), np.nan), "z holds values that are NaN or infinite"),
    ],
)
def test_wrong_z_is_refused(onnx_vae, z, message):
    with pytest.raises(ValueError, match=message):
        onnx_vae.decode(z)
