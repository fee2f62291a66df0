"""The model card: the README.md of a bundle, for whoever opens it and never heard of Keras."""

from export import glossary, snippets
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
    covariates = covariates_of(manifest)
    sections = [
        f"# A variational autoencoder of {_data(manifest)}",
        "![Samples](samples.png)" if pictured else None,
        _what(manifest),
        "## Run it",
        _programs(manifest),
        "## The files",
        _files(manifest["files"]),
        "Opset {opset}, standard operators only. `batch` is any number of examples; () is one "
        "number without axes.".format_map(manifest),
        "## What goes in and comes out",
        glossary.table(manifest),
        glossary.notes(manifest),
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


def _groups(manifest):
    """The groups of a hierarchy, as they follow each other in z."""
    groups = manifest.get("groups", ())
    told = [f"{g['name']} of {'×'.join(map(str, g['shape']))}" for g in groups]
    return f"{', '.join(told)}, from the top; " if told else ""


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


def _what(manifest):
    """What the folder is good for."""
    prior, likelihood = (manifest[name]["class_name"] for name in ("prior", "likelihood"))
    return (
        "A generative model, as files that any runtime of ONNX computes: it draws new examples, "
        "turns an example into a few numbers that say what it is, turns such numbers into an "
        "example, and says how usual an example is. It is a latent of "
        f"{manifest['latent_dim']} numbers z ({_groups(manifest)}prior p(z): {prior}) and what x "
        f"is given z (likelihood p(x|z): {likelihood}). Exported by keras-vae "
        f"{manifest['keras_vae']}; nothing else of it is needed."
    )


def _programs(manifest):
    """The programs, each with how it is run, in this folder."""
    made = snippets.programs(manifest)
    wrote = (
        "them as samples.csv, a row each" if "savetxt" in made["python"] else "a picture of them"
    )
    blocks = [
        f"Each program draws the samples 0 to {snippets.COUNT - 1} of seed 0, the same in every "
        f"language, and writes {wrote}. They run in this folder, as they stand.",
        "**Python**: `pip install numpy onnxruntime`",
        _block("python", made["python"]),
        made["scores"] and "The latents of examples, and how usual these are, go on from there:",
        made["scores"] and _block("python", made["scores"]),
        "The wheel `keras-vae-runtime` (numpy and onnxruntime too) has all that in a class, checks "
        "the files first, and takes and gives any number of examples in little memory:",
        _block("python", made["runtime"]),
        "**Node**: `npm install onnxruntime-node`, and `node draw.mjs`, which is:",
        _block("js", made["node"]),
        "**A browser**: `npm install onnxruntime-web`, then serve the folder "
        "(`python -m http.server`) and open draw.html, which is:",
        _block("html", made["browser"]),
        "**C++**, by OpenVINO, which takes seeds and indices of 32 bits alone; draw.cpp is below:",
        _block("sh", made["compile"]),
        _block("cpp", made["cpp"]),
    ]
    return "\n\n".join(block for block in blocks if block)


def _block(language, program):
    return f"```{language}\n{program}\n```"


def _columns(columns):
    """The columns of a table, and how its rows and its gaps are had."""
    if columns is None:
        return None
    where = "".join(f" --where {column['name']}=..." for column in columns if column.get("label"))
    lines = [
        "x has one number for each of these columns that is no label, and NaN where a value is "
        "missing:",
        "\n".join(["| column | x is |", "|---|---|", *map(_column, columns)]),
        "`generator.onnx` draws such rows, and `imputer.onnx`, with the inputs of `scorer.onnx`, "
        f"fills the gaps of given ones by draws. `python -m keras_vae_runtime .{where} --out "
        "rows.csv` writes rows as the table had them, and `--impute table.csv --out filled.csv` "
        "fills a table; both need numpy and onnxruntime alone.",
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
    name, meaning = (text.replace("|", "\\|") for text in (column["name"], meaning))
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
            f"`decoder_{next(iter(precisions))}.onnx` and so on have the inputs and outputs of "
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
        f"{files[f'{stem}_{name}.onnx']['bytes']:,} bytes, {ratio:.2f} x the speed"
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
