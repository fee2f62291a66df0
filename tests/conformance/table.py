"""The table: what a runtime answered, in one row, and whether that is as it should be."""

import math
from dataclasses import dataclass

from tests.conformance.expected import GENERATOR, SAMPLER, SCORER, TIMED

COLUMNS = (
    "runtime",
    "version",
    "`z` identical to the bit",
    "largest `x_hat` difference from Keras",
    "share of `x` drawn otherwise",
    "scorer: largest `log_likelihood` difference from Keras, nats",
    "load",
    "samples per second: `x_hat`",
    "`x`",
)
NARROW = "yes, for seed and first + count in int32"
NATS = dict.fromkeys(("log_likelihood", "elbo", "reconstruction_loss", "kl_loss"), 0.01)
LIMITS = {"x_hat": 1e-5, **NATS}  # the largest differences from Keras allowed, in units
COMPUTED = {"z": 1e-4, "x_hat": 1e-4}  # where a learned prior computes z
SHARE = 1e-4  # of x may be drawn otherwise, where rounding decides
DRAWN = ("x", "x_filled")


@dataclass(frozen=True)
class Row:
    """The cells of a runtime, what is to be said beneath the table, and whether all is well."""

    cells: tuple
    notes: tuple = ()
    good: bool = False


def markdown(rows):
    """Writes the rows as a table, with the notes beneath.

    Example:

    >>> print(markdown([Row(("tract", "0.23", "yes", "0", "0", "no Loop", "0.1 s", "9", "8"))]))
    | runtime | version | `z` identical to the bit | ...
    |---|---|---|---|---|---|---|---|---|
    | tract | 0.23 | yes | 0 | 0 | no Loop | 0.1 s | 9 | 8 |
    """
    head, *body = (
        "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
        for cells in (COLUMNS, *(row.cells for row in rows))
    )
    notes = [f"- {row.cells[0]}: {note}" for row in rows for note in row.notes]
    return "\n".join([head, "|---" * len(COLUMNS) + "|", *body, *([""] if notes else []), *notes])


def row(runtime, requests, report):
    """The row of one runtime.

    Args:
        runtime: a `runtimes.Runtime`.
        requests: what it was asked, a list of `expected.Request`.
        report: what `runtimes.run` returned.
    """
    if "reason" in report:
        return Row((runtime.name, "-", report["reason"], *"------"))
    results = [report["results"].get(str(i), {"error": "no answer"}) for i in range(len(requests))]
    pairs, known = _sort_out(runtime, zip(requests, results, strict=True))
    within = [pair for pair in pairs if pair[0].narrow or not runtime.narrow]
    limits = LIMITS if all(request.exact for request in requests) else LIMITS | COMPUTED
    gaps = {name: _gap(name, within) for name in limits}
    share = _share(within)
    problems = [*_differences(within), *_excesses(gaps, limits), *_errors(within)[:1]]
    if share is not None and share > SHARE:
        problems.append(f"{share:.2g} of x is drawn otherwise, more than {SHARE:g}")
    z = f"computed: {_difference(gaps['z'])}" if "z" in gaps else _identical(pairs, within)
    cells = (
        runtime.name,
        report["version"],
        z,
        _difference(gaps["x_hat"]),
        known.pop(GENERATOR, None) or _difference(share),
        known.pop(SCORER, None) or _difference(gaps["log_likelihood"]),
        _load(report["load_seconds"]),
        _speed(pairs, SAMPLER),
        _speed(pairs, GENERATOR),
    )
    notes = [report.get("note"), *(f"{words}: {graph}" for graph, words in known.items())]
    return Row(cells, (*filter(None, notes), *problems), z != "no" and not problems)


def _sort_out(runtime, pairs):
    """The requests that count, with their results, and the known defects, in words, by graph."""
    counted, known = [], {}
    for request, result in pairs:
        error = result.get("error", "")
        if defect := next((words for text, words in runtime.known.items() if text in error), None):
            known[request.graph] = defect
        elif "skipped" not in result:
            counted.append((request, result))
    return counted, known


def _identical(pairs, within):
    """The cell of z, where `within` are the requests of integers as wide as the runtime's."""
    if not any("z" in request.outputs for request, _ in within) or _other(within):
        return "no"
    return NARROW if _other(pairs) else "yes"


def _other(pairs):
    """The requests to which z is not given, or has other bits although it is the noise itself."""
    asked = [(q, result) for q, result in pairs if "z" in q.outputs and q.exact]
    return [request for request, result in asked if not result.get("z", {}).get("identical")]


def _gap(name, pairs):
    """The largest difference, infinity where there is none to compute, None if never asked."""
    asked = [result for request, result in pairs if name in request.outputs]
    gaps = [result.get(name, {}).get("difference") for result in asked]
    return max((math.inf if gap is None else gap for gap in gaps), default=None)


def _share(pairs):
    """The share of all elements of x that are drawn otherwise; None if none was asked for."""
    shares = [
        (array.size, result.get(name, {}).get("share", 1.0))
        for request, result in pairs
        for name, array in request.outputs.items()
        if name in DRAWN
    ]
    sizes = sum(size for size, _ in shares)
    return sum(size * share for size, share in shares) / sizes if sizes else None


def _differences(pairs):
    other = _other(pairs)
    return [f"z differs in {len(other)} requests, such as {other[0]}"] if other else []


def _excesses(gaps, limits):
    never = [f"{name} was never compared" for name in ("x_hat",) if gaps[name] is None]
    return never + [
        f"{name} differs from Keras by {gap:.2g}, more than {limits[name]:g}"
        for name, gap in gaps.items()
        if gap is not None and not gap <= limits[name]
    ]


def _errors(pairs):
    return [f"{request}: {result['error']}" for request, result in pairs if "error" in result]


def _difference(gap):
    return "-" if gap is None else f"{gap:.1e}" if gap else "0"


def _load(seconds):
    return f"{seconds[SAMPLER]:.2f} s" if SAMPLER in seconds else "-"


def _speed(pairs, graph):
    timed = [(q.samples, a["seconds"]) for q, a in pairs if "seconds" in a and q.graph == graph]
    if not timed:
        return "-"
    samples, seconds = timed[0]
    speed = f"{float(f'{samples / seconds:.2g}'):,.12g}"
    return speed if samples == TIMED[0] else f"{speed} ({samples} at once)"
