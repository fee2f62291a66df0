"""Every part of the benchmark, its results as JSON and as the tables of the README.

    python -m benchmarks --only training,evaluating --data-dir data/mnist

See `make bench`. A part that was not asked for keeps its results of before.
"""

import importlib
import json
import sys
import time
from pathlib import Path

from benchmarks.harness import Options, header
from keras_vae.cli import Parser
from keras_vae.files import atomic_write

PARTS = (
    *("training", "steps", "binarizing", "elbo", "evaluating", "sampling", "cold_start"),
    *("exporting", "growth"),
)
HERE = Path(__file__).parent
RESULTS, README = HERE / "bench.json", HERE / "README.md"
BEGIN, END = "<!-- the tables of `make bench` begin -->", "<!-- and end -->"


def main():
    """Measures the parts, one after the other, and writes after each."""
    parser = Parser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="see that all runs; write nothing")
    parser.add_argument("--data-dir", help="folder of mnist.npz; simulated images if not given")
    parser.add_argument("--pythae", default=Options.pythae, help="the Python that has pythae")
    parser.add_argument("--openvino", default=Options.openvino, help="the one that has OpenVINO")
    given = vars(parser.parse_args())
    chosen = [part for part in given.pop("only").split(",") if part]
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    options = Options(**given)
    report = load()
    for name in chosen:
        report["parts"][name] = part(name, options)
        pythons = (sys.executable, options.pythae, options.openvino)
        report["header"] = header(data_note(options), pythons=pythons)
        print(markdown(report["parts"][name]), flush=True)
        if not options.quick:
            texts = {RESULTS: json.dumps(report, indent=1) + "\n"}
            texts[README] = with_tables(README.read_text(), report)
            for path, text in texts.items():
                with atomic_write(path) as temporary:
                    temporary.write_text(text)


def part(name, options):
    """Measures one part: its title, minutes, results and Markdown."""
    print(f"==> {name}", file=sys.stderr)
    module, started = importlib.import_module(f"benchmarks.speed.{name}"), time.perf_counter()
    results, text = module.measure(options)
    minutes = (time.perf_counter() - started) / 60
    return {"title": module.TITLE, "minutes": minutes, "results": results, "markdown": text}


def load():
    """What was measured before."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {"header": "", "parts": {}}


def data_note(options):
    """Which images the models see."""
    named = "MNIST, binarized once" if options.data_dir else "simulated binary images, 28×28"
    return f"Data: {named}; {options.rounds} rounds, two threads, float32"


def markdown(part):
    """One part as text."""
    return f"### {part['title']}\n\n{part['markdown']}\n\nTook {part['minutes']:.1f} minutes.\n"


def with_tables(readme, report):
    """The README with the tables of a report in the place of those that it has.

    Example:

    >>> report = {"header": "- a machine", "parts": {}}
    >>> print(with_tables(f"A\\n{BEGIN}\\nold\\n{END}\\nZ", report).replace("\\n", "/"))
    A/<!-- the tables of `make bench` begin -->/- a machine//<!-- and end -->/Z
    """
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    parts = [markdown(report["parts"][name]) for name in PARTS if name in report["parts"]]
    return before + "\n".join([BEGIN, report["header"], "", *parts, END]) + after


if __name__ == "__main__":
    main()
