"""All that is known of a model's worth on some data, as text and as JSON."""

import math
from typing import Any, NamedTuple

import numpy as np

from keras_vae.evaluation.bits import entries_of
from keras_vae.evaluation.estimate import bits_per_dimension, estimate, finite
from keras_vae.evaluation.importance import ImportanceEstimate
from keras_vae.evaluation.latent import LatentUse, latent_use, mutual_information
from keras_vae.evaluation.scores import Scores, scores
from keras_vae.models import VAE
from keras_vae.models.arrays import sliceable

LEFT_OUT = (
    "scorer.onnx gives neither the single weights (effective draws, Pareto k, convergence) nor "
    "the use of z: evaluate the run for them"
)


class Report(NamedTuple):
    """The numbers, and under which conditions they can be compared with others.

    A bundle gives the first four alone; the others are None, and the text says so.
    """

    protocol: dict
    """How they were made: `num_samples`, `seed`, `examples`, and what the caller says; of a bundle
    its `scorer` too."""
    elbo: np.ndarray
    """`(N,)`, in nats; of a bundle with the KL divergence in closed form where there is one."""
    log_likelihood: np.ndarray
    """`(N,)`, in nats."""
    bits: Any
    """Bits per dimension of each example, `(N,)`; None where x has a density or is not known."""
    importance: ImportanceEstimate | None = None
    latent: LatentUse | None = None
    mutual_information: float | None = None

    @property
    def estimates(self):
        """Means with their error bars, in nats, by name."""
        gap = self.log_likelihood - self.elbo
        values = {"elbo": self.elbo, "log_likelihood": self.log_likelihood, "gap": gap}
        return {name: estimate(value) for name, value in values.items()}

    @property
    def unreliable(self):
        """The share of examples whose Pareto k is above 0.7; NaN if no k is known."""
        return self._scores.unreliable

    @property
    def warnings(self):
        """Why the estimate is not to be believed, in words: a list."""
        return self._scores.warnings

    @property
    def _scores(self):
        return Scores(self.elbo, self.log_likelihood, self.importance)

    def to_json(self):
        """A dictionary that `json` can write; what is not a finite number is None."""
        values = {
            "protocol": self.protocol,
            **{name: value._asdict() for name, value in self.estimates.items()},
            "bits_per_dimension": None if self.bits is None else estimate(self.bits)._asdict(),
            "warnings": self.warnings,
        }
        if self.importance is not None:
            values["log_likelihood"]["monte_carlo_error"] = self.importance.mean_monte_carlo_error
            values |= self._of_a_run()
        return finite(values)

    def _of_a_run(self):
        """The numbers that need the model itself."""
        i = self.importance
        return {
            "active_units": int(self.latent.active.sum()),
            "kl_below_0.05": int(self.latent.negligible.sum()),
            "latent_dim": len(self.latent.kl),
            "mutual_information": self.mutual_information,
            "latent": self.latent.to_json(),
            "effective_sample_size": float(np.median(i.effective_sample_size)),
            "pareto_k_above_0.7": self.unreliable,
            "convergence": {str(k): float(v.mean()) for k, v in i.convergence.items()},
        }

    def __str__(self):
        elbo, log_likelihood, gap = self.estimates.values()
        lines = {
            "protocol": ", ".join(f"{name} {value}" for name, value in self.protocol.items()),
            "ELBO": f"{elbo} nats per example",
            "log_likelihood": f"{log_likelihood} nats per example{self._by_the_draws()}",
            "gap": f"{gap} nats, the estimate of KL(q(z|x) ‖ p(z|x))",
            "bits per dimension": self._bits(),
            **({"left out": LEFT_OUT} if self.importance is None else self._lines_of_a_run()),
        }
        text = [f"{name:<20}{value}" for name, value in lines.items()]
        text += [] if self.latent is None else [str(self.latent)]
        return "\n".join([*text, *(f"warning: {words}" for words in self.warnings)])

    def _lines_of_a_run(self):
        effective = np.median(self.importance.effective_sample_size)
        most = math.log(self.protocol["examples"])
        told = f"{self.mutual_information or 0:.2f} nats (at most log N = {most:.2f})"
        return {
            "active units": self.latent.summary,
            **({} if self.mutual_information is None else {"mutual information": told}),
            "effective draws": f"{effective:.4g} of {self.protocol['num_samples']} (median)",
            "Pareto k > 0.7": f"{self.unreliable:.1%} of the examples",
        }

    def _by_the_draws(self):
        if self.importance is None:
            return ""
        return f" (of it {self.importance.mean_monte_carlo_error:.2g} by the draws)"

    def _bits(self):
        if self.bits is None:
            return (
                "none: x has a density, whose nats depend on the unit of x, is a table, is scored "
                "given its total, or has a likelihood that is not of keras_vae"
            )
        found = estimate(self.bits)
        return f"{found.mean:.4f} ± {found.standard_error:.4f} bits"


def report(vae, x, num_samples=5000, seed=0, label=None, **protocol):
    """Everything about the model on the data `x`: a `Report`.

    A bundle is scored by its scorer.onnx. The log-likelihood is that of the model with the same
    seed. The ELBO agrees in expectation: for a model the KL divergence is estimated by the draws.

    Args:
        vae: a `keras_vae.VAE`, or an `export.runtime.OnnxVAE`.
        x: `(N, *input_shape)`.
        num_samples: draws of z for each example, K.
        seed: integer in [-2**63, 2**63).
        label: for a conditional model: the labels, `(N,)`.
        **protocol: what else tells two numbers apart, such as `data="mnist"`, `split="test"`.

    Raises:
        ValueError: there are no examples; `x` does not fit the model; an argument is out of range;
            the manifest of a bundle is damaged.

    Example:

    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> report(vae, np.zeros((3, 8, 8, 1)), num_samples=5, data="zeros").protocol
    {'data': 'zeros', 'num_samples': 5, 'seed': 0, 'examples': 3}
    """
    x = sliceable(x)
    protocol |= {"num_samples": num_samples, "seed": seed, "examples": len(x)}
    entries, use = entries_of(vae), ()
    elbo, log_likelihood, importance = scores(vae, x, num_samples, seed, label)
    if isinstance(vae, VAE):
        use = [latent_use(vae, x)]
        use += [] if vae.levels.hierarchical else [mutual_information(vae, x, seed)]
    else:
        protocol["scorer"] = vae.file("scorer")
    bits = entries and bits_per_dimension(log_likelihood, entries)
    return Report(protocol, elbo, log_likelihood, bits, importance, *use)
