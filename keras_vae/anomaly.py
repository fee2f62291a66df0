"""Anomalies: what a model finds less likely than normal data, at a stated rate of false alarms.

    detector = keras_vae.anomaly.calibrate(vae, x_normal, false_alarm_rate=0.01)
    detector.is_anomaly(x)
    vae.export("bundle", detector=detector)

and `OnnxVAE("bundle").is_anomaly(x)` needs nothing else.
"""

import math
import numbers
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_vae import conformal, noise
from keras_vae.models.arrays import check_values, checked_array

ROUNDING = 1e-4
"""By how much a threshold is raised, relative to itself or to 1 nat. Scores of equal examples may
differ by rounding, in another batch or in a runtime, and many normal examples may be equal. The
gate of the export lets a tenth of this pass."""


AT_ONCE = 4096
"""How many examples `has_density` looks at together."""


@dataclass(frozen=True)
class Detector:
    """x is an anomaly if −log p̂(x) > threshold: `calibrate` makes one.

    The score is −log p̂(x) in nats, with p̂ as `VAE.score` estimates it, and the noise of one index
    for all examples: a function of x alone. What has no density has the score infinity. A model
    that is trained on needs a new one.

    Args:
        vae: the `keras_vae.VAE` that it was calibrated for.
        threshold: in nats.
        false_alarm_rate: the share of normal examples above it, at most, in expectation.
        num_samples: draws of z for each example, K.
        examples: how many normal examples it was calibrated on.
        seed, index: of the noise.
        data: what the examples are called, or None.

    Raises:
        ValueError: an argument is out of range.
    """

    vae: Any = field(repr=False)
    threshold: float
    false_alarm_rate: float
    num_samples: int
    examples: int
    seed: int = 0
    index: int = 0
    data: str | None = None

    def __post_init__(self):
        noise.check_score(self.num_samples, self.seed)
        noise.checked_index(self.index, 1)
        conformal.order(self.examples, self.false_alarm_rate)
        if not isinstance(self.threshold, numbers.Real) or not math.isfinite(self.threshold):
            raise ValueError(f"threshold must be a finite number, got {self.threshold!r}")
        if not isinstance(self.data, str | None):
            raise ValueError(f"data must be a name, or None, got {self.data!r}")

    def anomaly_score(self, x, label=None):
        """−log p̂(x) of each example in nats, `(B,)`: the higher, the stranger.

        Args:
            x: `(B, *input_shape)`.
            label: for a conditional model, whose −log p̂(x|y) it is: one, or one each, `(B,)`.

        Raises:
            ValueError: `x` has another shape, or holds NaN; a label is missing or not known.
        """
        return scores(self.vae, x, self.num_samples, self.seed, self.index, label)

    def is_anomaly(self, x, label=None):
        """Whether each example is an anomaly: booleans `(B,)`; arguments as of `anomaly_score`."""
        return self.anomaly_score(x, label) > self.threshold

    @property
    def expected(self):
        """The share of new normal examples above it: mean and deviation, see `conformal.share`."""
        return conformal.share(self.examples, self.false_alarm_rate)

    def to_json(self):
        """What a manifest says of it: a dictionary for JSON, whose numbers are exact to 2^53."""
        names = ("threshold", "false_alarm_rate", "num_samples", "index", "examples", "data")
        return {**{name: getattr(self, name) for name in names}, "seed": str(self.seed)}

    @classmethod
    def from_json(cls, vae, told):
        """The detector that `to_json` told of.

        Raises:
            ValueError: it did not.
        """
        try:
            return cls(vae, **{**told, "seed": int(told["seed"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"that does not tell of a detector ({error})") from error


def calibrate(vae, x, false_alarm_rate=0.05, num_samples=100, seed=0, label=None, data=None):
    """The `Detector` with at most the stated rate of false alarms, whatever the model is worth.

    Split conformal: the threshold is the k-th smallest score of n normal examples, with
    k = ⌈(n + 1)(1 − false_alarm_rate)⌉. A new normal example that is exchangeable with these is
    above it with probability 1 − k/(n + 1) ≤ false_alarm_rate, for every n, and less often if
    scores are equal. That is on average over calibration sets; `Detector.expected` says how much
    the share varies from one to the next. How many anomalies are found is the model's merit alone.

    The examples must be normal ones that the model was neither trained on nor chosen by, as the
    best epoch is chosen by the validation part: those it knows have lower scores than new ones, and
    the alarms become too many.

    Args:
        vae: a trained `keras_vae.VAE`.
        x: the normal examples, `(n, *input_shape)`; at least 1/false_alarm_rate − 1 of them.
        false_alarm_rate: between 0 and 1.
        num_samples: draws of z for each example, K.
        seed: integer in [−2**63, 2**63), of the noise.
        label: for a conditional model: the labels, `(n,)`.
        data: what the examples are called, for the manifest.

    Raises:
        ValueError: there are too few examples, or an argument is out of range or does not fit.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", (4,), latent_dim=2, seed=0, hidden=())
    >>> x = np.random.default_rng(0).normal(size=(199, 4))
    >>> detector = calibrate(vae, x, false_alarm_rate=0.1, num_samples=10)
    >>> int(detector.is_anomaly(x).sum()), bool(detector.is_anomaly(x[:1] + 10)[0])
    (19, True)

    Reference: Vovk et al., Algorithmic Learning in a Random World, 2005, section 4.1; Bates et al.,
    Testing for Outliers with Conformal p-values, 2023, section 2.
    """
    x = checked_array("x", x, vae.input_shape)
    conformal.order(len(x), false_alarm_rate)  # before the work
    check_values(vae.likelihood, x)
    found = scores(vae, x, num_samples, seed, 0, label)
    found = conformal.threshold(found, false_alarm_rate)
    found += ROUNDING * max(1.0, abs(found))
    asked = float(false_alarm_rate), int(num_samples), len(x), int(seed)
    return Detector(vae, float(found), *asked, data=data)


def scores(vae, x, num_samples, seed=0, index=0, label=None):
    """−log p̂(x) of each example in nats, `(B,)`; infinity where there is no density.

    So it is where numbers overflow: such an example is as strange as can be.

    Args:
        vae: a `keras_vae.VAE`.
        x: `(B, *input_shape)`.
        num_samples, seed, index, label: as in `VAE.score`.

    Raises:
        ValueError: as `VAE.score`, but for what is outside the likelihood's support.
    """
    x = checked_array("x", x, vae.input_shape)
    label, inside = vae.labels.checked(label, len(x)), has_density(vae, x)
    found, label = np.full(len(x), np.inf), label[0][inside] if label else None
    with np.errstate(invalid="ignore", over="ignore"):
        log_p = vae.score(x if inside.all() else x[inside], num_samples, seed, index, label=label)[
            "log_likelihood"
        ]
    found[inside] = np.where(np.isnan(log_p), np.inf, -log_p)
    return found


def has_density(vae, x):
    """Which examples are in the likelihood's support, `(B,)`, or hold what `VAE.score` refuses."""
    found, axes = [np.zeros(0, bool)], tuple(range(1, x.ndim))
    for start in range(0, len(x), AT_ONCE):
        part = x[start : start + AT_ONCE].astype("float32")
        inside = vae.likelihood.all_in_support(keras.ops.convert_to_tensor(part), axes)
        found.append(keras.ops.convert_to_numpy(inside) | ~np.isfinite(part).all(axis=axes))
    return np.concatenate(found)
