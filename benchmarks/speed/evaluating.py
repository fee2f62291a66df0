"""Importance samples a second of log p(x), K = 5000."""

from benchmarks.harness import run_once, table
from benchmarks.speed.common import contender, images, on_backends, products_alone

TITLE = "Evaluation: importance samples, K = 5000"
BASELINE = "pythae, get_nll"
EXAMPLES = {"mlp": 40, "conv": 4}
COLUMNS = {
    "start-up, s": "startup_seconds",
    "compilation, s": "compile_seconds",
    "peak memory, MiB": "peak_megabytes",
    "log p(x), nats": "log_likelihood",
}


def measure(options):
    """Every contender on both models."""
    data, results, texts = images(options), {}, []
    made = run_once(contender("models", "models", data))
    if "failed" in made:
        return {}, f"The models could not be made: {made['failed']}"
    for case, examples in EXAMPLES.items():
        count = 1 if options.quick else examples
        results[case] = options.run(contenders(options, case, "--data", data, "--examples", count))
        rates = table(results[case], "draws_per_second", BASELINE, "draws a second", also=COLUMNS)
        texts.append(f"The {case} model, {count} images:\n\n{rates}")
    return results, "\n\n".join([NOTE, *texts])


def contenders(options, *arguments):
    """Those that score."""
    large = (*arguments, "--large")
    return [
        *on_backends("benchmarks.contenders.score_keras_vae", *arguments),
        contender("scorer.onnx", "score_onnx", *arguments),
        contender(BASELINE, "score_pythae", *arguments, python=options.pythae),
        contender(f"{BASELINE} of 1000", "score_pythae", *large, python=options.pythae),
        contender("loop, PyTorch", "score_torch", *arguments),
        *products_alone(*arguments, "--decoder"),
    ]


NOTE = """\
The same call twice; the second counts, and compilation is what the first took more. The weights of
the MLP are the same for all, and so is log p(x) but for the draws; those of the conv model are each
package's own at the start. pythae decodes 100 draws at once by default, and 1000 in the other row;
its `get_nll` is called without gradients. The products alone are those of decoding, 2000 draws at
once, and those of the conv model at the rate of a large product: the bound that arithmetic sets."""
