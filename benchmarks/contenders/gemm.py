"""The machine's own limit: the arithmetic of an epoch's products of matrices, and nothing else.

Of each layer the forward product and the two of the backward pass, but for the first layer, whose
input needs no gradient. Of the MLP these very products are computed; a convolution is no product
of large matrices, and its arithmetic is counted at the rate of a product of two of 1024 × 1024. By
NumPy's library or, with `--torch`, by PyTorch's. With `--decoder` those of decoding alone.
"""

import json
import statistics
import time
from functools import partial

import numpy as np

from benchmarks.contenders.common import LATENT_DIM, options

DRAWS = 2000  # decoded at once; about as many as each contender is fastest with
# Of each layer: rows for one example, inputs, outputs.
LAYERS = {
    "mlp": (
        (1, 784, 200),
        (1, 200, 200),
        (1, 200, 100),
        (1, 50, 200),
        (1, 200, 200),
        (1, 200, 784),
    ),
    "conv": (
        *((196, 9, 32), (49, 288, 64), (1, 3136, 128), (1, 128, 32), (1, 16, 3136)),
        *((49, 64, 576), (196, 64, 288), (784, 288, 1)),
    ),
}


def training(case, batch):
    """The shapes (M, N, P) of all products M × N by N × P of one step."""
    for number, (rows, inputs, outputs) in enumerate(LAYERS[case]):
        yield batch * rows, inputs, outputs
        yield inputs, batch * rows, outputs
        if number:
            yield batch * rows, outputs, inputs


def decoding(case, draws):
    """Those of the decoder, forward: it begins where the inputs are the entries of z."""
    start = [inputs for _, inputs, _ in LAYERS[case]].index(LATENT_DIM[case])
    for rows, inputs, outputs in LAYERS[case][start:]:
        yield draws * rows, inputs, outputs


def matrices(shapes):
    """Left and right ones, float32."""
    draw = partial(np.random.default_rng(0).standard_normal, dtype="float32")
    return [(draw(shape[:2]), draw(shape[1:])) for shape in shapes]


def by_numpy(pairs):
    """A function that computes the products, into memory that is there."""
    pairs = [(a, b, np.empty((len(a), b.shape[1]), "float32")) for a, b in pairs]
    return lambda: [np.matmul(a, b, out=out) for a, b, out in pairs]


def by_torch(pairs):
    """As `by_numpy`, in PyTorch."""
    import torch

    tensors = [[torch.from_numpy(m) for m in pair] for pair in pairs]
    tensors = [(a, b, torch.empty(len(a), b.shape[1])) for a, b in tensors]
    return lambda: [torch.mm(a, b, out=out) for a, b, out in tensors]


def seconds(step, least=2.0):
    """The median time of a step, of those of `least` seconds; the first is not counted."""
    step()
    times = []
    while sum(times) < least:
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main():
    """Prints how many examples, or draws, a second the products alone allow."""
    chosen = options("--torch", "--decoder")
    unit, at_once = ("draws", DRAWS) if chosen.decoder else ("examples", chosen.batch)
    wanted = list((decoding if chosen.decoder else training)(chosen.case, at_once))
    timed = wanted if chosen.case == "mlp" else [(1024, 1024, 1024)]
    products = (by_torch if chosen.torch else by_numpy)(matrices(timed))
    rate = flops(timed) / seconds(products)
    result = {f"{unit}_per_second": at_once * rate / flops(wanted), "gigaflops": rate / 1e9}
    print(json.dumps(result))


def flops(shapes):
    """Multiplications and additions of products."""
    return sum(2 * m * n * p for m, n, p in shapes)


if __name__ == "__main__":
    main()
