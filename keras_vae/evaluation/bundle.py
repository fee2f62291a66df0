"""What the scorer.onnx of a bundle says of the model's worth, as text and as JSON."""

from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from keras_vae.distributions.likelihoods import LIKELIHOODS
from keras_vae.evaluation.estimate import bits_per_dimension, estimate
from keras_vae.evaluation.report import discrete_entries, finite

LEFT_OUT = (
    "scorer.onnx gives neither the single weights (effective draws, Pareto k, convergence) nor "
    "the use of z: evaluate the run for them"
)


class BundleReport(NamedTuple):
    """The numbers of a `Report` that scorer.onnx gives, and under which conditions."""

    protocol: dict
    """How they were made: `scorer`, `num_samples`, `seed`, `examples`, and what the caller says."""
    elbo: np.ndarray
    """`(N,)`, in nats; the KL divergence in closed form where there is one."""
    log_likelihood: np.ndarray
    """`(N,)`, in nats."""
    bits: Any
    """Bits per dimension of each example, `(N,)`; None where x has a density or is not known."""

    @property
    def estimates(self):
        """Means with their error bars, in nats, by name."""
        gap = self.log_likelihood - self.elbo
        values = {"elbo": self.elbo, "log_likelihood": self.log_likelihood, "gap": gap}
        return {name: estimate(value) for name, value in values.items()}

    def to_json(self):
        """A dictionary that `json` can write; what is not a finite number is None."""
        numbers = {name: value._asdict() for name, value in self.estimates.items()}
        bits = None if self.bits is None else estimate(self.bits)._asdict()
        return finite({"protocol": self.protocol, **numbers, "bits_per_dimension": bits})

    def __str__(self):
        elbo, log_likelihood, gap = self.estimates.values()
        lines = {
            "protocol": ", ".join(f"{name} {value}" for name, value in self.protocol.items()),
            "ELBO": f"{elbo} nats per example",
            "log_likelihood": f"{log_likelihood} nats per example",
            "gap": f"{gap} nats, the estimate of KL(q(z|x) ‖ p(z|x))",
            "bits per dimension": self._bits(),
            "left out": LEFT_OUT,
        }
        return "\n".join(f"{name:<20}{value}" for name, value in lines.items())

    def _bits(self):
        if self.bits is None:
            return "none: x has a density, or a likelihood that is not of keras_vae"
        bits = estimate(self.bits)
        return f"{bits.mean:.4f} ± {bits.standard_error:.4f} bits"


def bundle_report(vae, x, num_samples=5000, seed=0, label=None, **protocol):
    """As `report`, of a bundle: a `BundleReport`.

    The log-likelihood is that of `report` with the same seed; the ELBO agrees in expectation,
    since `report` estimates the KL divergence from the draws.

    Args:
        vae: an `export.runtime.OnnxVAE`.
        x: `(N, *input_shape)`.
        num_samples: draws of z for each example, K.
        seed: integer in [-2**63, 2**63).
        label: for a conditional model: the labels, `(N,)`.
        **protocol: what else tells two numbers apart, such as `data="mnist"`, `split="test"`.

    Raises:
        ValueError: there are no examples; `x` does not fit the model; an argument is out of
            range; the manifest is damaged.

    Example:

    >>> import keras_vae, tempfile
    >>> folder = tempfile.mkdtemp() + "/bundle"
    >>> keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2).export(folder)
    >>> from export.runtime import OnnxVAE
    >>> bundle_report(OnnxVAE(folder), np.zeros((3, 4, 4, 1)), num_samples=5).protocol
    {'scorer': 'scorer.onnx', 'num_samples': 5, 'seed': 0, 'examples': 3}
    """
    if not len(x):
        raise ValueError("x holds no examples: expected at least one")
    likelihood = manifest_likelihood(vae.manifest)
    entries = likelihood and discrete_entries(likelihood, vae.input_shape)
    elbo, log_likelihood = scores(vae, x, num_samples, seed, label)
    return BundleReport(
        {
            **protocol,
            "scorer": vae.file("scorer"),
            "num_samples": num_samples,
            "seed": seed,
            "examples": len(x),
        },
        elbo,
        log_likelihood,
        entries and bits_per_dimension(log_likelihood, entries),
    )


def scores(vae, x, num_samples, seed, label):
    """`elbo` and `log_likelihood`, `(N,)` each, with a progress bar on a terminal."""
    size, found = 8 * vae.chunk, []
    with tqdm(total=len(x), unit=" examples", disable=None) as bar:
        for first in range(0, len(x), size):
            rows = slice(first, first + size)
            given = None if label is None else label[rows]
            score = vae.score(x[rows], num_samples, seed, first, given)
            found.append([score["elbo"], score["log_likelihood"]])
            bar.update(len(x[rows]))
    return np.concatenate(found, axis=1).astype("float64")


def manifest_likelihood(manifest):
    """The likelihood that a bundle's manifest describes; None if it is a class of the user's own.

    Raises:
        ValueError: the manifest does not describe one.

    Example:

    >>> levels = {"class_name": "DiscretizedLogistic", "config": {"levels": 16}}
    >>> manifest_likelihood({"likelihood": levels}).levels
    16
    """
    try:
        described = manifest["likelihood"]
        kind = {k.__name__: k for k in LIKELIHOODS.values()}.get(described["class_name"])
        return kind and kind.from_config(described["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the manifest was cut short or changed: it does not describe a likelihood ({error})"
        ) from error
