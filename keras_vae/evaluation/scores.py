"""How well a run or a bundle explains each example, and whether to believe the numbers."""

import math
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from keras_vae.evaluation.importance import ImportanceEstimate, importance_sample
from keras_vae.evaluation.pareto import UNRELIABLE
from keras_vae.models import VAE
from keras_vae.models.arrays import sliceable

SUSPECT = 0.1  # share of examples with too large a Pareto k


class Scores(NamedTuple):
    """What K draws of z for each of N examples say of a model: arrays of `(N,)`, in nats."""

    elbo: np.ndarray
    """Of a run with the KL divergence by the draws; of a bundle in closed form where there is one.
    They agree in expectation."""
    log_likelihood: np.ndarray
    """log (1/K) Σ w_k: the same of a run and of its bundle, for the same seed."""
    importance: ImportanceEstimate | None = None
    """What the single weights say; None for a bundle, whose scorer.onnx does not give them."""

    @property
    def unreliable(self):
        """The share of examples whose Pareto k is above 0.7; NaN if no k is known.

        Fewer than 21 draws have no k, nor has a bundle.
        """
        if self.importance is None or np.isnan(self.importance.pareto_k).all():
            return math.nan
        return float((self.importance.pareto_k > UNRELIABLE).mean())

    @property
    def warnings(self):
        """Why the estimate is not to be believed, in words: a list."""
        found = []
        if not np.isfinite(self.log_likelihood).all():
            found.append("some log-likelihoods are not finite: training has diverged")
        if self.importance is None:
            return found
        K = max(self.importance.convergence)
        if math.isnan(self.unreliable):
            found.append(f"{K} draws cannot tell whether they are enough: take at least 21")
        if self.unreliable > SUSPECT:
            found.append(
                f"{self.unreliable:.0%} of the examples have a Pareto k above {UNRELIABLE}: a few "
                "draws decide the estimate. Read log_likelihood as a lower bound that more draws "
                f"would raise (--num-samples {10 * K})"
            )
        return found


def scores(vae, x, num_samples, seed=0, label=None):
    """The `Scores` of a model on `x`, with a progress bar on a terminal, in bounded memory.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
        x: `(N, *input_shape)`.
        num_samples: draws of z for each example, K.
        seed: integer in [-2**63, 2**63).
        label: for a conditional model: the labels, `(N,)`.

    Raises:
        ValueError: there are no examples; `x` does not fit the model; an argument is out of range.

    Example:

    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> found = scores(vae, np.zeros((3, 8, 8, 1)), num_samples=5)
    >>> bool((found.elbo <= found.log_likelihood).all())
    True
    """
    x = sliceable(x)
    if not len(x):
        raise ValueError("x must hold at least one example, got none")
    if isinstance(vae, VAE):
        importance = importance_sample(vae, x, num_samples, seed, label=label)
        return Scores(importance.elbo, importance.log_likelihood, importance)
    return Scores(*bundle_scores(vae, x, num_samples, seed, label))


def bundle_scores(vae, x, num_samples, seed, label):
    """`elbo` and `log_likelihood` by scorer.onnx, `(N,)` each, with a bar on a terminal."""
    found = score_in_parts(vae, x, num_samples, seed, label)
    return (found[name].astype("float64") for name in ("elbo", "log_likelihood"))


def score_in_parts(vae, x, num_samples, seed=0, label=None):
    """As `OnnxVAE.score`, of sparse rows too, with a bar on a terminal.

    Args:
        vae: an `export.runtime.OnnxVAE`.
        x, num_samples, seed, label: as of `scores`.
    """
    x, size, found = sliceable(x), 8 * vae.chunk, []
    with tqdm(total=len(x), unit=" examples", disable=None) as bar:
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            given = None if label is None else label[rows]
            index = np.arange(len(x))[rows]
            found.append(vae.score(x[rows], num_samples, seed, index, given))
            bar.update(len(index))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}
