"""Settings: one dataclass; as flags, as a file, and back."""

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

from keras_vae import options
from keras_vae.cli import parser
from keras_vae.settings import Settings

ROOT = Path(__file__).parents[1]
OTHER = Settings(
    data="mnist",
    data_dir="/data",
    validation=0.25,
    binarize="dynamic",
    conditional=True,
    hidden=(300, 300),
    gated=True,
    latent_dim=40,
    objective="iwae",
    num_samples=5,
    free_bits=0.5,
    epochs=7,
    learning_rate=3e-4,
    schedule="cosine",
    rate_warmup=1.5,
    clip_norm=1.0,
    accumulate=2,
    ema=0.99,
    keep="best",
    patience=3,
    tensorboard=True,
    seed=7,
)


def given(arguments):
    """What the command line makes of the flags of a training."""
    names = {field.name for field in dataclasses.fields(Settings)}
    found = vars(parser().parse_args(["train", "--out", "run", *arguments]))
    return {name: found[name] for name in names & found.keys()}


@pytest.mark.parametrize("settings", [Settings(), OTHER], ids=["default", "other"])
def test_flags_and_back(settings):
    assert Settings(**given(settings.as_flags())) == settings


@pytest.mark.parametrize("settings", [Settings(), OTHER], ids=["default", "other"])
def test_a_record_and_back(settings, tmp_path):
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"settings": dataclasses.asdict(settings), "time": {}}))
    assert Settings(**options.read(file, Settings)) == settings


def test_no_flag_leaves_a_trace():
    assert given([]) == {}
    assert given(["--no-gated"]) == {"gated": False}  # over a file that says otherwise


def test_a_table_of_settings_may_stand_among_others(tmp_path):
    file = tmp_path / "row.toml"
    file.write_text('title = "x"\n[settings]\nepochs = 3\nlearning_rate = 1\n')
    found = options.read(file, Settings)
    assert found == {"epochs": 3, "learning_rate": 1.0}
    assert type(found["learning_rate"]) is float


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"epochs": 2.0}, "epochs must be a whole number, got 2.0"),
        ({"epochs": True}, "epochs must be a whole number, got True"),
        ({"conditional": 1}, "conditional must be true or false, got 1"),
        ({"data": 3}, "data must be a text, got 3"),
        ({"hidden": [3, "4"]}, "hidden must be a list of whole numbers"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number, got nan"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number, got 0"),
        ({"clip_norm": -1.0}, "clip_norm must be a positive number, got -1"),
        ({"validation": 1.0}, "validation must be from 0 to 1, without 1, got 1"),
        ({"ema": 1.0}, "ema must lie between 0 and 1, got 1"),
        ({"schedule": "linear"}, "schedule must be constant, cosine or piecewise, got 'linear'"),
        (
            {"rate_warmup": 2.0, "schedule": "constant"},
            "schedule constant has no rate_warmup: cosine has",
        ),
        (
            {"rate_warmup": 9.0, "epochs": 9, "schedule": "cosine"},
            "rate_warmup must be from 0 to epochs, without these 9",
        ),
        ({"validation": 0, "patience": 3}, "patience needs validation data"),
        ({"validation": 0, "keep": "best"}, "keep best needs validation data"),
    ],
)
def test_bad_values_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "there is no setting 'epoch'. Did you mean 'epochs'?"),
        ("epochs = 'ten'", "epochs must be a whole number, got 'ten'"),
        ("epochs = ", "holds no settings of a training"),
        ("settings = 3", "its settings are no table"),
        ("binarize = 'never'", "binarize must be dynamic or static, got 'never'"),
    ],
)
def test_a_bad_file_is_named_with_its_key_and_what_fits(text, message, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"run\.toml") as error:
        options.read(file, Settings)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", "{}", "run.json holds no settings of a training"),
        ("run.json", "[" * 100_000, "run.json holds no settings of a training"),
        ("run.yaml", "", "--config must be a .toml or the run.json of a run"),
        ("none.toml", None, "none.toml cannot be read"),
    ],
)
def test_a_file_of_another_kind_is_refused(name, text, message, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        options.read(tmp_path / name, Settings)


def test_each_row_of_the_ladder_is_a_file_of_settings():
    rows = sorted((ROOT / "benchmarks/ladder").glob("*.toml"))
    assert rows
    for row in rows:
        assert Settings(**options.read(row, Settings)).validation == 0  # all 60,000 are trained on
        told = tomllib.loads(row.read_text())
        assert told["unit"] in ("nats", "bits per dimension")
        assert {"title", "published", "source", "goal", "order"} <= told.keys()
