"""What is pushed to a hub and loaded from it is the bundle; the hub is one on the loopback address.

It speaks the endpoints that huggingface_hub asks for; no real hub is reached.
"""

import json
import re
import shutil
import sys
import threading

import numpy as np
import pytest

import keras_vae
from export import hub as hubs
from export import metadata
from export.explore import site
from export.runtime import OnnxVAE
from tests.export.hub_server import TOKEN, Hub
from tests.pages import ROOT

huggingface_hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")

PLACE = "user/name"
METRICS = {
    "data": "mnist",
    "binarize": "dynamic",
    "test": {"elbo": -93.6612, "standard_error": 0.2491, "examples": 100, "binarization": "static"},
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of the test's own, without a token or a cache of the machine."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # a storage beside the hub
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # it asks the public hub
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_TOKEN_PATH", "HF_STORED_TOKENS_PATH"):
        monkeypatch.setattr(constants, name, str(tmp_path / "none"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with Hub() as serves:
        thread = threading.Thread(target=serves.serve_forever, args=(0.02,))  # seconds
        thread.start()
        try:
            yield serves
        finally:
            serves.shutdown()
            thread.join()


@pytest.fixture
def push(hub):
    """`push` with the token of the hub."""

    def push(bundle, repo_id=PLACE, **options):
        return hubs.push(bundle, repo_id, **{"token": TOKEN, "endpoint": hub.address, **options})

    return push


def change(bundle, **told):
    """Changes the manifest of a bundle."""
    path = bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **told}))


