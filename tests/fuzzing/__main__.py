"""python -m tests.fuzzing [KIND ...] [--scale S]: opens damaged bundles, models, data and arrays.

Exit status 1 if there was a fault. The counts are those of the closing table: 2,000 bundles, 2,000
.keras files, 2,000 data files, 600 partial arrays.
"""

import argparse
import importlib
import sys
import time

COUNTS = {"bundles": 2000, "models": 2000, "data": 2000, "arrays": 600}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing")
    parser.add_argument("kinds", nargs="*", choices=[*COUNTS, []], help=", ".join(COUNTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="of the counts")
    options = parser.parse_args(arguments)
    faults = []
    for kind in options.kinds or COUNTS:
        started = time.perf_counter()
        run = importlib.import_module(f"tests.fuzzing.{kind}").run
        outcome = run(int(COUNTS[kind] * options.scale), options.seed)
        print(f"{outcome}, {time.perf_counter() - started:.0f} s", flush=True)
        faults += outcome.faults
    print(*faults, sep="\n\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
