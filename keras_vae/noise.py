"""The noise that sampling is a function of.

Sample i of a seed is row i of NumPy's `default_rng(seed).standard_normal` of `latent_dim` columns
in float32, the seed taken modulo 2^64. So sample 7 is the same whether it is drawn alone or in a
batch; what comes before it is drawn and dropped.
"""

import numbers

import numpy as np

CHUNK = 4096  # rows drawn and dropped at once


def check_draw(count, seed, temperature, first):
    """Raises `ValueError` for a request for samples that cannot be met."""
    for name, value in {"count": count, "first": first}.items():
        if not isinstance(value, numbers.Integral) or value < 0:
            raise ValueError(f"{name} must be a whole number >= 0, got {value!r}")
    if first + count > 2**32:
        raise ValueError(f"first + count must be at most 2**32, got {first + count}")
    if not isinstance(seed, numbers.Integral) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed must be a whole number from -2**63 to 2**63 - 1, got {seed!r}")
    if not (isinstance(temperature, numbers.Real) and 0 <= temperature < float("inf")):
        raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")


def normal(seed, first, count, latent_dim):
    """Standard normal epsilon of samples `first` … `first + count − 1`: `(count, latent_dim)`.

    Example:

    >>> bool((normal(7, 2, 3, 4) == normal(7, 0, 5, 4)[2:]).all())
    True
    """
    stream = np.random.default_rng(int(seed) % 2**64)
    for start in range(0, first, CHUNK):
        stream.standard_normal((min(CHUNK, first - start), latent_dim), dtype=np.float32)
    return stream.standard_normal((count, latent_dim), dtype=np.float32)
