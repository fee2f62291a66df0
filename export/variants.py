"""What the files of a lower precision cost in nats, and gain in time."""

import time

import numpy as np
import onnxruntime

from export.loading import ValidationError
from export.quantize import PRECISIONS
from export.runtime.pool import cores, in_order
from keras_vae import conditions, evaluation, noise
from keras_vae.lookup import named
from keras_vae.models.arrays import checked_array

BUDGET = 0.1
EXAMPLES, DRAWS, SEED = 1000, 100, 0  # at most; of z for each; of their noise
SCORED = 16  # examples at once
ROWS, SECONDS, ROUNDS = 256, 0.5, 5  # computed at once to time it, for how long, how often at least


class Trial:
    """cost = log p(x) by the float32 files − log p(x) by a variant's, in nats per example.

    scorer.onnx estimates both from the same noise, so that they differ by nothing but the
    precision. The standard error is that of the mean of the differences.

    Args:
        vae: the `keras_vae.VAE`.
        precision: names of `quantize.PRECISIONS`, or one name.
        x: held-out examples, (B, *input_shape), at least two; the first 1000 are scored.
        label: their labels, for a conditional model.
        budget: the largest cost allowed.
        data: what `x` is called, for the manifest.

    Raises:
        ValueError: an argument is not of that form, or `x` is outside the likelihood's support.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2)
    >>> Trial(vae, "float16", x=np.zeros((10, 4, 4, 1))).precisions
    ('float16',)
    """

    def __init__(self, vae, precision=(), x=None, budget=BUDGET, data=None, label=None):
        names = [precision] if isinstance(precision, str) else precision
        self.precisions = tuple(dict.fromkeys(names))
        for name in self.precisions:
            named("precision", name, PRECISIONS)
        if not 0 <= budget < float("inf"):
            raise ValueError(f"budget must be a number of nats >= 0, got {budget}")
        self.examples = _held_out(vae, x, label) if self.precisions else {}
        self.latent_dim, self.budget, self.data = vae.latent_dim, budget, data

    def judge(self, folder, say=lambda message: None):
        """Measures what each variant in the folder costs and gains, against the float32 files.

        Args:
            folder: a `pathlib.Path`.
            say: called with a line of progress.

        Returns:
            `{precision: what the manifest says of it}`: `cost` and `standard_error` in nats per
            example, how they were measured, and `speed`, how many times as fast as in float32
            the encoder, the decoder and the sampler are, in one thread.

        Raises:
            ValidationError: a variant costs more than the budget, or its cost is no number.
        """
        if not self.precisions:
            return {}
        count = len(self.examples["x"])
        say(f"scoring {count} held-out examples in float32, {', '.join(self.precisions)}")
        expected = log_likelihood(folder / "scorer.onnx", **self.examples)
        return {name: self._judge(folder, name, expected) for name in self.precisions}

    def _judge(self, folder, name, expected):
        scores = log_likelihood(folder / f"scorer_{name}.onnx", **self.examples)
        cost = evaluation.estimate(expected - scores)
        if not cost.mean <= self.budget:  # NaN is refused too
            raise ValidationError(
                f"{name} costs {cost.mean:.4f} ± {cost.standard_error:.4f} nats per example, more "
                f"than the budget of {self.budget:g}: leave {name} out, or raise the budget"
            )
        return {
            "cost": round(cost.mean, 4) + 0.0,  # never -0.0
            "standard_error": round(cost.standard_error, 4),
            "data": self.data,
            "examples": len(self.examples["x"]),
            "num_samples": DRAWS,
            "seed": SEED,
            "budget": self.budget,
            "speed": self._speed(folder, name),
        }

    def _speed(self, folder, name):
        scalars = {"seed": SEED, "first": 0, "count": ROWS}
        draw = {key: np.array(value, np.int64) for key, value in scalars.items()}
        x, *labels = (np.resize(h, (ROWS, *h.shape[1:])) for h in self.examples.values())
        feeds = {
            "encoder": {"x": x},
            "decoder": {"z": noise.latent(SEED, 0, ROWS, self.latent_dim)},
            "sampler": {**draw, "temperature": np.array(1, np.float32)},
        }
        for label in labels:
            feeds["decoder"]["label"], feeds["sampler"]["label"] = label, np.asarray(label[0])
        return {
            stem: round(speed(folder / f"{stem}.onnx", folder / f"{stem}_{name}.onnx", given), 2)
            for stem, given in feeds.items()
        }


def log_likelihood(scorer, **examples):
    """log p(x) of each example, by importance sampling: (B,), in nats.

    Args:
        scorer: the path of a scorer.onnx.
        examples: `x`, (B, *input_shape), and of a conditional model `label`.
    """
    session, given = _session(scorer), {**examples, "index": np.arange(len(examples["x"]))}

    def score(start):
        scalars = {"num_samples": DRAWS, "seed": SEED}
        feeds = {name: np.array(value, np.int64) for name, value in scalars.items()}
        rows = {name: array[start : start + SCORED] for name, array in given.items()}
        return session.run(["log_likelihood"], {**rows, **feeds})[0]

    scores = in_order(score, range(0, len(examples["x"]), SCORED), cores())
    return np.concatenate(list(scores)).astype(np.float64)


def speed(reference, variant, feeds):
    """How many times as fast as the float32 file a variant is: the median of many rounds.

    The two run by turns, in one thread, so that other work on the machine slows both down.

    Args:
        reference: the path of the float32 file.
        variant: the path of the other.
        feeds: what both are given.
    """
    sessions, ratios = [_session(reference), _session(variant)], []
    end = time.perf_counter() + SECONDS
    while len(ratios) < ROUNDS or time.perf_counter() < end:
        slow, fast = (_seconds(session, feeds) for session in sessions)
        ratios.append(slow / fast)
    return float(np.median(ratios[1:]))  # the first turn warms up


def _seconds(session, feeds):
    start = time.perf_counter()
    session.run(None, feeds)
    return time.perf_counter() - start


def _session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


def _held_out(vae, x, label):
    if x is None:
        raise ValueError("another precision needs held-out examples to be judged by: give x")
    x = checked_array("x", x, vae.input_shape)
    labels = [array[:EXAMPLES] for array in vae.labels.checked(label, len(x))]
    labels = [array.astype(conditions.form(vae.covariates)[0]) for array in labels]
    x = x[:EXAMPLES].astype(np.float32)
    vae.likelihood.check(x)
    if len(x) < 2:
        raise ValueError(f"x must hold at least 2 held-out examples, got {len(x)}")
    return {"x": x} | dict(zip(["label"], labels, strict=False))
