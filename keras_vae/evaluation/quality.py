"""How like the data the samples of a model are: the numbers, as text and as JSON."""

from typing import NamedTuple

import numpy as np

from keras_vae.evaluation.comparison import columns
from keras_vae.evaluation.estimate import estimate, finite
from keras_vae.evaluation.paired import paired_difference

NAMES = {
    "frechet_distance": "Fréchet distance, %",
    "precision": "precision",
    "recall": "recall",
    "told_apart": "told apart",
}
TOLD = 0.55
"""The accuracy on the floor from which, with what chance adds, the data are to blame."""


class SampleQuality(NamedTuple):
    """How like test examples the samples of a model are, and as many training examples: the floor.

    `str` gives a table. Each of the measures is an array `(seeds,)`:

    - `frechet_distance` of the features, in per cent of the variance of those of the test examples;
    - `precision`: the share of samples that lie among test examples;
    - `recall`: the share of test examples that lie among samples;
    - `told_apart`: the accuracy of a network that tells samples from test examples; 0.5 is best.

    The floor is what a model would get that draws from the distribution of the training data, with
    the bias that so few examples leave. What a model has beyond it is its `excess`.
    """

    protocol: dict
    """How the numbers were made: what was compared, by which features, how many, and the seeds."""
    model: dict
    """The measures of the samples, by name: `(seeds,)` each."""
    floor: dict
    """The same of training examples on which no feature was learned."""

    @property
    def estimates(self):
        """The mean over the seeds of each measure, with its standard error, by name."""
        return {name: estimate(values) for name, values in self.model.items()}

    @property
    def floors(self):
        """The same of the floor."""
        return {name: estimate(values) for name, values in self.floor.items()}

    @property
    def excess(self):
        """The measures minus the floor, seed by seed: an `Estimate` each."""
        return {name: paired_difference(self.model[name], self.floor[name]) for name in NAMES}

    @property
    def warnings(self):
        """Why the numbers are not to be believed, in words: a list."""
        floor, count = self.floors["told_apart"].mean, self.protocol["num_samples"]
        chance = 0.5 / np.sqrt(count)  # of one seed; others have the same test examples
        if floor < TOLD + 4 * chance:
            return []
        return [f"training examples are told from test examples too: accuracy {floor:.3f}"]

    def to_json(self):
        """A dictionary that `json` can write; what is not a finite number is None."""
        parts = {"model": self.estimates, "floor": self.floors, "excess": self.excess}
        told = {part: {n: e._asdict() for n, e in found.items()} for part, found in parts.items()}
        return finite({"protocol": self.protocol, **told, "warnings": self.warnings})

    def __str__(self):
        rows = [["", "samples", "floor", "excess"]]
        for name, title in NAMES.items():
            parts = (self.estimates, self.floors, self.excess)
            rows.append([title, *(shown(part[name]) for part in parts)])
        protocol = ", ".join(f"{name} {value}" for name, value in self.protocol.items())
        lines = [protocol, "", *columns(rows)]
        return "\n".join([*lines, *(f"warning: {words}" for words in self.warnings)])


def shown(found):
    """An `Estimate` with three decimals."""
    error = "" if np.isnan(found.standard_error) else f" ± {found.standard_error:.3f}"
    return f"{found.mean:.3f}{error}"
