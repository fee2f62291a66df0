"""Images a second and the latency of 1, 64 and 1024 images, on one thread and on two."""

from benchmarks.harness import Contender
from benchmarks.speed.common import contender
from benchmarks.speed.models import written
from benchmarks.tables import median, number, ratio, values

TITLE = "Sampling"
BASELINE = "sampler.onnx, `OnnxVAE.sample`"
MODELS = {"digits": "MLP 8-200-200-64, digits of 8×8", "conv": "Conv, 16 latents, 28×28"}
COUNTS = (1, 64, 1024)
THREADS = (1, 2)


def measure(options):
    """Every contender on both models, first on one thread and then on two."""
    data = written(*MODELS)
    results = {
        threads: options.run(contenders(options, data, threads=threads))
        for threads in THREADS[options.quick :]
    }
    texts = [
        f"{title}, {threads} thread{'s' * (threads > 1)}:\n\n{table(results[threads], case)}"
        for case, title in MODELS.items()
        for threads in results
    ]
    return results, "\n\n".join([NOTE, *texts])


def contenders(options, data, **more):
    """Those that sample."""

    def openvino(name, *flags):
        module = "benchmarks.contenders.sample_openvino"
        return Contender(name, module, (data, *flags), python=options.openvino, **more)

    return [
        contender(BASELINE, "sample_onnx", data, **more),
        contender("sampler.onnx, plain session", "sample_onnx", data, "--plain", **more),
        contender("decoder.onnx, z from memory", "sample_onnx", data, "--decoder", **more),
        openvino("sampler.onnx, OpenVINO"),
        openvino("decoder.onnx, OpenVINO, z from memory", "--decoder"),
        contender("Keras, `model.predict`", "sample_keras", data, **more),
        contender("Keras, `tf.function`", "sample_keras", data, "--compiled", **more),
        contender("Keras, `tf.function`, XLA", "sample_keras", data, "--xla", **more),
        contender("PyTorch, eager", "sample_torch", data, **more),
        contender("PyTorch, `torch.compile`", "sample_torch", data, "--compile", **more),
    ]


def table(results, case):
    """Rows of latency, images a second and the ratio to the baseline for each count.

    Example:

    >>> results = {BASELINE: [], "slow": [{"failed": "no compiler"}]}
    >>> print(table(results, "conv").splitlines()[-1])
    | slow | failed: no compiler | | | | | | | | |
    """
    heads = [head for n in COUNTS for head in (f"{n}: ms", "images/s", "÷")]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for name, rounds in results.items():
        why = [result["failed"].replace("|", "/") for result in rounds if "failed" in result]
        if why or not rounds:
            cells = f"failed: {why[0] if why else 'no value'} |" + " |" * (len(heads) - 1)
        else:
            others = results[BASELINE]
            figures = [cell for n in COUNTS for cell in columns(rounds, others, case, n)]
            cells = " | ".join(figures) + " |"
        lines.append(f"| {name} | {cells}")
    return "\n".join(lines)


def columns(rounds, others, case, count):
    """Milliseconds with their spread, images a second, and the speed by that of the others.

    Example:

    >>> columns([{"conv 64": 0.002}], [{"conv 64": 0.004}], "conv", 64)
    ['2.00 (2.00–2.00)', '32,000', '2.00']
    """
    key = f"{case} {count}"
    times = [1000 * seconds for seconds in values(rounds, key)]
    middle = median(times)
    spread = f"{number(middle)} ({number(min(times))}–{number(max(times))})"
    speedup = ratio(rounds, others, lambda result: 1 / result[key])
    return [spread, number(1000 * count / middle), number(speedup)]


NOTE = """\
From a count to an array of images in memory. Latency is the median of the repeats within a process,
and of the rounds, with the least and the most; images a second follow from it. ÷ is a contender's
speed by that of `OnnxVAE.sample` with its defaults in the same round: less than 1 is slower. Those
named "z from memory" draw no noise. The models are untrained; compilation is not counted."""
