"""sampler.onnx: seed, first, count, temperature -> z, x_hat: the whole generative model.

The graph computes the noise of `keras_vae.noise` in int32, by operations that every runtime was
seen to do alike: sums and products modulo 2^32, bitwise ones, and quotients of numbers of at most
24 significant bits by powers of two, which stay exact where a runtime divides by way of float32.
Unsigned shifts, which would be shorter, are silently wrong in some runtimes.
"""

import numpy as np
import onnx
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, argument, build, inline

import keras_vae
from export import convert
from export.canonical import canonical
from keras_vae import noise


def sampler(vae):
    """Return the ONNX model seed, first, count, temperature -> z, x_hat.

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `convert.float32`).

    Returns:
        An `onnx.ModelProto`; inputs `seed`, `first`, `count` (int64) and `temperature` (float32),
        all scalars; outputs `z` (count, latent_dim) and `x_hat` (count, *input_shape). No input
        has a default: onnxruntime-web, onnxruntime-node and OpenVINO take an input that has one
        for a constant, and ignore or refuse a value for it.

    Example:

    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [value.name for value in sampler(vae).graph.output]
    ['z', 'x_hat']
    """
    scalars = {name: argument(Tensor(np.int64, ())) for name in ("seed", "first", "count")}
    temperature = argument(Tensor(np.float32, ()))
    epsilon = op.mul(temperature, latent(**scalars, latent_dim=vae.latent_dim))
    z = inline(convert.prior(vae))(epsilon=epsilon)["z"]
    x_hat = inline(convert.decoder(vae))(z=z)["x_hat"]
    model = build({**scalars, "temperature": temperature}, {"z": z, "x_hat": x_hat})
    return canonical(_lift_constants(model), ["z", "x_hat"], version=keras_vae.__version__)


def latent(seed, first, count, latent_dim):
    """`noise.latent` as a graph: float32, (count, latent_dim)."""
    one = np.int64(1)
    index = op.add(first, op.range(op.const(np.int64(0)), count, op.const(one)))
    low, high = (op.unsqueeze(word, op.const(np.array([1]))) for word in split(index))
    position = np.arange((latent_dim + 1) // 2, dtype=np.int32)
    counter = op.add(op.mul(high, const(noise.HIGH_INDEX)), op.const(position[None]))
    pair = [op.unsqueeze(normal(w), op.const(np.array([2]))) for w in words(seed, low, counter)]
    flat = op.reshape(op.concat(pair, axis=2), op.const(np.array([-1, 2 * len(position)])))
    start, end = (op.const(np.array([at])) for at in (0, latent_dim))
    return op.slice(flat, start, end, op.const(np.array([1])))


def words(seed, low, high):
    """Threefry-2x32 of the counter (low, high) by the key `seed`: two int32 tensors."""
    keys = split(seed)
    keys = (*keys, op.bitwise_xor(op.bitwise_xor(*keys), const(noise.PARITY)))
    x0, x1 = op.add(low, keys[0]), op.add(high, keys[1])
    for s in range(1, 6):
        for r in noise.ROTATIONS[(s - 1) % 2]:
            x0 = op.add(x0, x1)
            x1 = op.bitwise_xor(rotate_left(x1, r), x0)
            x0, x1 = fence(x0), fence(x1)
        x0 = op.add(x0, keys[s % 3])
        x1 = op.add(op.add(x1, keys[(s + 1) % 3]), const(s))
    return x0, x1


def normal(word):
    """Words to standard normal numbers: a sum of two values of the table, times 1/sqrt(2)."""
    table = op.const(noise.table())
    parts = (op.bitwise_and(word, const(0xFFFF)), shift_right(word, 16))
    return op.mul(op.add(*(op.gather(table, p) for p in parts)), op.const(noise.SQRT_HALF))


def split(x):
    """The low and the high 32 bits of int64 as int32, by way of four parts of 16 bits."""
    parts = []
    for _ in range(4):
        part = op.bitwise_and(x, op.const(np.int64(0xFFFF)))
        x = op.div(op.sub(x, part), op.const(np.int64(0x10000)))
        parts.append(op.cast(part, to=np.int32))
    low, high = (op.add(a, op.mul(b, const(0x10000))) for a, b in (parts[:2], parts[2:]))
    return low, high


def rotate_left(x, r):
    return op.bitwise_or(op.mul(x, const(2**r)), shift_right(x, 32 - r))


def shift_right(x, k):
    """Logical shift; each quotient is of at most 24 significant bits, so exact in float32 too."""
    if k < 8:
        low = op.div(op.bitwise_and(x, const(0x10000 - 2**k)), const(2**k))
        return op.bitwise_or(op.mul(shift_right(x, 16), const(2 ** (16 - k))), low)
    quotient = op.div(op.bitwise_and(x, const(2**32 - 2**k)), const(2**k))
    return op.bitwise_and(quotient, const(2 ** (32 - k) - 1))


def fence(x):
    """x itself, behind a Gather: tract's analysis of a chain without one takes exponential time."""
    return op.gather(op.unsqueeze(x, op.const(np.array([0]))), op.const(np.int64(0)), axis=0)


def const(word):
    """A 32-bit word as an int32 constant."""
    return op.const(np.array(word, np.uint32).view(np.int32)[()])


def _lift_constants(model):
    """Make each Constant node an initializer, as `canonical` expects constants."""
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    for node in constants:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)
        model.graph.node.remove(node)
    return model
