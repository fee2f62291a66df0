"""The ladder: published results, and what this library reaches by the settings of each row.

    python -m benchmarks.ladder mlp --data-dir data/mnist    # trains, evaluates, writes mlp.json
    python -m benchmarks.ladder                              # prints the table of all rows

A row is a TOML here. Its `[settings]` are those of `train`, so `train --config ROW.toml` trains the
same model. A training that was interrupted goes on by the same command; one that is done is not
repeated.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent
CURVE = 60
"""How many points of a training's curve stand in the JSON."""


def rows():
    """The rows by name, those that cost least first."""
    found = {path.stem: tomllib.loads(path.read_text()) for path in FOLDER.glob("*.toml")}
    return dict(sorted(found.items(), key=lambda named: named[1]["order"]))


def run(*command):
    """Shows a command and runs it; one that fails ends the script with its status."""
    print("$ python", *command, flush=True)
    status = subprocess.run([sys.executable, *map(str, command)]).returncode
    if status:
        sys.exit(status)


def climb(name, where, folder):
    """Trains and evaluates the model of a row, as far as that is not done, and writes its JSON.

    Args:
        name: of the row.
        where: flags of `train` that say where the data are.
        folder: for the models.
    """
    row, out = rows()[name], folder / name
    if not (out / "model.keras").exists():
        if (out / "checkpoints").is_dir():
            run("-m", "keras_vae", "train", "--resume", out)
        else:
            make_data(row)
            config = FOLDER / f"{name}.toml"
            run("-m", "keras_vae", "train", "--config", config, *where, "--out", out)
    asked = row["evaluation"]
    draws, examples = (str(asked[key]) for key in ("num_samples", "examples"))
    if not (out / "evaluation.json").exists():
        run("-m", "keras_vae", "evaluate", out, "--num-samples", draws, "--examples", examples)
    result = told(row, *(json.loads((out / f"{part}.json").read_text()) for part in PARTS))
    result["curve"] = curve((out / "history.csv").read_text())
    text = json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")
    print(f"wrote {FOLDER / name}.json")


def make_data(row):
    """Makes the data of a row that a script here makes."""
    path = Path(row["settings"]["data"])
    if "made_by" in row and not path.exists():
        path.parent.mkdir(exist_ok=True)
        run(row["made_by"], "--out", path)


PARTS = ("run", "evaluation", "metrics")


def told(row, record, report, metrics):
    """What the JSON of a row says: the result, how it was made, and where; no path of a machine."""
    settings = {key: value for key, value in record["settings"].items() if key != "data_dir"}
    settings["data"] = os.path.basename(settings["data"])
    return {
        "title": row["title"],
        "published": row["published"],
        "source": row["source"],
        "goal": row["goal"],
        **{name: report[name] for name in ("log_likelihood", "elbo", "gap", "bits_per_dimension")},
        "effective_sample_size": report.get("effective_sample_size"),
        "pareto_k_above_0.7": report.get("pareto_k_above_0.7"),
        "active_units": report.get("active_units"),
        "protocol": {**report["protocol"], "data": settings["data"]},
        "data": record["data"],
        "test_elbo_of_all": metrics["test"]["elbo"],
        "settings": settings,
        **{name: record[name] for name in ("backend", "versions", "machine", "time")},
        "warnings": report["warnings"],
    }


def curve(text):
    """The columns of a history.csv at some of its epochs, the last among them."""
    head, *lines = (line.split(",") for line in text.splitlines())
    step = -(-len(lines) // CURVE)
    kept = lines[::-1][::step][::-1]
    shown = [name for name in head if name in ("epoch", "loss", "kl_loss", "val_loss")]
    return {name: [round(float(line[head.index(name)]), 3) for line in kept] for name in shown}


def table(results):
    """The table in Markdown; a row without a result shows a dash.

    Args:
        results: for each name its row of TOML and its JSON, or None.
    """
    head = ("model", "published", "goal", "ours, −log p(x)", "protocol", "training", "row")
    lines = [head, ["---"] * len(head)]
    lines += [cells(name, *result) for name, result in results.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(name, row, result):
    """A line of the table, cell by cell.

    Example:

    >>> row = {"title": "MLP", "published": 86.76, "goal": 87.0, "unit": "nats"}
    >>> mean = {"log_likelihood": {"mean": -87.25, "standard_error": 0.7}}
    >>> result = {"protocol": {"num_samples": 5000, "examples": 1000}, "time": {"seconds": 1800.0}}
    >>> cells("mlp", row, mean | result)[3:6]
    ['**87.25 ± 0.70** nats', 'K = 5000, 1000 examples', '30 min']
    """
    known = [row["title"], f"{row['published']}", f"{row['goal']}"]
    if result is None:
        return [*known, "–", "–", "–", f"`{name}`"]
    nats = row["unit"] == "nats"
    found = result["log_likelihood" if nats else "bits_per_dimension"]
    mean = -found["mean"] if nats else found["mean"]
    protocol = result["protocol"]
    return [
        *known,
        f"**{mean:.2f} ± {found['standard_error']:.2f}** {'nats' if nats else 'bits'}",
        f"K = {protocol['num_samples']}, {protocol['examples']} examples",
        f"{result['time']['seconds'] / 60:.0f} min",
        f"`{name}`",
    ]


def found(name):
    """The JSON of a row, or None."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def main():
    """Climbs one row, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", nargs="?", choices=[*rows()], metavar="ROW")
    parser.add_argument("--data-dir", help="a folder that holds the data set")
    parser.add_argument("--data", help="the file of a data set that is no script's")
    parser.add_argument("--out", type=Path, default=Path("runs/ladder"), help="for the models")
    given = parser.parse_args()
    if given.row:
        places = {"--data": given.data, "--data-dir": given.data_dir}
        where = [word for place in places.items() if place[1] for word in place]
        climb(given.row, where, given.out)
    else:
        print(table({name: (row, found(name)) for name, row in rows().items()}))


if __name__ == "__main__":
    main()