def read(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_loaded_is_what_was_pushed_to_the_byte(hub, push, bundle):
    commit = push(bundle)
    there, held = hub.commits[PLACE], read(bundle)
    assert len(there) == 2  # the empty one, and all at once
    assert set(there[-1]) == {*held, ".gitattributes"}
    vae = hubs.load(PLACE, endpoint=hub.address)
    found = read(vae.path)
    card, readme = found.pop("README.md").decode(), held.pop("README.md").decode()
    assert found == held
    assert readme in card
    np.testing.assert_array_equal(vae.sample(3, seed=7), OnnxVAE(bundle).sample(3, seed=7))
    assert commit.oid == hub.head(PLACE) == vae.path.name


def test_pushing_what_was_loaded_changes_nothing(hub, push, bundle):
    commit = push(bundle, license="mit")
    folder = hubs.load(PLACE, endpoint=hub.address).path
    assert push(folder).oid == commit.oid
    push(folder, "other/copy")
    card = hub.commits["other/copy"][-1]["README.md"].decode()
    assert 'hub.load("other/copy")' in card
    assert PLACE not in card
    assert "license: mit" in card


def test_a_push_replaces_the_bundle_of_an_earlier_one_and_nothing_else(hub, push, bundle, saved):
    first = push(bundle, model=saved)
    there = hub.commits[PLACE]
    assert there[-1]["model.keras"] == saved.read_bytes()
    mine = dict.fromkeys(
        ["LICENSE", "notes/a.onnx", "upscaler.onnx", "explorer/mine.html"], b"mine"
    )
    ours = dict.fromkeys(["decoder_int8.onnx", "explorer/bundle/decoder.onnx"], b"old")
    there[-1].update(mine | ours)
    (bundle / "samples.png").unlink()
    push(bundle)
    assert set(there[-1]) == {*read(bundle), ".gitattributes", *mine}
    assert "model.keras" in hub.files(PLACE, first.oid)  # what was there is there still


@pytest.mark.parametrize(
    "why", [{"refuses": True}, {"meanwhile": {"LICENSE": b"theirs"}}], ids=["refused", "meanwhile"]
)
def test_a_push_that_the_hub_refuses_changes_nothing(hub, push, bundle, why):
    push(bundle)
    before = hub.commits[PLACE][-1]
    (bundle / "README.md").write_text("# Another\n")
    vars(hub).update(why)
    with pytest.raises(OSError, match=r"^cannot push to user/name: .*412") as refused:
        push(bundle)
    assert "\n" not in str(refused.value)
    assert hub.commits[PLACE][-1] == {**before, **hub.meanwhile}


def test_the_card_says_what_the_manifest_knows(hub, push, bundle, monkeypatch):
    change(bundle, metrics=METRICS)
    push(bundle, license="apache-2.0")
    path = hubs.load(PLACE, endpoint=hub.address).path / "README.md"
    card = huggingface_hub.ModelCard.load(path)
    data = card.data
    assert (data.library_name, data.license, data.datasets) == (
        "keras-vae",
        "apache-2.0",
        ["ylecun/mnist"],
    )
    assert data.pipeline_tag == "unconditional-image-generation"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("elbo", "-93.66 ± 0.25")
    assert "nats per example" in result.metric_name
    assert (result.dataset_type, result.dataset_split) == ("ylecun/mnist", "test")
    assert result.dataset_args == {"examples": 100, "binarization": "static"}
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    card.validate()


def test_nothing_is_claimed_that_the_manifest_does_not_know(bundle):
    images = json.loads((bundle / "manifest.json").read_text())
    nameless = {**METRICS, "data": None}
    for told in (images, {**images, "metrics": nameless}):
        assert set(metadata.of_manifest(told, PLACE)) == {"library_name", "pipeline_tag"}
    conditional = {**images, "num_classes": 3}
    for told in (conditional, {**images, "input_shape": [8]}):
        assert set(metadata.of_manifest(told, PLACE)) == {"library_name"}
    assert "sample(16, seed=0, label=0)" in metadata.text("# A\n", conditional, PLACE)
    results = metadata.of_manifest({**conditional, "metrics": METRICS}, PLACE)["model-index"]
    assert results[0]["results"][0]["task"]["type"] == "other"


def test_what_the_user_wrote_into_the_card_stays(bundle):
    told = json.loads((bundle / "manifest.json").read_text())
    written = "---\nlanguage: en\ntags:\n- mine\ndatasets:\n- my/data\n---\n# Mine\n"
    card = huggingface_hub.ModelCard(metadata.text(written, told, PLACE, model=True))
    assert (card.data.language, card.data.datasets) == ("en", ["my/data"])
    assert card.data.tags == ["mine", *metadata.TAGS, "keras"]
    assert card.text.startswith("# Mine\n")
    text = metadata.text(written, told, PLACE, datasets=[])
    assert huggingface_hub.ModelCard(text).data.datasets is None
    for broken in ("---\n- a list\n---\n", "---\na: [\n---\n"):
        with pytest.raises(ValueError, match=r"^README.md must begin with metadata .*"):
            metadata.text(broken, told, PLACE)


def test_the_explorer_comes_along_where_it_is_asked_for(hub, push, bundle, tmp_path):
    for name in site.RUNTIME:
        (tmp_path / name).write_bytes(name.encode())
    push(bundle, explorer=tmp_path)
    files = hub.commits[PLACE][-1]
    assert files["explorer/index.html"] == (site.PAGE / "index.html").read_bytes()
    assert files["explorer/bundle/sampler.onnx"] == files["sampler.onnx"]
    assert files[f"explorer/runtime/{site.RUNTIME[0]}"] == site.RUNTIME[0].encode()
    push(bundle)
    assert not any(name.startswith("explorer/") for name in hub.commits[PLACE][-1])


def test_a_private_bundle_is_for_those_with_a_token(hub, push, bundle):
    push(bundle, private=True)
    with pytest.raises(OSError, match=r"^cannot load user/name: .*40"):
        hubs.load(PLACE, endpoint=hub.address)
    assert hubs.load(PLACE, token=TOKEN, endpoint=hub.address).latent_dim == 3


def test_a_file_that_was_changed_on_the_way_is_refused(hub, push, bundle):
    push(bundle)
    files = hub.commits[PLACE][-1]
    files["decoder.onnx"] = files["decoder.onnx"][:-1] + b"\0"
    with pytest.raises(ValueError, match=r"decoder.onnx is not the file that the manifest desc"):
        hubs.load(PLACE, endpoint=hub.address)
    del files["decoder.onnx"]
    hub.commits[PLACE].append(files)
    with pytest.raises(ValueError, match=r"cannot read .*decoder.onnx"):
        hubs.load(PLACE, endpoint=hub.address)


def test_what_is_no_bundle_there_is_refused(hub, push, bundle):
    push(bundle)
    for repo_id, revision in (("user/other", None), (PLACE, "v9")):
        with pytest.raises(OSError, match=f"^cannot load {repo_id}: .*Not Found"):
            hubs.load(repo_id, revision, endpoint=hub.address)
    with pytest.raises(ValueError, match="precision float32, not 'int8'"):
        hubs.load(PLACE, precision="int8", endpoint=hub.address)
    hub.commits["user/empty"] = [{"README.md": b"# Nothing\n"}]
    with pytest.raises(OSError, match=r"^cannot load user/empty: .*manifest.json"):
        hubs.load("user/empty", endpoint=hub.address)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"repo_id": "name"}, "repo_id must be \"user/name\", got 'name'"),
        ({"repo_id": "a/b/c"}, "repo_id must be \"user/name\", got 'a/b/c'"),
        ({"repo_id": "us er/name"}, "repo_id must be \"user/name\", got 'us er/name': .*"),
        ({"bundle": "nowhere"}, "nowhere is not a folder: .*"),
        ({"model": "nowhere.keras"}, "model must be a .keras file, .* got nowhere.keras"),
        ({"explorer": "nowhere"}, "nowhere holds no onnxruntime-web .*"),
        ({"token": None}, "there is no token to push with: run hf auth login, .*"),
    ],
)
def test_what_is_wrong_is_said_before_the_hub_is_asked(hub, push, bundle, given, told):
    with pytest.raises(ValueError, match=f"^{told}$"):
        push(**{"bundle": bundle, **given})
    assert not hub.requests


def test_a_missing_library_is_said_with_the_command(monkeypatch, bundle):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r'^the hub .* pip install "keras-vae\[hub\]"$'):
        hubs.load(PLACE)


def test_the_example_of_the_page_runs(hub, bundle, tmp_path, monkeypatch):
    """Where nothing else is said, the hub is the one of the environment, and so is the token."""
    for name in ("ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
        told = getattr(constants, name).replace(constants._HF_DEFAULT_ENDPOINT, hub.address)
        monkeypatch.setattr(constants, name, told)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    shutil.copytree(bundle, tmp_path / "runs" / "digits" / "onnx")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "hub.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(example, names)
    assert names["x_hat"].shape == (64, 8, 8, 1)
    assert (keras_vae.hub.push, keras_vae.hub.load) == (hubs.push, hubs.load)
