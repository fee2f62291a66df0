"""From a .keras file to a validated bundle, beyond imports, and how large the files are."""

from benchmarks.harness import table
from benchmarks.speed.common import BUILD, contender
from benchmarks.speed.models import written
from benchmarks.tables import number

TITLE = "Export"
IMPORTS = "imports alone"
MODELS = {"mlp": "MLP 784-200-200-50", "conv": "Conv, 16 latents, 28×28"}
BASELINE = MODELS["mlp"]


def measure(options):
    """The command for each model, and its imports alone in the same rounds."""
    results = options.run(contenders(written(*MODELS, onnx=False)))
    add_beyond_imports(results)
    columns = {"whole process, s": "seconds", "peak memory, MiB": "peak_megabytes"}
    exports = {title: results[title] for title in MODELS.values()}
    seconds = table(
        exports, "beyond_seconds", BASELINE, "seconds", higher_is_better=False, also=columns
    )
    return results, "\n\n".join([NOTE, seconds, sizes(exports)])


def contenders(data):
    """What the command imports, and the command for each model."""
    files = {case: data / case / "model.keras" for case in MODELS}
    return [
        contender(IMPORTS, "export_model", files["mlp"]),
        *(
            contender(title, "export_model", files[case], BUILD / "exported" / case)
            for case, title in MODELS.items()
        ),
    ]


def add_beyond_imports(results):
    """Adds to each result how many seconds it took more than the imports in the same round.

    Example:

    >>> results = {IMPORTS: [{"seconds": 4.0}], "mlp": [{"seconds": 7.5}]}
    >>> add_beyond_imports(results)
    >>> results["mlp"]
    [{'seconds': 7.5, 'beyond_seconds': 3.5}]
    """
    for rounds in results.values():
        for result, imports in zip(rounds, results[IMPORTS], strict=False):
            if not {"failed"} & (result.keys() | imports.keys()):
                result["beyond_seconds"] = result["seconds"] - imports["seconds"]


def sizes(results):
    """Rows of a model's files in kB; the last round's, as all write the same bytes.

    Example:

    >>> print(sizes({"mlp": [{"bytes": {"model.keras": 12_345}}]}))
    | kB | mlp |
    |---|---:|
    | model.keras | 12.3 |
    """
    columns = {title: rounds[-1].get("bytes", {}) for title, rounds in results.items()}
    names = sorted({name for column in columns.values() for name in column})
    lines = [f"| kB | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for name in names:
        cells = [column.get(name) for column in columns.values()]
        cells = [number(size and size / 1000) for size in cells]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


NOTE = """\
`python -m export model.keras --out bundle`: the conversion, the comparison with Keras, a picture
and the model card. The seconds are those of the process beyond those of another one, in the same
round, that imports what the command does and ends."""
