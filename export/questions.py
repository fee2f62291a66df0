"""What the gate asks of the files and of Keras: examples, latents, seeds and indices."""

import keras
import numpy as np

from keras_vae import conditions

BATCHES = (1, 2, 7, 64, 257)
EXTREME = 6.0
DRAWS = [
    (0, 0, 257, 1.0),
    (1, 7, 64, 0.5),
    (-1, 2**31 - 2, 5, 1.0),
    (2**31, 2**32 - 2, 5, 2.0),
    (2**63 - 1, 2**40, 3, 1.0),
    (-(2**63), 0, 1, 0.0),
    (5, 0, 0, 1.0),
]
"""seed, first, count, temperature"""
SCORES = [(-1, 2**40, 300, 1), (2**63 - 1, 2**32 - 3, 5, 7), (0, 0, 1, 257)]
"""seed, least index, num_samples, batch"""
GAPS = 0.2
"""The share of the entries that are missing in examples, where some may be."""


def examples(vae):
    """Yields the name of a batch and its x, for encoder.onnx."""
    for batch in BATCHES:
        yield f"batch {batch}", {"x": example(vae, batch)}


def latents(vae):
    """Yields the name of a batch and its z and labels, for decoder.onnx: likely ones, then extreme.

    In the last batch one entry is ±6, or all are. In many dimensions all entries are smaller, so
    that z is as long as in 16.
    """
    rng, size = np.random.default_rng(1), vae.latent_dim
    for batch in BATCHES:
        z = rng.standard_normal((batch, size), dtype=np.float32)
        yield f"batch {batch}", {"z": z, **labels(vae, batch)}
    reach = EXTREME * min(1.0, (16 / size) ** 0.5)
    corners = rng.choice([-reach, reach], (64, size))
    axes = EXTREME * np.concatenate([np.eye(size), -np.eye(size)])
    extremes = np.concatenate([corners, axes]).astype(np.float32)
    yield (
        f"batch {len(extremes)} of extreme latents",
        {"z": extremes, **labels(vae, len(extremes))},
    )


def draws(vae):
    """Yields a request for samples, and what sampler.onnx and generator.onnx are fed for it."""
    for seed, first, count, temperature in DRAWS:
        request = {"seed": seed, "first": first, "count": count}
        label = {name: np.asarray(value[0]) for name, value in labels(vae, 1).items()}
        fed = {"temperature": np.array(temperature, np.float32), **label}
        yield request, {**integers(request), **fed}


def scores(vae):
    """Yields the examples to score, with their labels and indices, and a request for them."""
    for seed, first, num_samples, batch in SCORES:
        index = first + np.arange(batch)[::-1]  # in no order that a graph could take for granted
        given = {"x": example(vae, batch), **labels(vae, batch), "index": index}
        yield given, {"num_samples": num_samples, "seed": seed}


def integers(request):
    """A request as the graphs take it."""
    return {name: np.array(value, np.int64) for name, value in request.items()}


def example(vae, batch):
    """x drawn from the model itself, so that it is in the support of any likelihood."""
    rng, shape = np.random.default_rng(batch), vae.likelihood.noise_shape(vae.input_shape)
    z = rng.standard_normal((batch, vae.latent_dim), dtype=np.float32)
    u = rng.uniform(1e-6, 1 - 1e-6, (batch, *shape)).astype(np.float32)
    x = drawn(vae, z, u, labels(vae, batch))
    if vae.likelihood.missing:
        x[rng.random(x.shape) < GAPS] = np.nan
    return x


def labels(vae, batch, one=False):
    """The labels of a conditional model in turn, from the last to the first; or the last alone."""
    if not vae.covariates:
        return {}
    turn = np.zeros(batch, np.int64) if one else np.arange(batch)
    last = conditions.combinations(vae.covariates) - 1
    return {"label": conditions.in_turn(vae.covariates, last - turn)}


def drawn(vae, z, u, labels):
    """x as Keras draws it of each z, by the uniform numbers u."""
    if not len(z):  # TensorFlow gives the convolution of an empty batch a wrong shape
        return np.zeros((0, *vae.input_shape), np.float32)
    x_params = vae.x_params(z, label=vae.labels.encoded(labels.get("label")))
    return keras.ops.convert_to_numpy(vae.likelihood.draw(x_params, u))
