"""Which of several models explains the same examples better: paired differences."""

from typing import NamedTuple

from keras_vae import conditions
from keras_vae.distributions.sized import SizedCounts
from keras_vae.evaluation.bits import columns_of, entries_of, likelihood_of
from keras_vae.evaluation.estimate import estimate, finite
from keras_vae.evaluation.paired import paired_difference, signed, verdict
from keras_vae.evaluation.scores import scores
from keras_vae.models.arrays import sliceable

ROUNDING = 1e-5
"""What float32 leaves of a score, in parts of it: the gate lets a bundle differ by so much."""


class Comparison(NamedTuple):
    """What some models are worth on the same examples, and by how much they differ from the first.

    `str` gives a table.
    """

    protocol: dict
    """How the numbers were made: `num_samples`, `seed`, `examples`, and what the caller says."""
    names: list
    """What the models are called; the first is the one that the others are compared with."""
    scores: list
    """The `Scores` of each."""

    def differences(self, name):
        """For each model the `Estimate` of how much more it has of `name` than the first has.

        Args:
            name: `"elbo"` or `"log_likelihood"`.
        """
        values = [getattr(found, name) for found in self.scores]
        return [paired_difference(value, values[0]) for value in values]

    @property
    def verdicts(self):
        """For each model, in words, whether its log p(x) differs from that of the first."""
        size = abs(estimate(self.scores[0].log_likelihood).mean)
        return [verdict(found, ROUNDING * size) for found in self.differences("log_likelihood")]

    @property
    def warnings(self):
        """Why the numbers are not to be believed, in words: a list."""
        found = zip(self.names, self.scores, strict=True)
        return [f"{name}: {words}" for name, scored in found for words in scored.warnings]

    def to_json(self):
        """A dictionary that `json` can write; what is not a finite number is None."""
        kinds = ("elbo", "log_likelihood")
        differences = {kind: self.differences(kind) for kind in kinds}
        models = [
            {
                "model": name,
                **{kind: estimate(getattr(self.scores[i], kind))._asdict() for kind in kinds},
                "difference": {kind: differences[kind][i]._asdict() for kind in kinds},
                "verdict": self.verdicts[i],
            }
            for i, name in enumerate(self.names)
        ]
        return finite({"protocol": self.protocol, "models": models, "warnings": self.warnings})

    def __str__(self):
        protocol = ", ".join(f"{name} {value}" for name, value in self.protocol.items())
        rows = [["", "ELBO", "log p(x)"]]
        for name, found in zip(self.names, self.scores, strict=True):
            rows.append([name, str(estimate(found.elbo)), str(estimate(found.log_likelihood))])
        others = [[f"minus {self.names[0]}, in pairs", "ELBO", "log p(x)", ""]]
        differences = [map(signed, self.differences(k)) for k in ("elbo", "log_likelihood")]
        others += list(map(list, zip(self.names, *differences, self.verdicts, strict=True)))[1:]
        lines = [f"nats per example: {protocol}", "", *columns(rows), "", *columns(others)]
        return "\n".join([*lines, *(f"warning: {words}" for words in self.warnings)])


def compare(models, x, num_samples=100, seed=0, label=None, **protocol):
    """Scores models on the same examples, with the same draws: a `Comparison`.

    The numbers are those of `report` for the same arguments. For models that have much in common,
    the error of a difference is far smaller than the two errors by themselves would let expect.

    Args:
        models: `{name: model}`, or pairs of them: two or more, each a `keras_vae.VAE` or an
            `export.runtime.OnnxVAE`.
        x: `(N, *input_shape)`.
        num_samples: draws of z for each example, K.
        seed: integer in [-2**63, 2**63).
        label: for conditional models: the labels, `(N,)`.
        **protocol: what else tells two numbers apart, such as `data="mnist"`, `split="test"`.

    Raises:
        ValueError: there are fewer than two models, or their numbers cannot be compared; otherwise
            as `report`.

    Example:

    >>> import numpy as np
    >>> from keras_vae import VAE
    >>> vae = VAE.from_architecture("mlp", (8, 8, 1), 2, "normal", seed=0)
    >>> found = compare({"a": vae, "b": vae}, np.zeros((3, 8, 8, 1)), num_samples=30)
    >>> found.verdicts
    ['the same', 'the same']
    """
    pairs = list(models.items() if isinstance(models, dict) else models)
    check_comparable(pairs)
    x = sliceable(x)
    protocol |= {"num_samples": num_samples, "seed": seed, "examples": len(x)}
    scored = [scores(vae, x, num_samples, seed, label) for _, vae in pairs]
    return Comparison(protocol, [name for name, _ in pairs], scored)


def check_comparable(pairs):
    """Raises `ValueError` if the nats of models, `(name, model)` each, cannot be compared."""
    if len(pairs) < 2:
        raise ValueError(f"there must be two models or more to compare, got {len(pairs)}")
    told = {
        "are of x of different shapes": lambda vae: tuple(vae.input_shape),
        "have nats that cannot be compared": measure,
    }
    for what, tell in told.items():
        (first, *others) = [(name, tell(vae)) for name, vae in pairs]
        for name, answer in others:
            if answer != first[1]:
                raise ValueError(f"the models {what}: {first[0]} {first[1]}, {name} {answer}")


def measure(vae):
    """What the log-likelihood of a model is the logarithm of, in words.

    Example:

    >>> import keras_vae
    >>> measure(keras_vae.VAE.from_architecture("mlp", (4, 4, 1), 2, "normal"))
    'has a density p(x)'
    """
    likelihood = likelihood_of(vae)
    if columns_of(vae) is not None:
        kind = "a probability of the rows of a table,"
    elif likelihood is None:
        kind = f"a {vae.manifest['likelihood']['class_name']}, which is not of keras_vae,"
    elif isinstance(likelihood, SizedCounts):
        kind = "a probability of counts, given their total,"
    else:
        kind = "a density" if entries_of(vae) is None else "a probability of discrete x,"
    return f"has {kind} p(x{given(vae)})"


def given(vae):
    """What a conditional model is given, in words."""
    if not vae.covariates:
        return ""
    one = conditions.is_label(vae.covariates)
    return "|label" if one else f"|{', '.join(c['name'] for c in vae.covariates)}"


def columns(rows):
    """Rows of texts as lines, each column as wide as its widest text.

    Example:

    >>> print(*columns([["", "ELBO"], ["runs/a", "-9.50 ± 0.10"]]), sep=";")
            ELBO;runs/a  -9.50 ± 0.10
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)) for row in rows]
    return [line.rstrip() for line in lines]
