"""What the README shows runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_vae
from benchmarks.ladder import __main__ as ladder
from keras_vae import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if not language for line in text.splitlines()]


@pytest.mark.usefixtures("exported_once")
def test_python_examples_run_one_after_another(tmp_path, monkeypatch):
    """Each training for one epoch: what comes of it is no claim of theirs."""

    def fit(self, *given, fit=keras_vae.VAE.fit, **options):
        return fit(self, *given, **{**options, "epochs": 1})

    monkeypatch.setattr(keras_vae.VAE, "fit", fit)
    monkeypatch.chdir(tmp_path)
    names = {}
    examples = [text for language, text in BLOCKS if language == "python"]
    for example in examples:
        exec(example, names)
    assert names["x_hat"].shape == (64, 8, 8, 1)
    assert {"samples.png", "vae.keras", "bundle"} <= {path.name for path in tmp_path.iterdir()}
    assert len(examples[0].strip().splitlines()) <= 12


def test_the_example_of_anomalies_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "anomalies.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(example, names)
    assert names["found"] > 0.5 > 0.15 > names["false_alarms"]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python -m keras_vae")])
def test_commands_of_keras_vae_are_understood(command):
    assert vars(cli.parser().parse_args(command.split()[3:]))


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python -m export")])
def test_commands_of_export_are_understood(command, tmp_path):
    """All but their input, which is not there."""
    result = subprocess.run(
        [sys.executable, *command.split()[1:]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr.startswith(("error: there is no file runs/", "error: runs/"))


def test_make_targets_exist():
    targets = re.findall(r"^make (\w+)", "\n".join(COMMANDS), re.MULTILINE)
    assert targets == ["export", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:.*##", makefile, re.MULTILINE) for target in targets)


def test_files_that_the_readme_links_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_no_placeholder_is_left():
    assert not re.findall(r"@\w+@", README)


def test_the_results_are_those_of_the_ladder():
    """`make ladder` prints what the committed JSONs say."""
    table = ladder.table({name: (row, ladder.found(name)) for name, row in ladder.rows().items()})
    assert table in README
