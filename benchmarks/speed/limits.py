"""What a step could still gain: its products in bfloat16, and no Adam at all."""

from benchmarks.harness import Contender, table
from benchmarks.speed.common import BACKENDS, images, products_alone
from benchmarks.speed.training import CASES, FIT

TITLE = "What a step could still gain"
BASELINE = "keras-vae, TensorFlow"
WAYS = {"": (), ", products in bfloat16": ("--bfloat16",), ", no Adam": ("--without-adam",)}
JAX_ALONE = {", a choice of each number": ("--without-condition",)}
COLUMNS = {"last loss": "loss", "test ELBO": lambda result: (result.get("elbos") or [None])[-1]}
NEVER = 0.0  # nats: the ELBO of a test image is less, so that all epochs are trained


def measure(options):
    """The MLP on TensorFlow and JAX, the conv model on TensorFlow, where it is fastest."""
    data, results, texts = images(options), {}, []
    for key, names in {"mlp-100": ("TensorFlow", "JAX"), "conv": ("TensorFlow",)}.items():
        case = CASES[key]
        arguments = case.arguments(data, options.quick)
        goal = ("--goal", NEVER) if options.data_dir and case.name == "mlp" else ()
        everyone = [
            Contender(
                f"keras-vae, {name}{way}",
                FIT,
                (*arguments, *flags, *goal),
                {"KERAS_BACKEND": BACKENDS[name]},
            )
            for name in names
            for way, flags in (WAYS | (JAX_ALONE if name == "JAX" else {})).items()
        ]
        results[key] = options.run([*everyone, *products_alone(*arguments)])
        speed = table(
            results[key], "examples_per_second", BASELINE, "examples a second", also=COLUMNS
        )
        texts.append(f"{case.title}:\n\n{speed}")
    return results, "\n\n".join([NOTE, *texts])


NOTE = """\
As in the table of training, with one thing changed: Keras' policy `mixed_bfloat16`, whose products
a CPU with AVX512_BF16 has instructions for; or plain gradient descent in the place of Adam, which
is as fast as any Adam could be, however its numbers lie in memory. On JAX a step that is not finite
is skipped by a condition; in the row of the choice its update is computed, and not taken. The test
ELBO, of 10,000 images of MNIST, is that after the last epoch."""
