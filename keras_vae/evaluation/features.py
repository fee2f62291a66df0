"""What examples are compared by: features of a small network, or principal components."""

import itertools
import math

import keras
import numpy as np
from keras import layers

from keras_vae import architectures
from keras_vae.architectures.heads import Seeded
from keras_vae.models.packed import order

FEATURES = 64
"""How many, if there are so many numbers in an example."""
PROJECTED = 1024
"""Numbers of an example that principal components are found of, at most."""
BATCH, STEPS, TELLING_STEPS = 128, 800, 400
"""Of the training of a network: examples in a step, steps on labels, and to tell two sets apart."""


class Labelled:
    """Features of a small network that was trained to tell the labels: `(N, *shape)` → `(N, 64)`.

    The network is the encoder of `conv`, of anything but images that of `mlp`, and on its z_mean,
    which are the features, a layer for the labels.

    Args:
        batch: a function of rows, whole numbers `(B,)`, that gives examples `(B, *shape)`.
        y: the labels of all rows, whole numbers from 0, `(N,)`.
        seed: of its weights and of the order of the rows.

    Example:

    >>> x = np.repeat([[1.0, 0.0], [0.0, 1.0]], 10, axis=0)
    >>> Labelled(x.__getitem__, np.repeat([0, 1], 10), seed=0, steps=5)(x).shape
    (20, 64)
    """

    def __init__(self, batch, y, seed, steps=STEPS):
        self.network = network(batch(np.arange(1)).shape[1:], int(y.max()) + 1, seed)
        z_mean = self.network.get_layer("z_mean").output
        self.features = keras.Model(self.network.inputs[0], z_mean)
        for rows in itertools.islice(batches(len(y), seed), steps):
            self.network.train_on_batch(batch(rows), y[rows])

    def __call__(self, x):
        return outputs(self.features, x)

    def accuracy(self, x, y):
        """The share of examples whose label the network tells."""
        return float((outputs(self.network, x).argmax(axis=1) == y).mean())


def network(shape, labels, seed):
    """A classifier, compiled: `(B, *shape)` → logits, `(B, labels)`."""
    make = architectures.get("conv" if len(shape) == 3 else "mlp")
    encoder, _ = make(shape, FEATURES, seed=seed)
    logits = Seeded(seed)(layers.Dense, labels)(layers.ReLU()(encoder.outputs[0]))
    model = keras.Model(encoder.inputs[0], logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


class Principal:
    """Coordinates in the directions in which examples vary most: `(N, *shape)` → `(N, D)`, D ≤ 64.

    Examples of more than 1024 numbers are first projected on so many directions drawn at random.

    Args:
        x: examples, `(N, *shape)`.
        seed: of these directions.

    Example:

    >>> Principal(np.eye(5), seed=0)(np.ones((3, 5))).shape
    (3, 5)
    """

    def __init__(self, x, seed):
        entries = math.prod(x.shape[1:])
        self.projection = None
        if entries > PROJECTED:
            directions = np.random.default_rng(seed).standard_normal(
                (entries, PROJECTED), "float32"
            )
            self.projection = directions / np.float32(math.sqrt(PROJECTED))
        covariance = np.atleast_2d(np.cov(self._projected(x), rowvar=False))
        values, vectors = np.linalg.eigh(covariance)
        self.directions = vectors[:, np.argsort(-values)[:FEATURES]]

    def __call__(self, x):
        return self._projected(x) @ self.directions

    def _projected(self, x):
        x = x.reshape(len(x), -1)
        return x if self.projection is None else x @ self.projection


def told_apart(a, b, seed=0, steps=TELLING_STEPS):
    """The accuracy of a network that tells `a` from `b`: 0.5 where nothing does, 1 at most.

    It is trained on half of each and judges the other halves. Of equal distributions it has the
    mean 0.5 and the standard deviation 0.5 / √N, N examples in either set.

    Args:
        a, b: `(N, *shape)` each, as many of both.
        seed: of the halves, and of the network.

    Example:

    >>> told_apart(np.zeros((20, 2)), np.ones((20, 2)), steps=30)
    1.0

    Reference: Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests, 2017, section 3.
    """
    rng = np.random.default_rng(seed)
    half = len(a) // 2
    a, b = (x[rng.permutation(len(x))] for x in (a, b))
    x, y = np.concatenate([a[:half], b[:half]]), np.repeat([0, 1], half)
    network = Labelled(x.__getitem__, y, seed, steps)
    others = a[half:], b[half:]
    return float(np.mean([network.accuracy(x, label) for label, x in enumerate(others)]))


def outputs(network, x):
    """What a network makes of `x`, a batch at a time; `predict` would be compiled for each."""
    parts = [network(x[start : start + BATCH]) for start in range(0, len(x), BATCH)]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])


def batches(count, seed):
    """Rows of batches, without end: each epoch has another order."""
    size = min(BATCH, count)
    for epoch in itertools.count():
        rows = order(count, seed, epoch)
        yield from (rows[i : i + size] for i in range(0, count - size + 1, size))
