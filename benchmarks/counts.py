"""Simulates a table of counts whose log-likelihood is known.

    python benchmarks/counts.py --out data/counts.npz

z ~ N(0, I) in two dimensions, mean_j = exp(bias_j + weights_j · z), and x_j ~ NegativeBinomial
with that mean and its own dispersion r_j. Writes `x_train` and `x_test`, int32 (N, columns), and
prints the exact mean test log p(x), by quadrature over z: the expectation of no model's is above
it. The integral is taken again with half the step, and the change is printed.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from keras_vae.cli import BAD_INPUT, Parser, fail
from keras_vae.evaluation import estimate
from keras_vae.files import atomic_write

TRAIN, TEST = 5000, 1000
REACH = 6.0  # the grid goes from -REACH to REACH: beyond lies 4e-9 of the normal
ROWS = 100  # whose integrals are taken at once


class Simulation(NamedTuple):
    """The model that the table is drawn from.

    Args:
        bias: the logarithm of each column's mean at z = 0, (D,).
        weights: (D, 2).
        dispersion: r of each column, (D,): the variance given z is mean + mean² / r.
    """

    bias: np.ndarray
    weights: np.ndarray
    dispersion: np.ndarray

    @classmethod
    def draw(cls, rng, columns=50):
        """Draws a model: means of about 1 to 100, r from 1 to 10."""
        bias = rng.normal(2.0, 1.0, columns)
        weights = rng.normal(0.0, 0.5, (columns, 2))
        return cls(bias, weights, np.exp(rng.uniform(0.0, np.log(10.0), columns)))

    def mean(self, z):
        """(N, 2) → the mean counts, (N, D)."""
        return np.exp(self.bias + z @ self.weights.T)

    def sample(self, rng, count):
        """Draws `count` rows: int32, (count, D)."""
        mean = self.mean(rng.standard_normal((count, 2)))
        rate = rng.gamma(np.broadcast_to(self.dispersion, mean.shape)) * mean / self.dispersion
        return rng.poisson(rate).astype(np.int32)

    def log_px_z(self, x, z):
        """log p(x|z) of every row of `x`, (B, D), at every `z`, (G, 2): (B, G), in nats.

        Σ_j log Γ(x + r) − log Γ(r) − log x! + x log(m / (m + r)) + r log(r / (m + r)), of which
        the last two are a product of matrices.
        """
        mean, r = self.mean(z), self.dispersion
        log_total = np.log(mean + r)
        constant = np.sum(gammaln(x + r) - gammaln(r) - gammaln(x + 1), axis=-1)
        miss = (np.log(r) - log_total) @ r
        return constant[:, None] + x @ (np.log(mean) - log_total).T + miss

    def log_likelihood(self, x, step=0.1):
        """log p(x) of each row by the trapezoidal rule over z, in nats.

        Args:
            x: counts, (N, D).
            step: of the grid. The error falls faster than any power of it once it is below the
                posterior's standard deviation.

        Returns:
            (N,) float64.

        Example:

        >>> point = Simulation(np.zeros(1), np.zeros((1, 2)), np.ones(1))  # p(x) = 2^-(x + 1)
        >>> point.log_likelihood(np.array([[0.0], [1.0]]), step=0.5).round(4)
        array([-0.6931, -1.3863])
        """
        axis = step * np.arange(-round(REACH / step), round(REACH / step) + 1)
        z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        log_weight = 2 * np.log(step) - np.log(2 * np.pi) - 0.5 * np.sum(z**2, axis=-1)
        chunks = [x[i : i + ROWS] for i in range(0, len(x), ROWS)]
        return np.concatenate(
            [logsumexp(self.log_px_z(chunk, z) + log_weight, axis=-1) for chunk in chunks]
        )


def make(seed=0):
    """The simulating model, and its `x_train` and `x_test`."""
    if seed < 0:
        raise ValueError(f"--seed must be at least 0, got {seed}")
    rng = np.random.default_rng(seed)
    simulation = Simulation.draw(rng)
    return simulation, simulation.sample(rng, TRAIN), simulation.sample(rng, TEST)


def write(out, **arrays):
    """Writes an .npz whole or not at all, and its folder if there is none."""
    if out.suffix != ".npz":
        raise ValueError(f"--out must end in .npz, got {out}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as path:
        np.savez(path, **arrays)


def main(arguments=None):
    """Writes the file, prints the exact answer and returns the exit status."""
    parser = Parser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--seed", type=int, default=0, help="of the model and of the draws")
    options = parser.parse_args(arguments)
    try:
        simulation, x_train, x_test = make(options.seed)
        write(options.out, x_train=x_train, x_test=x_test)
    except (ValueError, OSError) as error:
        return fail(error, BAD_INPUT)
    print(f"wrote {options.out}: {len(x_train)} training and {len(x_test)} test rows", flush=True)
    exact, finer = (simulation.log_likelihood(x_test, step) for step in (0.1, 0.05))
    print(
        f"exact mean test log p(x) {estimate(finer)} nats per example; half the step changed no "
        f"row by more than {abs(finer - exact).max():.0e}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
