"""A network v(z, t) whose slope is bounded, and its Jacobian, written out for every backend."""

import itertools
import math

import keras
from keras import ops

FREQUENCIES = 8
MIDDLE, SPREAD = 0.5, 0.5998394
"""The slope of SiLU, x sigmoid(x), is within MIDDLE ± SPREAD."""
SQUARINGS = 4
"""Of a Gram matrix: the bound on the norm is then at most 9 % too large for 256 units."""


class VelocityField(keras.layers.Layer):
    """v(z, t) = g W_L h_L + b_L(t), h_l = silu(W_l h_(l-1) + b_l(t)), with |∂v/∂z| <= `slope`.

    Where `slope_bound` of the W is more than `slope`, g makes it so. It holds for any weights, also
    amid training. At first W_L and b_L are 0, and so is v. A label y has offsets c_l of its own,
    b_l(t) + C_l y: it changes no slope.

    Args:
        hidden: units of the hidden layers.
        slope: the largest Lipschitz constant of z ↦ v(z, t).
        seed: integer seed of the initial weights.
        label_width: how many numbers a label is, 0 without labels.

    Example:

    >>> field = VelocityField((8,), slope=5.0, seed=0)
    >>> field.build((None, 2))
    >>> kernels, offsets = field.network(time_features(ops.convert_to_tensor([0.0, 0.5])))
    >>> tuple(velocity(kernels, [offset[1] for offset in offsets], ops.ones((3, 2))).shape)
    (3, 2)

    Reference: of the bound, Delattre et al., Efficient Bound of Lipschitz Constant for
    Convolutional Layers by Gram Iteration, 2023, section 4.
    """

    def __init__(self, hidden, slope, seed, label_width=0, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.slope, self.seed = hidden, slope, seed
        self.label_width = label_width

    def build(self, input_shape):
        sizes = (input_shape[-1], *self.hidden, input_shape[-1])
        self.kernels, self.times, self.labels = [], [], []
        for i, shape in enumerate(itertools.pairwise(sizes)):
            last = i == len(self.hidden)
            for weights, name, rows in (
                (self.kernels, "kernel", shape[0]),
                (self.times, "time", 2 * FREQUENCIES + 2),
            ):
                glorot = keras.initializers.GlorotUniform(2 * (self.seed + i) + (name == "time"))
                start, name = "zeros" if last else glorot, f"{name}_{i}"
                weights.append(self.add_weight((rows, shape[1]), start, name=name, autocast=False))
            if self.label_width:
                size, name = (self.label_width, shape[1]), f"label_{i}"
                self.labels.append(self.add_weight(size, "zeros", name=name, autocast=False))
        self.built = True

    def network(self, features):
        """The kernels W, of which the last has its g, and the offsets b(t): a list of each.

        Args:
            features: of t, `(..., 2 FREQUENCIES + 2)`, as `time_features` gives them.
        """
        kernels = [ops.convert_to_tensor(kernel) for kernel in self.kernels]
        gain = 1 / ops.maximum(slope_bound(kernels) / self.slope, 1.0)  # is trained through
        offsets = [ops.matmul(features, ops.convert_to_tensor(time)) for time in self.times]
        return [*kernels[:-1], gain * kernels[-1]], offsets

    def offsets_of(self, label):
        """What a label adds to the offsets, C y, a list: `(B, label_width)` → `(B, units)` each."""
        return [ops.matmul(label, ops.convert_to_tensor(kernel)) for kernel in self.labels]


def time_features(t):
    """1, t, and sines and cosines of t in [0, 1]: `(...)` → `(..., 2 FREQUENCIES + 2)`."""
    t = t[..., None]
    angles = math.pi * t * ops.arange(1, FREQUENCIES + 1, dtype=t.dtype)
    return ops.concatenate([ops.ones_like(t), t, ops.cos(angles), ops.sin(angles)], axis=-1)


def velocity(kernels, offsets, z):
    """v(z, t), `(..., D)`, of a `network` at t."""
    for kernel, offset in zip(kernels[:-1], offsets[:-1], strict=True):
        z = ops.silu(product(z, kernel) + offset)
    return product(z, kernels[-1]) + offsets[-1]


def product(h, kernel):
    """h W of rows h, `(..., n)`: by a product of equal ranks, which both converters take as one.

    Of at most three axes: with four of which one is 1, TensorFlow 2.21 writes beyond its memory on
    processors with AVX-512 (tensorflow/tensorflow issue 117700).
    """
    if len(h.shape) > 3:
        rows = product(ops.reshape(h, (-1, *h.shape[-2:])), kernel)
        return ops.reshape(rows, (*ops.shape(h)[:-1], kernel.shape[-1]))
    return ops.matmul(h, kernel if len(h.shape) == 2 else kernel[None])


def jacobian(kernels, offsets, z):
    """∂v_j/∂z_i of z, `(..., D)`: `(..., i, j)`, by the chain rule, from the first layer on.

    Where there is no hidden layer it is one for all z, `(i, j)`.
    """
    rows = kernels[0]
    for kernel, offset, following in zip(kernels[:-1], offsets[:-1], kernels[1:], strict=True):
        h = product(z, kernel) + offset
        gate = ops.sigmoid(h)
        z = h * gate
        slope = gate + z * (1 - gate)
        rows = product(rows * slope[..., None, :], following)  # (..., D, units)
    return rows


def slope_bound(kernels):
    """A bound on |∂v/∂z| = |W_1 D_1 W_2 D_2 … W_L|, the D diagonal with the slopes of SiLU.

    Each D is MIDDLE I + SPREAD E with |E| <= 1. Multiplied out, the product is a sum over all ways
    to have one or the other in each place: W on both sides of a MIDDLE are one matrix, which has
    one norm, and the norms on both sides of an E multiply. That is half as much as the product of
    all norms, or less, for matrices that are not aligned.

    Example:

    >>> turn = ops.convert_to_tensor([[0.0, 1.0], [0.0, 0.0]])  # of which the square is 0
    >>> round(float(slope_bound([turn, turn])), 4)
    0.5998
    """
    sums = [1 / SPREAD]  # of all ways for the first kernels, with an E after them
    for end in range(len(kernels)):
        block, way = None, 0.0
        for begin in range(end, -1, -1):
            kernel = kernels[begin]
            block = kernel if block is None else ops.matmul(kernel, MIDDLE * block)
            way = way + sums[begin] * SPREAD * ops.exp(log_norm_bound(block))
        sums.append(way)
    return sums[-1]


def log_norm_bound(kernel):
    """log of a bound on the spectral norm of a matrix: |A| <= |(Aᵀ A)^(2^k)|_F^(1 / 2^(k+1)).

    Example:

    >>> round(float(ops.exp(log_norm_bound(ops.diag(ops.convert_to_tensor([3.0, 1.0]))))), 3)
    3.0
    """
    wide = kernel.shape[0] < kernel.shape[1]
    other = ops.transpose(kernel)
    power, log_bound = ops.matmul(kernel, other) if wide else ops.matmul(other, kernel), 0.0
    for i in range(SQUARINGS + 1):
        power = ops.matmul(power, power) if i else power
        size = ops.sqrt(ops.sum(ops.square(power)) + 1e-30)  # a matrix of zeros has a logarithm too
        log_bound = log_bound + ops.log(size) / 2 ** (i + 1)
        power = power / size
    return log_bound


def log_det(matrices):
    """log det(I + A) for |A| < 1, `(..., D, D)` → `(...)`, by elimination without pivots.

    All pivots are positive then. Written out, because no converter to ONNX knows `slogdet`.
    """
    size = matrices.shape[-1]
    rest, pivots = matrices + ops.eye(size, dtype=matrices.dtype), []
    for _ in range(size - 1):  # by splits, since of slices JAX makes lookups
        top, below = ops.split(rest, [1], axis=-2)
        pivot, row = ops.split(top, [1], axis=-1)
        column, rest = ops.split(below, [1], axis=-1)
        rest = rest - column * (row / pivot)
        pivots.append(pivot)
    return ops.sum(ops.log(ops.concatenate([*pivots, rest], axis=-1)), axis=(-2, -1))
