"""What the latent dimensions are used for: active units, KL divergence, mutual information."""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae import noise
from keras_vae.distributions import DiagonalNormal
from keras_vae.models.arrays import sliceable

ACTIVE = 0.01
"""The variance of the posterior mean above which a dimension counts as active."""

AT_ONCE = 4_000_000
"""Densities log q(z_m|x_n) that are computed at once, at most, for the mutual information."""

NEGLIGIBLE = 0.05
"""Nats of KL divergence below which a dimension, active or not, tells next to nothing of x."""


class LatentUse(NamedTuple):
    """What each latent dimension is used for, over some data: arrays of `(latent_dim,)`."""

    kl: np.ndarray
    """The mean over data of KL(q(z_j|x) ‖ N(0, 1)), in nats: with a standard normal prior and a
    diagonal posterior their sum is the KL divergence of the bound."""
    variance: np.ndarray
    """The variance over data of the posterior mean E[z_j|x]."""
    groups: dict | None = None
    """Of a hierarchy: how many dimensions each group has, by name, in their order."""

    @property
    def active(self):
        """Which dimensions move with x: variance > 0.01, which alone is worth 0.005 nats."""
        return self.variance > ACTIVE

    @property
    def negligible(self):
        """Which dimensions tell next to nothing of x: KL < 0.05 nats. Some may be active."""
        return self.kl < NEGLIGIBLE

    @property
    def used(self):
        """Which dimensions are active; of a hierarchy, which groups tell something of x."""
        if self.groups is None:
            return self.active
        return np.array(list(self.kl_by_group.values())) >= NEGLIGIBLE

    @property
    def kl_by_group(self):
        """The KL divergence of each group of a hierarchy in nats, by name; else of each z_j."""
        if self.groups is None:
            return {f"z{j}": float(kl) for j, kl in enumerate(self.kl)}
        ends = np.cumsum(list(self.groups.values()))
        sums = (part.sum() for part in np.split(self.kl, ends[:-1]))
        return dict(zip(self.groups, map(float, sums), strict=True))

    @property
    def summary(self):
        """One sentence that reconciles the active units with the KL divergences.

        Example:

        >>> print(LatentUse(kl=np.array([2.0, 0.01]), variance=np.array([0.9, 0.02])).summary)
        2 of 2 (variance of the posterior mean > 0.01), of which 1 has a KL divergence < 0.05 nats
        """
        few = int((self.active & self.negligible).sum())
        return (
            f"{self.active.sum()} of {len(self.kl)} (variance of the posterior mean > {ACTIVE}), "
            f"of which {few} {'has' if few == 1 else 'have'} a KL divergence < {NEGLIGIBLE} nats"
        )

    def to_json(self):
        """The numbers as a dictionary, of a hierarchy with the KL divergence of each group."""
        columns = {"kl": self.kl.tolist(), "variance": self.variance.tolist()}
        return columns if self.groups is None else {**columns, "kl_by_group": self.kl_by_group}

    def __str__(self):
        if self.groups is not None:
            lines = [f"{name:<20}KL {kl:.4f} nats" for name, kl in self.kl_by_group.items()]
            return "\n".join(lines)
        lines = [
            f"{f'z[{j}]':<20}KL {self.kl[j]:.4f} nats, variance of the mean {self.variance[j]:.4f}"
            for j in np.argsort(-self.kl)
        ]
        return "\n".join(lines)


def latent_use(vae, x):
    """The KL divergence and the variance of the mean of each latent dimension: a `LatentUse`.

    Of a hierarchy both are those on the path where each group is the mean given those above.

    Raises:
        ValueError: `x` has another shape or holds values that are not finite.

    Example:

    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> int(latent_use(vae, np.zeros((3, 8, 8, 1))).active.sum())
    0

    Reference: Burda et al., Importance Weighted Autoencoders, 2016, section 5.1 (active units).
    """
    z_mean, z_log_var = encoded(vae, x)
    kl = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)
    with np.errstate(invalid="ignore"):  # of a model that diverged
        return LatentUse(kl.mean(axis=0), z_mean.var(axis=0), _sizes(vae))


def _sizes(vae):
    if not vae.levels.hierarchical:
        return None
    return {name: math.prod(shape) for name, shape in vae.groups.items()}


