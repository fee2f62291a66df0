"""Binary images from grey ones: p(pixel = 1) is its grey value (Salakhutdinov & Murray 2008)."""

import math

import keras
import numpy as np

from keras_vae.models.packed import is_packed

_ORDER = 0  # the stream that shuffles; stream 1 + i draws the pixels of batch i


def binarize(x, seed=0):
    """x_binary ~ Bernoulli(x), drawn once: the static binarization.

    Args:
        x: grey values in [0, 1], any shape; or `packed.Pictures` of such.
        seed: an integer. The same seed draws the same images.

    Returns:
        float32 array of zeros and ones, shaped as `x`; of pictures as `Drawn`.

    Raises:
        ValueError: a value lies outside [0, 1] or is NaN.

    Example:

    >>> binarize([[0.0, 1.0, 1.0, 0.0]], seed=0)
    array([[0., 1., 1., 0.]], dtype=float32)
    """
    if is_packed(x):
        return Drawn(x, seed)
    return _draw(_checked(x), np.random.default_rng(seed % 2**64))


class Drawn:
    """What `binarize` makes of packed rows, to the bit: each is drawn when it is used.

    Args:
        x: packed rows of grey values in [0, 1], such as `packed.Pictures`.
        seed: of the draws.
        places: which numbers of the seed each of them takes, (N,).
    """

    dtype, numbers = np.dtype("float32"), np.float32([0, 1])

    def __init__(self, x, seed, places=None):
        if places is None:
            _checked(getattr(x, "numbers", x))
        self.x, self.seed, self.shape = x, seed, x.shape
        self.places = np.arange(x.shape[0]) if places is None else places

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        if np.ndim(rows) == 0 and not isinstance(rows, slice):
            return self[[rows]].toarray()[0]
        return Drawn(self.x[rows], self.seed, self.places[rows])

    def toarray(self):
        """Zeros and ones, float32."""
        x = self.x.toarray()
        for example, place in zip(x, self.places, strict=True):
            example[...] = self._u(int(place), example.size).reshape(example.shape) < example
        return x

    def _u(self, place, size):
        """`size` of the numbers that NumPy draws for this seed: a word of 64 bits makes two."""
        rng, odd = np.random.default_rng(self.seed % 2**64), place * size % 2
        rng.bit_generator.advance(place * size // 2)
        return rng.random(odd + size, dtype=np.float32)[odd:]


class DynamicBinarization(keras.utils.PyDataset):
    """Redraws x_binary ~ Bernoulli(x) each time an example is seen: the dynamic binarization.

    A batch is a pure function of (seed, epoch, index), so worker threads and processes change
    nothing. The last batch of an epoch holds what is left. `fit` shuffles the order of the batches
    once more, by Python's `random`; its `shuffle=False` makes a run repeatable.

    Args:
        x: grey values in [0, 1], (N, ...).
        batch_size: examples in a batch.
        seed: an integer; fixes the draws and the order.
        shuffle: whether every epoch has its own order.
        y: labels, (N,), to go with the examples.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Calling `dataset[index]` gives `(x_binary,)`, float32, (batch_size, ...), or `(x_binary, y)`.

    Raises:
        ValueError: `x` is empty, a value lies outside [0, 1] or is NaN, `y` has another length,
            or `batch_size` < 1.

    Example:

    >>> data = DynamicBinarization(np.full((300, 28, 28, 1), 0.5), batch_size=128)
    >>> [x_binary.shape[0] for (x_binary,) in data]
    [128, 128, 44]
    """

    def __init__(self, x, batch_size=128, seed=0, shuffle=True, y=None, **kwargs):
        super().__init__(**kwargs)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.x = _checked(x)
        if self.x.ndim == 0 or len(self.x) == 0:
            raise ValueError(
                f"x must hold at least one example, (N, ...), got shape {self.x.shape}"
            )
        if y is not None and len(y) != len(self.x):
            raise ValueError(f"y must hold {len(self.x)} labels, one for each of x, got {len(y)}")
        self.y = None if y is None else np.asarray(y)
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.epoch = 0

    @property
    def epoch(self):
        """The pass over the data that is being drawn; Keras moves it on. Set it to resume."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch):
        self._epoch = epoch
        order = np.arange(len(self.x))
        self._order = self._rng(_ORDER).permutation(order) if self.shuffle else order

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        index = range(len(self))[index]
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        x_binary = _draw(self.x[chosen], self._rng(1 + index))
        return (x_binary,) if self.y is None else (x_binary, self.y[chosen])

    def on_epoch_end(self):
        self.epoch += 1

    def _rng(self, stream):
        key = np.random.SeedSequence(self.seed % 2**64, spawn_key=(self.epoch, stream))
        return np.random.default_rng(key)


def _draw(x, rng):
    return (rng.random(x.shape, dtype=np.float32) < x).astype(np.float32)


def grey_levels(x):
    """x as whole numbers from 0 to 255 if it holds these alone, as x / 255; else x itself.

    They take a quarter of the memory, and `augment="binarize"` takes them as they are.

    Example:

    >>> grey_levels(np.array([[0.0, 0.2, 1.0]])).tolist()
    [[0, 51, 255]]
    """
    if hasattr(x, "grey_levels"):
        return x.grey_levels()
    levels = np.rint(np.asarray(x) * 255)
    whole = np.array_equal((levels / 255).astype(np.float32), np.asarray(x, np.float32))
    are_grey = whole and levels.min(initial=0) >= 0 and levels.max(initial=0) <= 255
    return levels.astype(np.uint8) if are_grey else x


def _checked(x):
    if hasattr(x, "tocsr"):
        raise ValueError("x must be dense to be binarized, as images are, got sparse rows")
    x = np.asarray(x, dtype=np.float32)
    if x.size and not (x.min() >= 0 and x.max() <= 1):  # so put, NaN fails too
        raise ValueError(
            f"x must hold grey values in [0, 1] to be binarized, got {x.min():g} to {x.max():g}: "
            "scale x first, or use likelihood 'normal' on x as it is"
        )
    return x
