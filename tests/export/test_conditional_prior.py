"""Bundles whose prior sees the label: z depends on it, and scores are those of p(z|y)."""

import json

import numpy as np
import onnxruntime
import pytest

import export
from export import quantize, variants
from export.runtime import OnnxVAE
from keras_vae import VAE
from keras_vae.distributions import Column, FlowMatchingPrior
from tests.tensors import array

AGES = (
    Column("sex", "category", categories=("f", "m")),
    Column("age", "number", mean=40.0, scale=10.0),
)


def made(rng, **labels):
    """A model of random weights, those of its labels too."""
    prior = FlowMatchingPrior((8,), steps=4, inversions=24)
    vae = VAE.from_architecture("mlp", (4, 4, 1), 3, "normal", prior, seed=0, hidden=(8,), **labels)
    for weight in vae.prior.trainable_weights:
        weight.assign(array(weight) + rng.normal(0, 0.3, weight.shape))
    return vae


@pytest.fixture(scope="module", params=["label", "covariates"])
def pair(request, tmp_path_factory):
    """The model, its bundle, and two of its labels."""
    folder = tmp_path_factory.mktemp(request.param) / "bundle"
    if request.param == "label":
        vae, labels = made(np.random.default_rng(0), num_classes=3), (0, 2)
    else:
        vae = made(np.random.default_rng(0), covariates=AGES)
        labels = {"sex": "f", "age": 25}, {"sex": "m", "age": 60}
    vae.export(folder)
    return vae, OnnxVAE(folder), labels


def test_each_label_has_samples_of_its_own(pair):
    vae, bundle, labels = pair
    drawn = [bundle.sample(20, seed=5, label=label) for label in labels]
    for label, x_hat in zip(labels, drawn, strict=True):
        np.testing.assert_allclose(x_hat, vae.sample(20, seed=5, label=label), atol=1e-5)
        x = bundle.sample(20, seed=5, label=label, mean=False)
        np.testing.assert_allclose(x, vae.sample(20, seed=5, label=label, mean=False), atol=1e-4)
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-2


def test_z_depends_on_the_label(pair):
    vae, bundle, labels = pair
    session = onnxruntime.InferenceSession(bundle.path / "sampler.onnx")
    numbers = {"seed": 5, "first": 0, "count": 4}
    feeds = {name: np.array(value, np.int64) for name, value in numbers.items()}
    feeds["temperature"] = np.array(1, np.float32)
    kind = np.int64 if vae.num_classes else np.float32
    each = [np.array(vae.labels.checked(label, 1)[0][0], kind) for label in labels]
    z = [session.run(["z"], {**feeds, "label": label})[0] for label in each]
    assert np.abs(z[0] - z[1]).max() > 1e-2


def test_the_known_answer_names_its_label(pair):
    _, bundle, _ = pair
    known = json.loads((bundle.path / "manifest.json").read_text())["known_answer"]
    assert known["label"] == (0 if bundle.num_classes else [0.0, 30.0])


def test_scores_are_those_given_the_label(pair, rng):
    vae, bundle, labels = pair
    x = rng.normal(size=(6, 4, 4, 1)).astype("float32")
    for label in labels:
        found, expected = (v.score(x, 10, label=label) for v in (bundle, vae))
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-3)
    one, other = (bundle.score(x, 10, label=label)["log_likelihood"] for label in labels)
    assert np.abs(one - other).max() > 1e-2


def test_lower_precision_has_it_too(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(variants, "SECONDS", 0)
    monkeypatch.setattr(quantize, "DRAWS", 256)
    vae = made(rng, num_classes=3)
    x = rng.normal(size=(20, 4, 4, 1)).astype("float32")
    export.bundle.write(vae, tmp_path / "b", precision=("float16", "int8"), x=x, label=1, budget=10)
    files = {path.name for path in (tmp_path / "b").glob("sampler*")}
    assert "sampler.onnx" in files