def mutual_information(vae, x, seed=0):
    """I(x; z) = E[log q(z|x) − log q(z)] in nats, with q(z) = (1/N) Σ q(z|x_n): at most log N.

    It is a part of the mean KL divergence; the rest is KL(q(z) ‖ p(z)), which no decoder can use.
    One z is drawn for each example, and q(z) is the mixture over all examples.

    Raises:
        ValueError: `x` has another shape or holds values that are not finite; the model is a
            hierarchy, where log q(z|x) is not known for a z that was drawn for another x.

    Example:

    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> abs(round(mutual_information(vae, np.zeros((3, 8, 8, 1))), 6))  # one x: nothing to tell
    0.0

    Reference: Hoffman & Johnson, ELBO Surgery, 2016, equations 7 and 8.
    """
    if vae.levels.hierarchical:
        raise ValueError("the mutual information is known for one level of latents alone")
    x = sliceable(x)
    z_mean, z_log_var = encoded(vae, x)
    epsilon = noise.draws(seed, np.arange(len(x)), 0, 1, vae.latent_dim)[0]
    if len(vae.encoder.outputs) > 2:
        return _with_correlations(vae, x, epsilon)
    z = DiagonalNormal(z_mean, z_log_var).transform(epsilon)
    z = ops.convert_to_numpy(z).astype("float64")
    squares = (z - z_mean) ** 2 * np.exp(-z_log_var)
    log_q = -0.5 * (squares + z_log_var).sum(axis=1)  # log q(z_n|x_n)
    log_mixture = [_log_mixture(part, z_mean, z_log_var) for part in _parts(z)]
    return float((log_q - np.concatenate(log_mixture)).mean())


def _parts(z):
    """z in parts, of each of which the densities given every example fit into memory."""
    rows = max(1, AT_ONCE // len(z))
    return [z[i : i + rows] for i in range(0, len(z), rows)]


def _with_correlations(vae, x, epsilon):
    """As `mutual_information`, for a `FullNormal`; see `_log_mixture` for the squares."""
    batches = [vae.posterior(x[i : i + 256]) for i in range(0, len(x), 256)]
    mean, scale = (
        np.concatenate([ops.convert_to_numpy(getattr(qz_x, name)) for qz_x in batches])
        for name in ("mean", "scale_tril")
    )
    mean, scale = mean.astype("float64"), scale.astype("float64")  # (N, D), (N, D, D)
    inverse = np.linalg.inv(scale)
    precision = inverse.transpose(0, 2, 1) @ inverse
    shift = (precision @ mean[..., None])[..., 0]
    log_det = 2 * np.log(np.diagonal(scale, axis1=1, axis2=2)).sum(axis=1)
    constant = (mean * shift).sum(axis=1) + log_det
    z = mean + (scale @ epsilon[..., None])[..., 0]
    log_mixture = []
    for part in _parts(z):
        squares = (part[:, :, None] * part[:, None]).reshape(len(part), -1)
        log_q = squares @ precision.reshape(len(mean), -1).T - 2 * part @ shift.T + constant
        log_mixture.append(np.logaddexp.reduce(-0.5 * log_q, axis=1) - np.log(len(mean)))
    log_q = -0.5 * ((epsilon.astype("float64") ** 2).sum(axis=1) + log_det)
    return float((log_q - np.concatenate(log_mixture)).mean())


def _log_mixture(z, z_mean, z_log_var):
    """log (1/N) Σ q(z|x_n), without the constant of the normal density: `(B,)`.

    (z − mean)² is multiplied out, so that all pairs of z and x_n are products of matrices.
    """
    precision = np.exp(-z_log_var)
    constant = (z_mean**2 * precision + z_log_var).sum(axis=1)
    log_q = -0.5 * (z**2 @ precision.T - 2 * z @ (z_mean * precision).T + constant)  # (B, N)
    return np.logaddexp.reduce(log_q, axis=1) - np.log(len(z_mean))


def encoded(vae, x):
    """`(z_mean, z_log_var)` in float64."""
    x = sliceable(x)
    if not len(x):
        raise ValueError("x must hold at least one example, got none")
    return (h.astype("float64") for h in vae.encode(x))
