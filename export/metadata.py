"""What a model card tells the programs of a hub: the YAML above its text."""

import re

from export import card
from export.runtime import conditions
from export.runtime.manifest import covariates

LIBRARY = "keras-vae"
TAGS = ["variational-autoencoder", "vae", "onnx"]
KNOWN = {
    "mnist": "ylecun/mnist",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
}
"""The data sets of `train` that the Hugging Face Hub holds, by their names there."""
PROTOCOL = ("examples", "seed", "binarization")
LOADED = re.compile(r'hub\.load\("[^"]*"\)')
USE = """
## From the hub

`pip install "keras-vae[hub]"`, and then, in Python:

```python
import keras_vae

vae = keras_vae.hub.load("{repo_id}")
x_hat = vae.sample(16, seed=0{label})
```
"""


def text(readme, manifest, repo_id, model=False, **given):
    """Returns the model card of a bundle as a hub takes it: metadata, the text, how it is loaded.

    What the text has for metadata already stays, where nothing newer is known.

    Args:
        readme: the README.md of the bundle.
        manifest: what manifest.json holds.
        repo_id: the name on the hub, `"user/name"`.
        model: whether the model of Keras stands beside the bundle.
        given: metadata that the manifest does not know, such as `license`; None is nothing.

    Raises:
        ValueError: the metadata that the text has already are no metadata.
    """
    from huggingface_hub import ModelCard, ModelCardData
    from yaml import YAMLError

    try:
        before = ModelCard(readme if readme.startswith("---") else f"---\n\n---\n{readme}")
    except (ValueError, YAMLError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"README.md must begin with metadata in YAML or none: {told}") from error
    there = before.data.to_dict()
    known = of_manifest(manifest, repo_id)
    known["tags"] = [*there.get("tags", []), *TAGS, *(["keras"] if model else [])]
    given = {name: value for name, value in given.items() if value is not None}
    told = {name: value for name, value in {**there, **known, **given}.items() if value}
    data = ModelCardData(**told)
    return f"---\n{data.to_yaml()}\n---\n{_with_use(before.text, manifest, repo_id)}"


def of_manifest(manifest, repo_id):
    """Returns the metadata that follow from a manifest, by the hub's names; none is a guess.

    The test ELBO goes into `model-index`, in nats per example with its standard error: the hub's
    newer `.eval_results` are for benchmarks that are registered there.

    Args:
        manifest: what manifest.json holds.
        repo_id: the name on the hub, `"user/name"`.

    Example:

    >>> of_manifest({"input_shape": [28, 28, 1], "metrics": {"data": "mnist"}}, "user/name")
    {'library_name': 'keras-vae', 'pipeline_tag': 'unconditional-image-generation',
     'datasets': ['ylecun/mnist']}
    """
    told = {"library_name": LIBRARY}
    if card.KINDS.get(len(manifest["input_shape"])) == "images" and not covariates(manifest):
        told["pipeline_tag"] = "unconditional-image-generation"
    data = manifest.get("metrics", {}).get("data")
    if data in KNOWN:
        told["datasets"] = [KNOWN[data]]
    if data and card.elbo(manifest):
        task = told.get("pipeline_tag", "other")
        told["model-index"] = _results(manifest, task, repo_id.split("/")[1])
    return told


def _results(manifest, task, name):
    """The test ELBO, with what was done to come to it."""
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    data, test = manifest["metrics"]["data"], manifest["metrics"]["test"]
    protocol = {name: test[name] for name in PROTOCOL if test.get(name) is not None}
    result = EvalResult(
        task_type=task,
        dataset_type=KNOWN.get(data, data),
        dataset_name=data,
        dataset_split="test",
        dataset_args=protocol or None,
        metric_type="elbo",
        metric_name="Test ELBO, nats per example",
        metric_value=card.elbo(manifest),
    )
    return eval_results_to_model_index(name, [result])


def _with_use(text, manifest, repo_id):
    """The text, which says how the bundle is loaded from this place on the hub."""
    if LOADED.search(text):  # it was downloaded from a hub, perhaps from another place
        return LOADED.sub(f'hub.load("{repo_id}")', text)
    label, told = "", covariates(manifest)
    if told:
        label = f", label={0 if conditions.is_label(told) else conditions.example(told)}"
    return text + USE.format(repo_id=repo_id, label=label)
