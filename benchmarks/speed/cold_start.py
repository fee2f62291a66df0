"""From the start of a process to its first image, and the memory that this takes."""

from benchmarks.harness import table
from benchmarks.speed.common import contender
from benchmarks.speed.models import written

TITLE = "Cold start"
BASELINE = "`OnnxVAE(bundle).sample(1)`"
MODELS = {"digits": "MLP 8-200-200-64, digits of 8×8", "conv": "Conv, 16 latents, 28×28"}
WAYS = {
    BASELINE: "python",
    "`python -m export.runtime bundle --count 1`": "command",
    "model.keras, keras-vae on TensorFlow": "package",
    "decoder alone, Keras on TensorFlow": "decoder",
    "decoder alone, PyTorch": "torch",
    "no image: `import numpy, onnxruntime`": "imports",
    "no image: Python": "nothing",
}
VALUES = {"first_image_seconds": "seconds", "peak_megabytes": "MiB"}


def measure(options):
    """Every way with both models."""
    data, results, texts = written(*MODELS, torch=True), {}, []
    for case, title in MODELS.items():
        results[case] = options.run(contenders(f"{data}/{case}"))
        for value, unit in VALUES.items():
            rows = table(results[case], value, BASELINE, unit, higher_is_better=False)
            texts.append(f"{title}, {unit}:\n\n{rows}")
    return results, "\n\n".join([NOTE, *texts])


def contenders(folder):
    """Those that draw one image, and what they cannot do without."""
    return [contender(name, "first_image", way, folder) for name, way in WAYS.items()]


NOTE = """\
Seconds from the start of the process until one image is in its memory, or on the disk for the
command, and the peak of its resident memory. All files were read before: they are in the cache."""
