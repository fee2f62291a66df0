"""One exported bundle in every runtime: `make conformance`.

    python -m tests.conformance.driver MODEL.keras BUNDLE

Prints a Markdown table, a row for each runtime. Expected are the noise of NumPy
(`keras_vae.noise.latent`) and the images and scores of Keras (`vae.sample`, `vae.score`). A draw
of x may differ where rounding decides between two values: in one element of 10,000 at most.

- `expected.py` writes a folder of requests: graphs, inputs, and outputs that they must give.
- `runtimes.py` runs each runner in `runners/` as a process of its own. A runner knows how its
  runtime loads and runs a graph, answers the requests in the folder and prints one line of JSON.
- `table.py` turns the lines into rows.

Load is the time from the file `sampler.onnx` to a session, once the library is there (WebAssembly
is compiled in it); samples per second are those of a count of 1024, by the runtime's defaults, of
`sampler.onnx` and of `generator.onnx`.

Exit status: 0 if every runtime is there, gives every bit of z, or z within `table.COMPUTED` where a
learned prior computes it, and images, rows and scores within `table.LIMITS`; 1 if not, after the
whole table; 2 if there is no model or no bundle. OpenVINO keeps int64 in 32 bits: it must give all
that where the seed and each index fit into int32. Defects of runtimes that are known
(`runtimes.py`) are named in the table and do not fail it.
"""

import argparse
import sys
from pathlib import Path

from keras_vae.models import load_model
from tests.conformance import expected, runtimes, table

FOLDER = runtimes.BUILD / "requests"


def main(arguments=None):
    """Runs the command line and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.driver")
    parser.add_argument("model", help="the .keras file", type=Path)
    parser.add_argument("bundle", help="the folder that it was exported to", type=Path)
    options = parser.parse_args(arguments)
    for path in (options.model, options.bundle / expected.SAMPLER):
        if not path.is_file():
            print(f"error: there is no file {path}: see make export", file=sys.stderr)
            return 2
    vae = load_model(options.model)
    requests = expected.requests(vae, {path.name for path in options.bundle.iterdir()})
    expected.write(FOLDER, options.bundle, requests)
    return compare(runtimes.RUNTIMES, requests, FOLDER)


def compare(chosen, requests, folder):
    """Runs the runtimes, prints the table, and returns 0 if all is as it should be, else 1."""
    rows = []
    for runtime in chosen:
        print(f"running {runtime.name} ...", file=sys.stderr, flush=True)
        rows.append(table.row(runtime, requests, runtimes.run(runtime, folder)))
    print(table.markdown(rows))
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
