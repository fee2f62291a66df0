"""A plain loop in JAX: one `jit` of a `lax.scan` over the epoch's batches, Adam by hand."""

from functools import partial

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from benchmarks.contenders.common import LEARNING_RATE, Clock, images, options, pairs

MLP = ((784, 200), (200, 200), (200, 50), (200, 50), (50, 200), (200, 200), (200, 784))
CONV = (
    *((3, 3, 1, 32), (3, 3, 32, 64), (3136, 128), (128, 16), (128, 16)),
    *((16, 3136), (3, 3, 64, 64), (3, 3, 64, 32), (3, 3, 32, 1)),
)
NAMES = ("NHWC", "HWIO", "NHWC")


def start(shapes, seed=0):
    """`[kernel, bias, ...]`: uniform by the fans, and 0."""
    rng, parameters = np.random.default_rng(seed), []
    for *window, inputs, outputs in shapes:
        limit = np.sqrt(6 / (np.prod(window, initial=1) * (inputs + outputs)))
        kernel = rng.uniform(-limit, limit, (*window, inputs, outputs))
        parameters += [jnp.asarray(kernel, "float32"), jnp.zeros(outputs)]
    return parameters


def halves(x, kernel):
    """A convolution that halves height and width."""
    return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=NAMES)


def doubles(x, kernel):
    """A transposed convolution that doubles them."""
    return lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=NAMES)


def mlp_encode(p, x):
    """x → z_mean, z_log_var."""
    h = jax.nn.relu(jax.nn.relu(x @ p[0] + p[1]) @ p[2] + p[3])
    return h @ p[4] + p[5], h @ p[6] + p[7]


def mlp_decode(p, z):
    """z → x_logits."""
    h = jax.nn.relu(jax.nn.relu(z @ p[8] + p[9]) @ p[10] + p[11])
    return h @ p[12] + p[13]


def conv_encode(p, x):
    """x → z_mean, z_log_var."""
    h = jax.nn.relu(halves(x.reshape(-1, 28, 28, 1), p[0]) + p[1])
    h = jax.nn.relu(halves(h, p[2]) + p[3])
    h = jax.nn.relu(h.reshape(len(x), -1) @ p[4] + p[5])
    return h @ p[6] + p[7], h @ p[8] + p[9]


def conv_decode(p, z):
    """z → x_logits."""
    h = jax.nn.relu(z @ p[10] + p[11]).reshape(-1, 7, 7, 64)
    h = jax.nn.relu(doubles(h, p[12]) + p[13])
    h = jax.nn.relu(doubles(h, p[14]) + p[15])
    h = lax.conv_general_dilated(h, p[16], (1, 1), "SAME", dimension_numbers=NAMES)
    return (h + p[17]).reshape(len(z), -1)


CASES = {"mlp": (MLP, mlp_encode, mlp_decode), "conv": (CONV, conv_encode, conv_decode)}


def loss(encode, decode, parameters, x, key):
    """Minus the ELBO, the mean over the batch."""
    z_mean, z_log_var = encode(parameters, x)
    z = z_mean + jnp.exp(z_log_var / 2) * jax.random.normal(key, z_mean.shape)
    x_logits = decode(parameters, z)
    nats = jnp.sum(jax.nn.softplus(x_logits) - x * x_logits)
    kl = -0.5 * jnp.sum(1 + z_log_var - z_mean**2 - jnp.exp(z_log_var))
    return (nats + kl) / len(x)


def adam(parameters, gradients, first, second, t):
    """Kingma & Ba, algorithm 1, with the order of its last lines that makes one division."""
    tree = jax.tree.map
    first = tree(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = tree(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    step = tree(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), parameters, first, second)
    return step, first, second


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2,))
def epoch(loss, batch, state, x, key):
    """One pass over the data: the new state, and the mean loss."""
    shuffle, noise = jax.random.split(key)
    order = jax.random.permutation(shuffle, len(x)).reshape(-1, batch)

    def step(state, batch):
        (parameters, first, second, t), (chosen, key) = state, batch
        value, gradients = jax.value_and_grad(loss)(parameters, x[chosen], key)
        return (*adam(parameters, gradients, first, second, t + 1), t + 1), value

    state, losses = lax.scan(step, state, (order, jax.random.split(noise, len(order))))
    return state, losses.mean()


def main():
    """Trains."""
    chosen = options()
    shapes, encode, decode = CASES[chosen.case]
    parameters, x = start(shapes), jnp.asarray(images(chosen))
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    state, key = (parameters, *zeros, jnp.zeros(())), jax.random.key(0)
    bound, done = partial(loss, encode, decode), False
    clock = Clock(chosen, lambda: pairs(state[0]))
    while not done:
        key, now = jax.random.split(key)
        state, value = epoch(bound, chosen.batch, state, x, now)
        done = clock.epoch(value)
    clock.report()


if __name__ == "__main__":
    main()
