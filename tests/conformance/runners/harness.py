"""What the Python runners share: read the requests, run them, print one line of JSON.

The requests are described in `expected.py`. The line holds `version`, `note`, `load_seconds` by
graph, and `results` by request: `seconds` for one to be timed, else by output `identical`,
`difference`, the largest, in units, and `share`, of the elements that differ by more than
`ROUNDING` of them; or `error`, or `skipped`.
"""

import csv
import json
import sys
import time
from itertools import groupby
from pathlib import Path

import numpy as np

BUDGET = 1.0  # seconds of timing, and at least three runs
LONGEST = 300  # characters of an error
ROUNDING = 1e-4  # what differs by more is another value


def main(version, load, errors, most=None, note=""):
    """Answers the requests in the folder that the command line names.

    Args:
        version: of the runtime.
        load: function of the path of a graph, a string, to a function of inputs to outputs, both
            by name.
        errors: the exceptions that the runtime raises.
        most: requests that decode more samples are left out.
        note: what a reader of the table must know.
    """
    folder = Path(sys.argv[1])
    sessions, load_seconds, results = {}, {}, {}
    for (number, graph, samples), arrays in _requests(folder):
        if most is not None and samples > most:
            results[number] = {"skipped": True}
            continue
        try:
            if graph not in sessions:
                started = time.perf_counter()
                sessions[graph] = load(str(folder / graph))
                load_seconds[graph] = time.perf_counter() - started
            results[number] = _answer(sessions[graph], **arrays)
        except errors as error:
            results[number] = {"error": " ".join(str(error).split())[:LONGEST]}
    report = {"version": version, "note": note, "load_seconds": load_seconds, "results": results}
    print(json.dumps(report))


def _requests(folder):
    data = bytearray((folder / "arrays.bin").read_bytes())
    with open(folder / "requests.tsv", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t")
        for key, group in groupby(lines, lambda line: (line["request"], line["graph"])):
            arrays = {"input": {}, "output": {}, "unit": {}}
            for line in group:
                arrays[line["role"]][line["name"]] = _array(line, data)
            yield (*key, int(line["samples"])), arrays


def _array(line, data):
    shape = [int(size) for size in line["shape"].split(",") if size != "-"]
    offset, size = int(line["offset"]), int(line["bytes"])
    kind = np.dtype(line["type"]).newbyteorder("<")
    return np.frombuffer(data[offset : offset + size], kind).reshape(shape)


def _answer(session, input, output, unit):
    if not output:
        return {"seconds": _median_seconds(lambda: session(input))}
    computed = session(input)
    return {name: _compare(computed[name], array, unit[name]) for name, array in output.items()}


def _median_seconds(run):
    run()
    seconds = []
    while sum(seconds) < BUDGET or len(seconds) < 3:
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _compare(computed, expected, unit):
    """Bytes and largest difference; the difference is null where there is none to compute."""
    computed = np.asarray(computed)
    if (computed.dtype, computed.shape) != (expected.dtype, expected.shape):
        return {"identical": False, "difference": None, "share": 1.0}
    gaps = np.abs(computed.astype(np.float64) - expected) / unit
    gap, other = float(gaps.max(initial=0)), np.count_nonzero(~(gaps <= ROUNDING))
    return {
        "identical": computed.tobytes() == expected.tobytes(),
        "difference": gap if np.isfinite(gap) else None,
        "share": other / max(1, gaps.size),
    }
