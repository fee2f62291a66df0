"""log p(x) by importance sampling, with what its weights say of it, in bounded memory."""

import itertools
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from keras_vae.evaluation.pareto import pareto_k, tail_length
from keras_vae.models.arrays import sliceable
from keras_vae.models.scoring import log_add


class ImportanceEstimate(NamedTuple):
    """What K draws of z for each of N examples say of log p(x): arrays of `(N,)`."""

    elbo: np.ndarray
    """(1/K) Σ log w_k, in nats: the evidence lower bound in expectation, and never above
    `log_likelihood`. With q(z|x) = p(z|x) it has no variance."""
    log_likelihood: np.ndarray
    """log (1/K) Σ w_k, in nats: below log p(x) in expectation, and the closer the larger K."""
    effective_sample_size: np.ndarray
    """(Σ w)² / Σ w², from 1 to K: of how many equal weights the variance would be the same."""
    pareto_k: np.ndarray
    """The shape of the tail of the weights; above 0.7 the estimate is not to be believed."""
    convergence: dict
    """`{K': log_likelihood of the first K' draws}` for K' = 1, 10, 100, …, K."""

    @property
    def gap(self):
        """log_likelihood − elbo, in nats: the estimate of KL(q(z|x) ‖ p(z|x))."""
        return self.log_likelihood - self.elbo

    @property
    def monte_carlo_error(self):
        """The standard deviation of `log_likelihood` over the draws, by the delta method, in nats.

        √(1/ESS − 1/K) · √(K / (K − 1)); NaN for one draw. If a few weights decide the estimate, it
        is too small.
        """
        num_samples = max(self.convergence)
        if num_samples == 1:
            return np.full(len(self.log_likelihood), np.nan)
        variance = np.maximum(num_samples / self.effective_sample_size - 1, 0)
        return np.sqrt(variance / (num_samples - 1))

    @property
    def mean_monte_carlo_error(self):
        """The standard error that the draws, not the examples, give to the mean log-likelihood."""
        error = self.monte_carlo_error
        return float(np.sqrt((error**2).sum()) / len(error))


def log_likelihood(vae, x, num_samples=5000, seed=0, batch_size=None, label=None):
    """log (1/K) Σ p(x, z_k) / q(z_k|x), with z_k drawn from q(z|x): nats per example, `(N,)`.

    The numbers of `vae.score(x, num_samples, seed)["log_likelihood"]`, with a progress bar on a
    terminal. In expectation they are below log p(x); `importance_sample` says by how little.

    Args:
        vae: a `keras_vae.VAE`.
        x: `(N, *input_shape)`.
        num_samples: draws of z for each example, K: exactly so many are taken.
        seed: integer in [-2**63, 2**63).
        batch_size: how many z are decoded at once; None: as many as are fast.
        label: for a conditional model, whose log p(x|y) it is: one, or one each, `(N,)`.

    Raises:
        ValueError: `x` does not fit the model or its likelihood; another argument is out of range.

    Example:

    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> log_likelihood(vae, np.zeros((3, 8, 8, 1)), num_samples=10).shape
    (3,)

    Reference: Burda et al., Importance Weighted Autoencoders, 2016, equation 8.
    """
    return importance_sample(vae, x, num_samples, seed, batch_size, label).log_likelihood


def importance_sample(vae, x, num_samples=5000, seed=0, batch_size=None, label=None):
    """As `log_likelihood`, with its diagnostics: an `ImportanceEstimate`.

    The 3 √K largest weights of an example are kept while the example is being computed.

    Raises:
        ValueError: as `log_likelihood`; there are no examples.

    Example:

    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> estimate = importance_sample(vae, np.zeros((3, 8, 8, 1)), num_samples=50)
    >>> list(estimate.convergence)
    [1, 10, 50]
    """
    x = sliceable(x)
    if not len(x):
        raise ValueError("x must hold at least one example, got none")
    parts = vae.densities_in_parts(x, num_samples, seed, batch_size=batch_size, label=label)
    blocks = []
    with tqdm(total=len(x) * num_samples, unit=" draws", unit_scale=True, disable=None) as bar:
        for _, block in itertools.groupby(parts, key=itemgetter(0)):
            weights = Weights(num_samples)
            for _, densities in block:
                weights.add(densities.log_w)
                bar.update(densities.log_w.size)
            blocks.append(weights.result())
    *columns, convergence = zip(*blocks, strict=True)
    convergence = {k: np.concatenate([c[k] for c in convergence]) for k in convergence[0]}
    return ImportanceEstimate(*(np.concatenate(column) for column in columns), convergence)


class Weights:
    """Running sums over the weights of some examples, whose draws come in chunks.

    Args:
        num_samples: K, the number of all draws.
    """

    def __init__(self, num_samples):
        self.num_samples, self.drawn = num_samples, 0
        self.elbo, self.log_sum, self.log_sum_squares = 0.0, -np.inf, -np.inf
        self.convergence, self.largest = {}, None

    def add(self, log_w):
        """Takes in the log-weights of the next draws, `(k, B)`."""
        self.elbo += log_w.sum(axis=0) / self.num_samples
        for k in powers_of_ten(self.num_samples):
            if self.drawn < k <= self.drawn + len(log_w):
                log_sum = log_add(self.log_sum, log_w[: k - self.drawn])
                self.convergence[k] = log_sum - np.log(k)
        self.drawn += len(log_w)
        self.log_sum = log_add(self.log_sum, log_w)
        self.log_sum_squares = log_add(self.log_sum_squares, 2 * log_w)
        kept = log_w if self.largest is None else np.concatenate([self.largest, log_w])
        self.largest = -np.sort(-kept, axis=0)[: tail_length(self.num_samples) + 1]

    def result(self):
        """The `ImportanceEstimate` of all draws."""
        return ImportanceEstimate(
            elbo=self.elbo,
            log_likelihood=self.log_sum - np.log(self.num_samples),
            effective_sample_size=np.exp(2 * self.log_sum - self.log_sum_squares),
            pareto_k=pareto_k(self.largest),
            convergence=self.convergence,
        )


def powers_of_ten(num_samples):
    """1, 10, 100, … below `num_samples`, and `num_samples`.

    Example:

    >>> powers_of_ten(250)
    [1, 10, 100, 250]
    """
    return [10**i for i in range(len(str(num_samples - 1))) if 10**i < num_samples] + [num_samples]
