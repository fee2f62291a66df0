"""All that is known of a model's worth on some data, as text and as JSON."""

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_vae.evaluation.estimate import bits_per_dimension, estimate
from keras_vae.evaluation.importance import ImportanceEstimate, importance_sample
from keras_vae.evaluation.latent import LatentUse, latent_use, mutual_information
from keras_vae.evaluation.pareto import UNRELIABLE

SUSPECT = 0.1  # share of examples with too large a Pareto k


class Report(NamedTuple):
    """The numbers, and under which conditions they can be compared with others."""

    protocol: dict
    """How they were made: `num_samples`, `seed`, `examples`, and what the caller says."""
    importance: ImportanceEstimate
    latent: LatentUse
    mutual_information: float
    bits: Any
    """Bits per dimension of each example, `(N,)`; None where x has a density."""

    @property
    def unreliable(self):
        """The share of examples whose Pareto k is above 0.7; NaN where K < 21 has no k."""
        k = self.importance.pareto_k
        return math.nan if np.isnan(k).all() else float((k > UNRELIABLE).mean())

    @property
    def warnings(self):
        """Why the estimate is not to be believed, in words: a list."""
        found, K = [], self.protocol["num_samples"]
        if not np.isfinite(self.importance.log_likelihood).all():
            found.append("some log-likelihoods are not finite: training has diverged")
        if math.isnan(self.unreliable):
            found.append(f"{K} draws cannot tell whether they are enough: take at least 21")
        if self.unreliable > SUSPECT:
            found.append(
                f"{self.unreliable:.0%} of the examples have a Pareto k above {UNRELIABLE}: a few "
                "draws decide the estimate. Read log_likelihood as a lower bound that more draws "
                f"would raise (--num-samples {10 * K})"
            )
        return found

    def to_json(self):
        """A dictionary that `json` can write; what is not a finite number is None."""
        i, error = self.importance, monte_carlo_error(self.importance)
        values = {"elbo": i.elbo, "log_likelihood": i.log_likelihood, "gap": i.gap}
        numbers = {name: estimate(value)._asdict() for name, value in values.items()}
        numbers["log_likelihood"]["monte_carlo_error"] = error
        return finite(
            {
                "protocol": self.protocol,
                **numbers,
                "bits_per_dimension": None if self.bits is None else estimate(self.bits)._asdict(),
                "active_units": int(self.latent.active.sum()),
                "latent_dim": len(self.latent.kl),
                "mutual_information": self.mutual_information,
                "latent": {name: list(map(float, h)) for name, h in self.latent._asdict().items()},
                "effective_sample_size": float(np.median(i.effective_sample_size)),
                "pareto_k_above_0.7": self.unreliable,
                "convergence": {str(k): float(v.mean()) for k, v in i.convergence.items()},
                "warnings": self.warnings,
            }
        )

    def __str__(self):
        i, K = self.importance, self.protocol["num_samples"]
        lines = {
            "protocol": ", ".join(f"{name} {value}" for name, value in self.protocol.items()),
            "ELBO": f"{estimate(i.elbo)} nats per example",
            "log_likelihood": f"{estimate(i.log_likelihood)} nats per example"
            f" (of it {monte_carlo_error(i):.2g} by the draws)",
            "gap": f"{estimate(i.gap)} nats, the estimate of KL(q(z|x) ‖ p(z|x))",
            "bits per dimension": self._bits(),
            "active units": f"{self.latent.active.sum()} of {len(self.latent.kl)}",
            "mutual information": f"{self.mutual_information:.2f} nats (at most log N = "
            f"{math.log(self.protocol['examples']):.2f})",
            "effective draws": f"{np.median(i.effective_sample_size):.4g} of {K} (median)",
            "Pareto k > 0.7": f"{self.unreliable:.1%} of the examples",
        }
        text = [f"{name:<20}{value}" for name, value in lines.items()]
        return "\n".join(
            [*text, str(self.latent), *(f"warning: {words}" for words in self.warnings)]
        )

    def _bits(self):
        if self.bits is None:
            return "none: x has a density, whose nats depend on the unit of x"
        bits = estimate(self.bits)
        return f"{bits.mean:.4f} ± {bits.standard_error:.4f} bits"


def report(vae, x, num_samples=5000, seed=0, label=None, **protocol):
    """Everything about the model on the data `x`: a `Report`.

    Args:
        vae: a `keras_vae.VAE`.
        x: `(N, *input_shape)`.
        num_samples: draws of z for each example, K.
        seed: integer in [-2**63, 2**63).
        label: for a conditional model: the labels, `(N,)`.
        **protocol: what else tells two numbers apart, such as `data="mnist"`, `split="test"`.

    Raises:
        ValueError: there are no examples; `x` does not fit the model; an argument is out of range.

    Example:

    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> report(vae, np.zeros((3, 8, 8, 1)), num_samples=5, data="zeros").protocol
    {'data': 'zeros', 'num_samples': 5, 'seed': 0, 'examples': 3}
    """
    importance = importance_sample(vae, x, num_samples, seed, label=label)
    entries = discrete_entries(vae.likelihood, vae.input_shape)
    bits = entries and bits_per_dimension(importance.log_likelihood, entries)
    return Report(
        {**protocol, "num_samples": num_samples, "seed": seed, "examples": len(x)},
        importance,
        latent_use(vae, x),
        mutual_information(vae, x, seed),
        bits,
    )


def discrete_entries(likelihood, shape):
    """How many discrete numbers an example of `shape` holds; None if it has a density.

    Numbers between the levels of discrete data have no probability. A one-hot vector is one
    number, known by this: zeros alone are none.

    Example:

    >>> from keras_vae.distributions import Bernoulli, Normal
    >>> discrete_entries(Bernoulli(), (28, 28, 1)), discrete_entries(Normal(), (28, 28, 1))
    (784, None)
    """

    def possible(value):
        x = np.full((1, *shape), value, "float32")
        return ops.convert_to_numpy(likelihood.in_support(x)).all()

    if possible(1 / math.pi):
        return None
    return math.prod(shape if possible(0) else shape[:-1])


def monte_carlo_error(importance):
    """The standard error that the draws, not the examples, give to the mean log-likelihood."""
    error = importance.monte_carlo_error
    return float(np.sqrt((error**2).sum()) / len(error))


def finite(value):
    """`value` with None for each number in it that is not finite.

    Example:

    >>> finite({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
