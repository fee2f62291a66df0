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
    *("training", "limits", "steps", "binarizing", "elbo", "evaluating", "sampling", "cold_start"),
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
    parts = load()
    for name in chosen:
        parts[name] = part(name, options)
        print(markdown(parts[name]), flush=True)
        if not options.quick:
            texts = {RESULTS: json.dumps(parts, indent=1) + "\n"}
            texts[README] = with_tables(README.read_text(), parts)
            for path, text in texts.items():
                with atomic_write(path) as temporary:
                    temporary.write_text(text)


def part(name, options):
    """Measures one part: title, results, Markdown, minutes, and where it was measured."""
    print(f"==> {name}", file=sys.stderr)
    module, started = importlib.import_module(f"benchmarks.speed.{name}"), time.perf_counter()
    results, text = module.measure(options)
    minutes = (time.perf_counter() - started) / 60
    where = header(data_note(options), pythons=(sys.executable, options.pythae, options.openvino))
    found = {"title": module.TITLE, "minutes": minutes, "header": where}
    return found | {"results": results, "markdown": text}


def load():
    """What was measured before, part by part; each on the machine and the day that it tells."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def data_note(options):
    """Which images the models see."""
    named = "MNIST, binarized once" if options.data_dir else "simulated binary images, 28×28"
    rounds = f"{options.rounds} rounds, if no other number stands above"
    return f"Data: {named}; two threads, float32; {rounds}"


def markdown(part):
    """One part as text."""
    took = f"Measured in {part['minutes']:.1f} minutes:"
    return "\n\n".join([f"### {part['title']}", part["markdown"], took, part["header"]]) + "\n"


def with_tables(readme, parts):
    """The README with the tables of these parts in the place of those that it has.

    Example:

    >>> print(with_tables(f"A\\n{BEGIN}\\nold\\n{END}\\nZ", {}).replace("\\n", "/"))
    A/<!-- the tables of `make bench` begin -->/<!-- and end -->/Z
    """
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    texts = [markdown(parts[name]) for name in PARTS if name in parts]
    return before + "\n".join([BEGIN, *texts, END]) + after


if __name__ == "__main__":
    main()
