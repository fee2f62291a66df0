"""What samples are measured against: test examples, and training examples for the floor."""

import numpy as np

from keras_vae import conditions
from keras_vae.defaults import kind_of
from keras_vae.evaluation.features import Labelled, Principal, told_apart
from keras_vae.evaluation.quality import NAMES, SampleQuality
from keras_vae.evaluation.two_samples import frechet_distance, precision_recall
from keras_vae.models.arrays import checked_finite

LEAST = 50
"""Examples on either side: fewer say nothing."""


class SampleReference:
    """Real examples that the samples of one or more models are measured against.

    Of each seed training examples are drawn, as many as test examples, for the floor; a network
    learns its features on the others; and the model draws other samples. So the errors hold all
    of this, and the choice of test examples only where `num_samples` leaves some out.

    Args:
        x: training examples, `(N, *shape)`.
        x_test: test examples, `(M, *shape)`.
        y: the labels of x, whole numbers `(N,)`, that the features are learned on. Without, they
            are principal components; of more than 1024 numbers those of a random projection.
        num_samples: samples, training and test examples that are compared, at most: no more than
            M, and N / 2.
        seeds: how often all is repeated.
        seed: of the first, 0 or more; the others follow it.

    Raises:
        ValueError: x and x_test differ in shape, or are fewer than 100 and 50; values are not
            finite; y does not hold a label for each of x, or holds one kind alone.
    """

    def __init__(self, x, x_test, y=None, num_samples=10_000, seeds=3, seed=0):
        self.shape = tuple(np.shape(x)[1:])
        self.x = checked_finite("x", x, self.shape)
        self.x_test = checked_finite("x_test", x_test, self.shape)
        self.count = min(num_samples, len(self.x_test), len(self.x) // 2)
        self.seeds, self.seed = seeds, seed
        self.y = None if y is None else checked_labels(y, len(self.x))
        self.kind = kind_of(self.x_test[: self.count])
        if self.count < LEAST:
            raise ValueError(
                f"num_samples and x_test must be at least {LEAST}, and x at least {2 * LEAST} to "
                f"say anything, got {num_samples}, {len(self.x_test)} and {len(self.x)}"
            )
        if seeds < 1 or seed < 0:
            raise ValueError(f"seeds must be at least 1 and seed 0, got {seeds} and {seed}")
        self._trials = {}

    def quality(self, vae, mean=True, **protocol):
        """The `SampleQuality` of a model; for `vae` and `mean` see `sample_quality`."""
        model, floor, trials = [], [], []
        for seed in range(self.seed, self.seed + self.seeds):
            made = self.samples(vae, seed, mean)
            trial = self._trials.get(seed) or self._trials.setdefault(seed, Trial(self, seed))
            trials.append(trial)
            model.append(trial.measured(made))
            floor.append(trial.floor)
        protocol |= {
            "samples": "means of p(x|z)" if mean else "draws of p(x|z)",
            "features": trials[0].told,
            "num_samples": self.count,
            "seeds": self.seeds,
            "seed": self.seed,
        }
        return SampleQuality(protocol, by_name(model), by_name(floor))

    def rows(self, seed):
        """Rows of x for the floor, the others, that features are learned on, and rows of x_test."""
        order, test = (
            np.random.default_rng([seed, i]).permutation(len(x))
            for i, x in enumerate((self.x, self.x_test))
        )
        return order[: self.count], order[self.count :], test[: self.count]

    def samples(self, vae, seed, mean=True):
        """What a model draws, `(count, *shape)`, if it can be compared with x_test."""
        made = drawn(vae, self.count, seed, mean, self._labels(vae, seed))
        if made.shape[1:] != self.shape:
            raise ValueError(f"samples must have the shape {self.shape} of x, got {made.shape[1:]}")
        if not np.isfinite(made).all():
            raise ValueError("samples must be finite, and the model draws NaN or infinite values")
        if self.kind == "levels":  # as a picture holds them
            made = np.rint(np.clip(made, 0, 1) * 255) / np.float32(255)
        check_comparable(kind_of(made) == "binary", self.kind == "binary", mean)
        return made

    def _labels(self, vae, seed):
        """What a conditional model is to draw: labels as the training data have them; or None."""
        covariates = getattr(vae, "covariates", None)
        if not covariates:
            return None
        if self.y is None or not conditions.is_label(covariates):
            raise ValueError(
                "a conditional model draws by the labels of x: give y, (N,); one that is given "
                "more than a label cannot be judged so"
            )
        return self.y[self.rows(seed)[0]]


class Trial:
    """What one seed decides: which real examples are compared, by which features, and the floor."""

    def __init__(self, reference, seed):
        self.seed, (held, others, test) = seed, reference.rows(seed)
        unit = standardizer(reference.x[np.sort(held)])
        self.ready = lambda x: unit(np.asarray(x, "float32"))
        floor = self.ready(reference.x[held])
        self.real = self.ready(reference.x_test[test])
        if reference.y is None:
            self.features = Principal(self.ready(reference.x[others[: len(held)]]), seed)
            self.told = "principal components"
        else:
            batch, y = (lambda rows: self.ready(reference.x[others[rows]])), reference.y
            self.features = Labelled(batch, y[others], seed)
            right = self.features.accuracy(floor, y[held])
            self.told = f"of a network that tells {right:.1%} of new labels"
        self.of_real = self.features(self.real)
        self.variance = self.of_real.var(axis=0).sum()
        if (self.real == self.real[0]).all():
            raise ValueError("x_test must hold examples that differ, got the same again and again")
        self.floor = self._measured(floor)

    def measured(self, made):
        """The measures of samples, by name."""
        return self._measured(self.ready(made))

    def _measured(self, x):
        h = self.features(x)
        precision, recall = precision_recall(self.of_real, h)
        return {
            "frechet_distance": 100 * frechet_distance(self.of_real, h) / self.variance,
            "precision": precision,
            "recall": recall,
            "told_apart": told_apart(self.real, x, self.seed),
        }


def sample_quality(
    vae, x, x_test, y=None, num_samples=10_000, seeds=3, seed=0, mean=True, **protocol
):
    """Whether samples of a model look like the data: a `SampleQuality`.

    As many samples, test examples and training examples are compared: samples with test examples,
    and for the floor training examples with test examples. By default samples are means of p(x|z),
    as pictures of a VAE are shown, and x holds grey levels, whatever binary images the training
    drew of them; with `mean=False` they are draws of p(x|z), and x holds what can be drawn, such
    as binary images. Where x holds levels of 8 bits from 0 to 1, samples are rounded to these.

    For several models on the same data make one `SampleReference`, whose features are learned once.

    Args:
        vae: a `keras_vae.VAE`, an `export.runtime.OnnxVAE`, or anything that has `sample(count,
            seed=..., mean=...)`. A conditional one draws the labels that x has.
        x, x_test, y, num_samples, seeds, seed: see `SampleReference`.
        mean: whether means of p(x|z) are compared, or draws.
        **protocol: what else tells two numbers apart, such as `data="mnist"`.

    Raises:
        ValueError: as `SampleReference`; samples are not finite, or of another shape; one of
            samples and x_test is binary and the other is not.

    Example:

    >>> from keras_vae import VAE
    >>> x = np.random.default_rng(0).normal(size=(300, 4))
    >>> vae = VAE.from_architecture("mlp", (4,), 2, "normal", seed=0)
    >>> found = sample_quality(vae, x[:200], x[200:], seeds=1)
    >>> found.estimates["frechet_distance"].mean > found.floors["frechet_distance"].mean
    True
    """
    return SampleReference(x, x_test, y, num_samples, seeds, seed).quality(vae, mean, **protocol)


def drawn(vae, count, seed, mean, labels=None):
    """`count` samples of a model; with `labels`, `(count,)`, those of each label by themselves."""
    if labels is None:
        return np.asarray(vae.sample(count, seed=seed, mean=mean))
    kinds, counts = np.unique(labels, return_counts=True)
    starts = np.cumsum(counts) - counts
    parts = [
        vae.sample(int(n), seed=seed, first=int(first), label=int(label), mean=mean)
        for label, n, first in zip(kinds, counts, starts, strict=True)
    ]
    return np.concatenate(parts)


def standardizer(x):
    """What brings examples to mean 0 and variance 1, each column of vectors, each colour of images.

    Example:

    >>> standardizer(np.array([[1.0, 5.0], [3.0, 5.0]]))(np.array([[3.0, 6.0]]))
    array([[1., 1.]], dtype=float32)
    """
    axes = tuple(range(x.ndim - 1))
    mean, deviation = x.mean(axes, dtype="float64"), x.std(axes, dtype="float64")
    mean, deviation = np.float32(mean), np.float32(np.where(deviation > 0, deviation, 1))
    return lambda x: np.float32((x - mean) / deviation)


def checked_labels(y, count):
    """`y` as whole numbers from 0, `(count,)`, or a `ValueError`."""
    y = np.asarray(y)
    if y.shape != (count,) or y.dtype.kind not in "iub":
        raise ValueError(
            f"y must hold a whole number for each of the {count} examples of x, got {y.dtype} of "
            f"shape {y.shape}: leave y out, and features are principal components"
        )
    if len(np.unique(y)) < 2 or y.min() < 0:
        raise ValueError("y must hold two labels or more, from 0: leave y out if it does not")
    return y


def check_comparable(made_binary, real_binary, mean):
    """Raises `ValueError` where all that is binary would tell samples from the data."""
    if real_binary and mean and not made_binary:
        raise ValueError(
            "x_test is 0 and 1 alone, and means of p(x|z) are not: compare draws, mean=False, or "
            "give grey x and x_test"
        )
    if made_binary and not mean and not real_binary:
        raise ValueError(
            "draws of p(x|z) are 0 and 1 alone, and x_test is not: compare means, mean=True, or "
            "give x and x_test as keras_vae.datasets.binarize makes them"
        )


def by_name(trials):
    """Measures of each trial as an array of each measure."""
    return {name: np.array([trial[name] for trial in trials]) for name in NAMES}
