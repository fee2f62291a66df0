"""How much two sets of vectors are alike: the Fréchet distance, precision and recall."""

import numpy as np

NEIGHBOURS = 3
"""k of the balls around examples, as Kynkäänniemi et al. take it."""

AT_ONCE = 4_000_000
"""Distances that are computed at once, at most."""


def frechet_distance(a, b):
    """‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), of the normal distributions that fit two sets.

    It is the squared 2-Wasserstein distance of these two. Estimated from N vectors each it is too
    large, by an amount that falls as 1/N: sets of different size cannot be compared by it.

    Args:
        a, b: `(N, D)` and `(M, D)`, two vectors or more each.

    Example:

    >>> a = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    >>> round(frechet_distance(a, a), 6), round(frechet_distance(a, a + [3, 4]), 6)
    (0.0, 25.0)

    Reference: Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium, 2017, equation 6.
    """
    return gaussian_distance(*moments(a), *moments(b))


def moments(x):
    """The mean `(D,)` and the covariance `(D, D)` of vectors `(N, D)`, in float64."""
    x = np.asarray(x, "float64")
    return x.mean(axis=0), np.atleast_2d(np.cov(x, rowvar=False))


def gaussian_distance(mean_a, covariance_a, mean_b, covariance_b):
    """`frechet_distance` of two normal distributions.

    (Σ_a Σ_b)^½ has the trace of (Σ_a^½ Σ_b Σ_a^½)^½, whose matrices are symmetric.

    Example:

    >>> gaussian_distance(np.zeros(1), np.array([[1.0]]), np.ones(1), np.array([[4.0]]))
    2.0
    """
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_b @ root), 0)).sum()
    spread = np.trace(covariance_a) + np.trace(covariance_b) - 2 * shared
    return max(0.0, float(((mean_a - mean_b) ** 2).sum() + spread))


def precision_recall(real, made, k=NEIGHBOURS):
    """The share of `made` that lies among `real`, and the share of `real` among `made`.

    To lie among the vectors of a set is to be no farther from one of them than its k-th nearest
    neighbour in that set. Precision falls where samples are bad, recall where kinds of examples
    are never drawn. All pairs are compared, in parts: memory stays the same, time is N².

    Args:
        real, made: `(N, D)` and `(M, D)`, more than k vectors each.

    Returns:
        precision and recall, from 0 to 1.

    Example:

    >>> real = np.arange(10.0)[:, None]
    >>> precision_recall(real, real[:5])  # half of what there is
    (1.0, 0.8)

    Reference: Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative
    Models, 2019, section 2.
    """
    real, made = np.asarray(real, "float64"), np.asarray(made, "float64")
    return float(among(made, real, k).mean()), float(among(real, made, k).mean())


def among(points, centres, k):
    """Which points lie among the centres: booleans, `(N,)`."""
    nearest = [np.partition(part, k, axis=1)[:, k] for part in squares(centres, centres)]
    radii = np.concatenate(nearest)  # place 0 has the centre itself
    return np.concatenate([(part <= radii).any(axis=1) for part in squares(points, centres)])


def squares(a, b):
    """Squared distances of all pairs, in parts of rows of `a`: `(rows, len(b))` each."""
    rows = max(1, AT_ONCE // len(b))
    of_b = (b**2).sum(axis=1)
    for start in range(0, len(a), rows):
        part = a[start : start + rows]
        yield (part**2).sum(axis=1)[:, None] + of_b - 2 * part @ b.T
