"""What an engine costs: rows a second of Ray Data beside one process, and whether bytes agree.

    python -m benchmarks.engines runs/digits/onnx --out docs/engines.md

Draws a million samples into Parquet, and scores a million rows, in one process and by 1, 2 and 3
actors; `make build/engines/.locked` makes the environment that has Ray. Every way runs in a fresh
process. Writes the table into the page, between its marks, and prints it.
"""

import shlex
import sys
from functools import partial
from pathlib import Path

from benchmarks.harness import Contender, run
from benchmarks.machine import header
from benchmarks.tables import between
from keras_vae.cli import BAD_INPUT, Parser, fail
from keras_vae.files import atomic_write

BEGIN, END = "<!-- the table of benchmarks/engines.py begins -->", "<!-- and ends -->"
ROWS = {"samples": "samples, the means of p(x|z)", "scores": "scores, each of {draws} draws of z"}
WORKERS = {"one process, no engine": 0, "Ray, 1 actor": 1, "Ray, 2 actors": 2, "Ray, 3 actors": 3}
TIMEOUT = 1800  # seconds


def contenders(what, options):
    """Each way of making one thing."""
    sizes = ("--count", options.count, "--draws", options.draws)
    module = "benchmarks.contenders.engine"
    return [
        Contender(
            name, module, (what, options.bundle, *sizes, "--workers", n), python=options.python
        )
        for name, n in WORKERS.items()
    ]


def measured(options):
    """`{what: {way: [result of each round]}}`."""
    tell = partial(print, file=sys.stderr, flush=True)
    return {what: run(contenders(what, options), options.rounds, tell, TIMEOUT) for what in ROWS}


def table(results, options):
    """Seconds, rows a second, the ratio to one process, and the checksum, of each way.

    Example:

    >>> way = {"work_seconds": 2.0, "rows_per_second": 50.0, "sha256": "abcdef0123"}
    >>> from types import SimpleNamespace
    >>> ours = SimpleNamespace(count=100, draws=10)
    >>> print(table({"scores": {"one process, no engine": [way], "Ray": [way]}}, ours))
    100 scores, each of 10 draws of z:
    <BLANKLINE>
    | | seconds | rows a second | ÷ one process | SHA-256 |
    |---|---:|---:|---:|---|
    | one process, no engine | 2.0 | 50 | 1.00 | abcdef01… |
    | Ray | 2.0 | 50 | 1.00 | abcdef01… |
    """
    texts = []
    for what, ways in results.items():
        lines = [f"{options.count:,} {ROWS[what].format(draws=options.draws)}:", ""]
        lines += [
            "| | seconds | rows a second | ÷ one process | SHA-256 |",
            "|---|---:|---:|---:|---|",
        ]
        alone = min(result["work_seconds"] for result in next(iter(ways.values())))
        for name, rounds in ways.items():
            best = min(rounds, key=lambda result: result["work_seconds"])
            seconds, sums = best["work_seconds"], {result["sha256"][:8] for result in rounds}
            cells = [f"{seconds:.1f}", f"{best['rows_per_second']:,.0f}", f"{alone / seconds:.2f}"]
            lines.append(f"| {name} | {' | '.join(cells)} | {', '.join(f'{s}…' for s in sums)} |")
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def main(arguments=None):
    """Measures, prints and writes the table; returns the exit status."""
    parser = Parser(prog="python -m benchmarks.engines", description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--count", type=int, default=1_000_000, help="rows that are drawn, and scored"
    )
    parser.add_argument("--draws", type=int, default=10, help="of z for a score")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--python", default="build/engines/bin/python", help="the one that has Ray")
    parser.add_argument("--out", type=Path, help="the page that the table goes into")
    options = parser.parse_args(arguments)
    try:
        page = options.out and between(options.out.read_text(encoding="utf-8"), BEGIN, END, "")
        results = measured(options)
        for ways in results.values():
            for failed in (r for rounds in ways.values() for r in rounds if "failed" in r):
                raise ValueError(failed["failed"])
    except (ValueError, OSError) as error:
        return fail(error, BAD_INPUT)
    command = shlex.join(["python", "-m", "benchmarks.engines", *(arguments or sys.argv[1:])])
    text = f"`{command}`:\n\n{table(results, options)}\n\n{header(pythons=(options.python,))}"
    print(text)
    if options.out:
        with atomic_write(options.out) as temporary:
            temporary.write_text(between(page, BEGIN, END, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
