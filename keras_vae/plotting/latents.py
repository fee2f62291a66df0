"""Ways through the latent space, and what is decoded there."""

from statistics import NormalDist

import numpy as np

LIVELIEST = 16
"""Dimensions that a traversal shows at most."""


def checked_start(vae, z, columns):
    """Where a traversal starts, `(latent_dim,)`; see `latent_traversal`."""
    start = np.zeros(vae.latent_dim, np.float32) if z is None else np.asarray(z, np.float32)
    if start.shape != (vae.latent_dim,):
        raise ValueError(f"z must have shape ({vae.latent_dim},), got {start.shape}")
    if columns < 2:
        raise ValueError(f"columns must be at least 2, got {columns}")
    return start


def liveliest(decode, start):
    """The dimensions, at most 16, by how far they move the decoded mean between -3 and 3."""
    ends = decode(moved(start, range(len(start)), np.array([-3, 3], np.float32)))
    ends = np.asarray(ends).reshape(len(start), 2, -1)
    change = np.abs(ends[:, 1] - ends[:, 0]).mean(axis=1)
    return np.argsort(-change, kind="stable")[:LIVELIEST]


def moved(start, dims, values):
    """`start` with each of `dims` set to each of `values`: (dims * values, latent_dim)."""
    z = np.tile(start, (len(dims), len(values), 1))
    for row, dim in enumerate(dims):
        z[row, :, dim] = values
    return z.reshape(-1, len(start))


def plane(vae, size):
    """Points of a plane of two latent dimensions, row by row from the top: (size², 2).

    Raises:
        ValueError: `latent_dim` is not 2, or `size` < 1.
    """
    if vae.latent_dim != 2:
        raise ValueError(
            f"latent_dim must be 2 for a manifold, got {vae.latent_dim}: see latent_traversal"
        )
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    quantiles = [NormalDist().inv_cdf((i + 0.5) / size) for i in range(size)]
    return np.array([(z0, z1) for z1 in reversed(quantiles) for z0 in quantiles], np.float32)
