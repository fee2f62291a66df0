"""A density between N(0, I) and a prior, by which a learned prior is let go little by little."""

from typing import Any, NamedTuple

from keras import ops

from keras_vae.distributions.diagonal_normal import standard_normal


class Interpolated(NamedTuple):
    """log p_w(z) = w log p(z) + (1 − w) log N(z; 0, I), a geometric path from N(0, I) to p.

    The mass of p_w is 1 at both ends and less between them (by Hölder's inequality), so log p_w is
    less than the logarithm of a density, and what is a lower bound on log p(x) stays one.

    Args:
        prior: p(z), a `Prior`.
        weight: w, from 0 to 1.

    Reference: Neal, Annealed Importance Sampling, 2001, equation 3, whose path it is.
    """

    prior: Any
    weight: Any

    def log_prob(self, z):
        """log p_w(z) in nats: `(..., latent_dim)` → `(...)`."""
        return self._between(self.prior.log_prob(z), standard_normal(z).log_prob(z))

    def kl_terms(self, qz_x, z):
        """One term, E_q[log q(z|x) − log p_w(z)] in nats: `(B, 1)`.

        It is w KL(q ‖ p) + (1 − w) KL(q ‖ N(0, I)); the latter is in closed form.
        """
        normal = qz_x.kl_divergence(standard_normal(qz_x.mean))
        return self._between(self.prior.kl_divergence(qz_x, z), normal)[..., None]

    def _between(self, own, normal):
        weight = ops.cast(self.weight, normal.dtype)
        return weight * own + (1 - weight) * normal
