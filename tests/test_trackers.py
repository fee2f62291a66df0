"""The examples of docs/trackers.md run, each where its tracker is installed.

`pip install mlflow wandb` beside the locked packages; CI has TensorBoard alone.
"""

import re
import sys

import pytest

import export.runtime
import keras_vae
from tests.pages import ROOT

PAGE = (ROOT / "docs" / "trackers.md").read_text(encoding="utf-8")
NEEDS = {"TensorBoard": "tensorboard", "MLflow": "mlflow", "Weights & Biases": "wandb"}
LEFT = {"TensorBoard": "logs/train", "MLflow": "mlflow.db", "Weights & Biases": "wandb/offline-*"}
"""What each tracker leaves in the folder."""


def programs(tracker):
    """The Python of a tracker's section."""
    (section,) = re.findall(rf"^## {tracker}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@pytest.mark.only_on("tensorflow")
@pytest.mark.parametrize("tracker", NEEDS)
def test_an_example_runs(tracker, tmp_path, monkeypatch):
    pytest.importorskip(NEEDS[tracker])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "keras_vae_runtime", export.runtime)  # its wheel
    data = keras_vae.datasets.load("digits")
    vae = keras_vae.VAE.from_architecture("mlp", (8, 8, 1), 8, "normal", seed=0, hidden=(16,))
    vae.compile("adam")
    names = {"keras_vae": keras_vae, "data": data, "vae": vae}
    for program in programs(tracker):
        exec(program.replace("epochs=5", "epochs=2"), names)
    assert [*tmp_path.glob(LEFT[tracker])]
    if tracker == "MLflow":
        assert names["x_hat"].shape == (64, 64)
        metrics = names["mlflow"].get_run(names["run"].info.run_id).data.metrics
        assert {"loss", "kl_loss", "val_loss", "test_elbo"} <= {*metrics}
