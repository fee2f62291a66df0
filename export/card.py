"""The model card: the README.md of a bundle."""

from export.runtime import conditions
from export.runtime.manifest import covariates as covariates_of

KINDS = {1: "vectors", 3: "images"}
"""What examples are called, by the number of their axes."""


def text(manifest, pictured):
    """Writes the model card of a bundle, in Markdown.

    Args:
        manifest: what manifest.json holds.
        pictured: whether samples.png stands beside it.
    """
    shape, latent_dim = tuple(manifest["input_shape"]), manifest["latent_dim"]
    covariates = covariates_of(manifest)
    likelihood = manifest["likelihood"]["class_name"]
    sections = [
        f"# A variational autoencoder of {_data(manifest)}",
        "![Samples](samples.png)" if pictured else None,
        f"Latent size {latent_dim}, likelihood {likelihood}, "
        f"prior {manifest['prior']['class_name']}. "
        f"Exported by keras-vae {manifest['keras_vae']}, ONNX opset {manifest['opset']}.",
        _files(manifest["files"]),
        "## Run it",
        _snippet(shape, covariates),
        _meaning(manifest),
        _columns(manifest.get("columns")),
        _condition(covariates),
        "## Numbers",
        _numbers(manifest),
        _anomaly(manifest.get("anomaly")),
        _variants(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _data(manifest):
    if "columns" in manifest:
        return "the rows of a table"
    shape = manifest["input_shape"]
    size = " x ".join(map(str, shape))
    return f"{KINDS.get(len(shape), 'arrays')} of {size}"


def _files(files):
    rows = [
        f"| `{name}` | {_signature(file['inputs'])} | {_signature(file['outputs'])} "
        f"| {file['bytes']:,} |"
        for name, file in files.items()
        if file["precision"] == "float32"
    ]
    return "\n".join(["| file | inputs | outputs | bytes |", "|---|---|---|---|", *rows])


def _signature(values):
    return ", ".join(f"`{name}` ({', '.join(map(str, dims))})" for name, dims in values.items())


def _snippet(shape, covariates):
    label = f'draw["label"] = {_some_label(covariates)}\n' if covariates else ""
    return f"""```python
import numpy as np
import onnxruntime

sampler = onnxruntime.InferenceSession("sampler.onnx")
draw = {{name: np.array(n, np.int64) for name, n in [("seed", 0), ("first", 0), ("count", 64)]}}
draw["temperature"] = np.array(1, np.float32)
{label}z, x_hat = sampler.run(["z", "x_hat"], draw)  # {(64, *shape)}
```"""


def _meaning(manifest):
    """What the inputs and outputs are."""
    draws = (
        "`x` of `generator.onnx`, which has the same inputs and `z`, is drawn from p(x|z). "
        if "generator.onnx" in manifest["files"]
        else ""
    )
    terms = (
        "`elements.onnx`, with the same inputs, says where an example is strange: the terms of "
        "log p(x|z) for each of its elements."
        if "elements.onnx" in manifest["files"]
        else ""
    )
    return (
        f"`x_hat` is the mean of p(x|z). {draws}Sample i of a seed is always the same one: drawn "
        "alone (`first` i, `count` 1), in a batch, or by another runtime.\n\n"
        f"`encoder.onnx` takes `x` {_unit(manifest)} and gives `z_mean` and "
        "`z_log_var` of q(z|x). `scorer.onnx` gives the evidence lower bound and the estimated "
        "log-likelihood of each example, in nats, from `num_samples` draws of z, 1 or more. "
        "`index` says which noise an example gets: 0, 1, 2, … for a whole data set. The same index "
        "gives the same score again, whatever stands beside the example, and one index for all "
        f"makes the score a function of `x` alone, for ranking examples. {terms}\n\n"
        f"{_support(manifest['likelihood']['support'])}"
    )


def _support(support):
    if support == "any finite number":
        return (
            "x may hold any finite number, so data in another unit, as pixels from 0 to 255 given "
            "to a model of 0 to 1, are no error: they score very low."
        )
    return f"x must be {support}; elsewhere the scores are minus infinity."


def _unit(manifest):
    if "columns" in manifest:
        return "(float32), one number for each column,"
    if "preprocessing" not in manifest:
        return "(float32), scaled as the training data was,"
    return (
        "(float32) in its own unit, as `x_hat` and nats are, because the scaling of the training "
        "stands in the graphs,"
    )


def _columns(columns):
    """The columns of a table, and how its rows and its gaps are had."""
    if columns is None:
        return None
    lines = [
        "x has one number for each of these columns that is no label, and NaN where a value is "
        "missing:",
        "\n".join(["| column | x is |", "|---|---|", *map(_column, columns)]),
        "`generator.onnx` draws such rows, and `imputer.onnx`, with the inputs of `scorer.onnx`, "
        "fills the gaps of given ones by draws. `python -m export.runtime . --out rows.csv` writes "
        "rows as the table had them, and `--impute table.csv --out filled.csv` fills a table; both "
        "need numpy and onnxruntime alone.",
    ]
    return "\n\n".join(lines)


def _column(column):
    meanings = {
        "number": "the number, with {decimals} decimals",
        "count": "the count",
        "category": "the place, from 0, in: {categories}",
        "date": "days since {origin}, written as {format}",
    }
    known = {"decimals": 0, "origin": "", "format": "", **column}
    known["categories"] = ", ".join(f"`{c}`" for c in column.get("categories", [])[:12])
    known["categories"] += ", ..." if len(column.get("categories", [])) > 12 else ""
    meaning = meanings[column["kind"]].format(**known)
    name = column["name"].replace("|", "\\|")
    return f"| `{name}` | {'label: ' if column.get('label') else ''}{meaning} |"


def _condition(covariates):
    if not covariates:
        return None
    given = "and `x_hat`, the bound and the likelihood are those given the label."
    if conditions.is_label(covariates):
        last = len(covariates[0]["categories"]) - 1
        return f"The model is conditional: `label` is a whole number from 0 to {last}, {given}"
    rows = [_column({**covariate, "label": False}) for covariate in covariates]
    lines = [
        f"The model is conditional: `label` (float32) holds a number for each of these, {given}",
        "\n".join(["| covariate | its number is |", "|---|---|", *rows]),
        f'By name: `OnnxVAE(".").sample(64, label={conditions.example(covariates)})`.',
    ]
    return "\n\n".join(lines)


def _some_label(covariates):
    """A label, in Python."""
    first = conditions.in_turn(covariates, [0])[0]
    dtype = "int64" if conditions.is_label(covariates) else "float32"
    return f"np.array({first.tolist()}, np.{dtype})"


def _numbers(manifest):
    gap = manifest["validation"]["largest_difference"]
    lines = [f"- Largest difference from the Keras model: {gap:g}"]
    if elbo(manifest):
        lines.append(
            f"- Test ELBO, {manifest['metrics']['data']}: {elbo(manifest)} nats per example"
        )
    return "\n".join(lines)


def _anomaly(told):
    """The threshold of anomalies."""
    return told and (
        "## Anomalies\n\n"
        f"x is an anomaly if the `log_likelihood` of `scorer.onnx` is below {-told['threshold']:g} "
        f"nats, with `num_samples` {told['num_samples']}, `seed` {told['seed']}, and `index` "
        f"{told['index']} for every example. At most {100 * told['false_alarm_rate']:.3g} % of "
        "normal examples are anomalies, on average over calibration sets: split conformal, from "
        f"{told['examples']} held-out examples ({told['data'] or 'not named'}). "
        '`OnnxVAE(".").is_anomaly(x)` decides so.'
    )


def _variants(manifest):
    """The files of lower precision: what they cost, and what they gain."""
    precisions = manifest.get("precisions", {})
    if not precisions:
        return None
    rows = [_variant(name, entry, manifest["files"]) for name, entry in precisions.items()]
    entry = next(iter(precisions.values()))
    table = ["| precision | costs | encoder | decoder | sampler |", "|---|---|---|---|---|", *rows]
    return "\n\n".join(
        [
            "## Smaller and faster",
            f"`decoder.{next(iter(precisions))}.onnx` and so on have the inputs and outputs of "
            "their float32 files, and draw the same `z`, to the bit.",
            "\n".join(table),
            "The cost is the loss of log-likelihood in nats per example, on "
            f"{entry['examples']} held-out examples ({entry['data'] or 'not named'}) with "
            f"{entry['num_samples']} draws of z each. The speeds are in one thread of a CPU, "
            "compared with float32 there and then.",
        ]
    )


def _variant(name, entry, files):
    gains = [
        f"{files[f'{stem}.{name}.onnx']['bytes']:,} bytes, {ratio:.2f} x the speed"
        for stem, ratio in entry["speed"].items()
    ]
    return f"| {' | '.join([name, cost(entry), *gains])} |"


def cost(entry):
    """Returns what a precision costs in nats, with its error bar.

    Example:

    >>> cost({"cost": 0.0612, "standard_error": 0.0168})
    '0.0612 ± 0.0168'
    """
    return f"{entry['cost']:.4f} ± {entry['standard_error']:.4f}"


def elbo(manifest):
    """Returns the test ELBO that the manifest holds, with its error bar; None if it holds none.

    Example:

    >>> elbo({"metrics": {"test": {"elbo": -96.769, "standard_error": 0.263}}})
    '-96.77 ± 0.26'
    """
    test = manifest.get("metrics", {}).get("test", {})
    if "elbo" not in test:
        return None
    error = test.get("standard_error")
    return f"{test['elbo']:.2f}" + ("" if error is None else f" ± {error:.2f}")
