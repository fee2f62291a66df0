"""What a user waits for: the seconds of training until the test ELBO is good enough."""

from dataclasses import replace

from benchmarks.harness import table
from benchmarks.speed.common import images
from benchmarks.speed.training import BASELINE, CASES, contenders

TITLE = "Time to a test ELBO"
GOAL = -110.0  # nats: about five epochs
MOST = 15  # epochs


def measure(options):
    """Every contender until it is there, once; nothing without MNIST: noise has no such goal."""
    if not options.data_dir:
        return {}, "Skipped: it needs MNIST (`--data-dir`), and the images are simulated."
    arguments = CASES["mlp-100"].arguments(images(options), options.quick)
    goal = ("--goal", GOAL, "--epochs", 1 if options.quick else MOST)
    results = replace(options, rounds=1).run(contenders(options, *arguments, *goal))
    epochs = {"epochs": lambda result: len(result["epoch_seconds"])}
    seconds = table(
        results, "seconds_to_goal", BASELINE, "seconds", higher_is_better=False, also=epochs
    )
    return results, f"{NOTE}\n\n{seconds}"


NOTE = f"""\
Seconds of training, compilation included, imports not, until the ELBO of the 10,000 test images of
MNIST reaches {GOAL:.0f} nats: the MLP, batches of 100. It is evaluated after each epoch by the same
lines of NumPy for all, while the clock stands still; a dash: not reached in {MOST} epochs.
One round."""
