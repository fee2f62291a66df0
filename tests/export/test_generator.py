"""generator.onnx: x drawn from p(x|z), the same for each (seed, i), as Keras draws it."""

import numpy as np
import onnx
import onnxruntime
import pytest

import keras_vae
from export import convert, loading, runtime, sampler, validate
from export.runtime import cli
from keras_vae import noise
from keras_vae.distributions import likelihoods

LIKELIHOODS = sorted(likelihoods.LIKELIHOODS)
SHAPES = {"categorical": (6, 5), "mixture_of_discretized_logistics": (8, 8, 3)}


def feeds(seed, first, count, temperature=1.0):
    scalars = {"seed": seed, "first": first, "count": count}
    integers = {name: np.array(value, np.int64) for name, value in scalars.items()}
    return {**integers, "temperature": np.array(temperature, np.float32)}


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_it_draws_what_keras_draws_in_any_split(name):
    shape = SHAPES.get(name, (6, 5, 1))
    vae = keras_vae.VAE.from_architecture("mlp", shape, 3, name, seed=1, hidden=(16,))
    parts = convert.parts(vae)
    generator = session(sampler.generator(parts))
    z, x = generator.run(["z", "x"], feeds(-3, 2**33, 200))
    expected = vae.sample(200, -3, first=2**33, mean=False)
    assert validate.elsewhere(x, expected, 1e-5).mean() < 1e-4
    vae.likelihood.check(x)
    (same,) = session(sampler.sampler(parts)).run(["z"], feeds(-3, 2**33, 200))
    np.testing.assert_array_equal(z, same)
    for first, count in ((0, 1), (5, 7), (199, 1), (0, 0)):
        (part,) = generator.run(["x"], feeds(-3, 2**33 + first, count))
        assert part.shape == (count, *shape)
        assert validate.elsewhere(part, x[first : first + count], 1e-5).sum() == 0


def test_it_holds_each_weight_once_and_nothing_random(exported, check_constants):
    model = loading.load(exported / "generator.onnx")
    check_constants(model.graph)
    assert [value.name for value in model.graph.output] == ["z", "x"]
    held = {tensor.name for tensor in model.graph.initializer}
    assert held.isdisjoint(value.name for value in model.graph.input)


def test_temperature_spreads_z_alone(exported, vae):
    generator = onnxruntime.InferenceSession(exported / "generator.onnx")
    z, x = generator.run(["z", "x"], feeds(1, 0, 500, temperature=0.0))
    assert not z.any()
    p = vae.decode(z[:1])[0]
    assert (np.abs(x.mean(axis=0) - p) < 5.5 * np.sqrt(p * (1 - p) / 500)).all()


def test_the_runtime_draws_what_keras_draws(exported, vae):
    bundle = runtime.OnnxVAE(exported)
    x = bundle.sample(70, seed=7, mean=False)
    np.testing.assert_array_equal(x, vae.sample(70, seed=7, mean=False))
    np.testing.assert_array_equal(bundle.sample(3, seed=7, first=5, mean=False), x[5:8])
    stream = np.concatenate(list(bundle.sample_stream(70, seed=7, mean=False)))
    np.testing.assert_array_equal(stream, x)


@pytest.mark.parametrize("suffix", ["npy", "png"])
def test_the_command_draws(exported, tmp_path, suffix):
    out = tmp_path / f"x.{suffix}"
    request = [str(exported), "--count", "9", "--seed", "4", "--out", str(out)]
    assert cli.main([*request, "--draw"]) == 0
    drawn = out.read_bytes()
    if suffix == "npy":
        expected = runtime.OnnxVAE(exported).sample(9, seed=4, mean=False)
        np.testing.assert_array_equal(np.load(out), expected)
    assert cli.main(request) == 0
    assert out.read_bytes() != drawn


def test_an_array_of_means_is_not_continued_with_draws(exported, tmp_path, monkeypatch):
    """Both are asked for by the same numbers; the record knows which graph computed the rows."""
    out = tmp_path / "x.npy"
    request = [str(exported), "--count", "40", "--out", str(out)]

    def interrupted(self, rows):
        self.record.add(rows)
        self.save()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("export.runtime.resumable.Rows.append", interrupted)
        assert cli.main(request) == 130
    assert cli.main([*request, "--draw"]) == 0
    expected = runtime.OnnxVAE(exported).sample(40, mean=False)
    np.testing.assert_array_equal(np.load(out), expected)


def test_an_x_of_more_noise_than_there_is_has_its_mean_alone(tmp_path, monkeypatch):
    """As an image of a thousand by a thousand pixels."""
    monkeypatch.setattr(noise, "EXAMPLE", noise.EVENT + 31)  # 62 numbers
    vae = keras_vae.VAE.from_architecture("mlp", (8, 8, 1), 2, "bernoulli", seed=0)
    vae.export(tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "generator.onnx").exists()
    bundle = runtime.OnnxVAE(tmp_path / "bundle")
    assert bundle.sample(2).shape == (2, 8, 8, 1)
    with pytest.raises(ValueError, match=r"holds no generator\.onnx, because drawing one x takes"):
        bundle.sample(2, mean=False)
    with pytest.raises(ValueError, match="takes 64 uniform numbers, and a sample has 62"):
        vae.sample(2, mean=False)


@pytest.mark.parametrize("levels", [2, 4096, 65536])
def test_levels_of_any_number_pass_the_gate(levels, tmp_path):
    """Of many, rounding decides between two neighbours often, and they are near each other."""
    likelihood = likelihoods.DiscretizedLogistic(levels)
    vae = keras_vae.VAE.from_architecture("mlp", (8, 8, 1), 2, likelihood, seed=0)
    vae.export(tmp_path / "bundle")
    x = runtime.OnnxVAE(tmp_path / "bundle").sample(50, mean=False)
    assert np.isin(x, (np.arange(levels) / (levels - 1)).astype("float32")).all()


def test_counts_of_any_size_pass_the_gate(tmp_path):
    vae = keras_vae.VAE.from_architecture("mlp", (50,), 2, "poisson", seed=0)
    vae.decoder.weights[-1].assign(np.linspace(-5, 12, 50))  # rates up to 160,000
    vae.export(tmp_path / "bundle")
    x = runtime.OnnxVAE(tmp_path / "bundle").sample(50, mean=False)
    assert x.max() > 1e5
    vae.likelihood.check(x)


def test_draws_of_another_model_are_refused(mlp, exported, tmp_path, save_graphs):
    """The gate compares x itself: here p is a little greater than it should be."""
    save_graphs(mlp, tmp_path)
    model = onnx.load(tmp_path / "generator.onnx")
    for tensor in model.graph.initializer:
        if tuple(tensor.dims) == (64,):  # the last bias
            values = onnx.numpy_helper.to_array(tensor) + np.float32(0.1)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, tmp_path / "generator.onnx")
    with pytest.raises(validate.ValidationError, match=r"generator\.onnx, .* x differs from that"):
        validate.check(mlp, tmp_path)
