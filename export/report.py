"""The table that ends `make export`: test ELBO, files, sizes, largest difference, time."""

import sys
import time

from export import card, runtime
from export.runtime.manifest import file_name
from keras_vae.cli import Parser, status_of


def table(manifest, seconds):
    """Writes the table of a bundle's numbers.

    Args:
        manifest: what manifest.json holds.
        seconds: how long the whole of it took.

    Example:

    >>> files = {"decoder.onnx": {"bytes": 2048}}
    >>> validation = {"largest_difference": 5e-07}
    >>> print(table({"files": files, "validation": validation}, 75))
    test ELBO                         -  nats per example
    decoder.onnx                 2.0 kB
    largest difference            5e-07  from Keras
    time                     1 min 15 s
    """
    rows = [("test ELBO", card.elbo(manifest) or "-", "nats per example")]
    rows += [(name, size(file["bytes"]), "") for name, file in manifest["files"].items()]
    rows += [
        (f"cost of {name}", card.cost(entry), f"nats per example; sampler {_speed(entry)}")
        for name, entry in manifest.get("precisions", {}).items()
    ]
    gap = manifest["validation"]["largest_difference"]
    rows += [
        ("largest difference", f"{gap:g}", "from Keras" if gap else "from Keras: equal to the bit"),
        ("time", duration(seconds), ""),
    ]
    return "\n".join(f"{name:<20} {value:>14}  {unit}".rstrip() for name, value, unit in rows)


def variants(manifest):
    """Yields a line on each lower precision: what it costs, and the sampler's size and speed."""
    for name, entry in manifest.get("precisions", {}).items():
        file = file_name(manifest, "sampler", name)
        yield (
            f"{name} costs {card.cost(entry)} nats per example ({entry['data'] or 'held out'}, "
            f"{entry['examples']} examples, {entry['num_samples']} draws each); {file} "
            f"{size(manifest['files'][file]['bytes'])}, {_speed(entry)}"
        )


def _speed(entry):
    return f"{entry['speed']['sampler']:.2f} times as fast"


def size(count):
    """Writes a number of bytes for people.

    Example:

    >>> size(90), size(2048), size(3_600_000)
    ('90 B', '2.0 kB', '3.6 MB')
    """
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def duration(seconds):
    """Writes a time for people.

    Example:

    >>> duration(3.21), duration(75)
    ('3.2 s', '1 min 15 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def main(arguments=None):
    """Prints the table of a bundle and, last, the path of its picture; returns the exit status."""
    parser = Parser(prog="python -m export.report", description=__doc__)
    parser.add_argument("bundle", help="the folder that python -m export wrote")
    parser.add_argument("--picture", help="the picture to name last")
    parser.add_argument("--started", type=float, help="when it began, in seconds since 1970")
    return status_of(_show, parser.parse_args(arguments))


def _show(options):
    now = time.time()
    print(table(runtime.OnnxVAE(options.bundle).manifest, now - (options.started or now)))
    if options.picture:
        print(options.picture)


if __name__ == "__main__":
    sys.exit(main())
