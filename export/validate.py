"""The gate: a file that differs from the Keras model is refused."""

import keras
import numpy as np
import onnx
import onnxruntime
from onnx import checker

DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}
BATCHES = (1, 2, 7, 64, 257)
EXTREME = 6.0
TOLERANCE = 1e-5


class ValidationError(ValueError):
    """An exported file is not the model that it was made from."""


def check(vae, folder, tolerance=TOLERANCE):
    """Compare encoder.onnx and decoder.onnx in `folder` with the Keras model, number by number.

    Each file is loaded again from the disk; the ONNX checker goes over it; operators outside the
    standard domains and random ones are refused; then onnxruntime and Keras compute z_mean and
    z_log_var, x_params and x_hat for batches of 1, 2, 7, 64 and 257, and for extreme latents:
    one entry at ±6, or every entry (in more than 16 dimensions, as far out as that is in 16).

    The difference of two arrays is max|a - b| / max(1, max|b|), b from Keras: absolute for values
    within [-1, 1], as a Bernoulli mean is, and relative to the largest value beyond.

    Args:
        vae: the `keras_vae.VAE`, computing in float32.
        folder: a `pathlib.Path`.
        tolerance: the largest difference allowed.

    Returns:
        `{name of the output: its largest difference}`.

    Raises:
        ValidationError: one line that says which file, batch and output differs, by how much.

    Example:

    >>> import keras_vae, pathlib, tempfile
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2)
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> onnx.save(convert.encoder(vae), folder / "encoder.onnx")
    >>> onnx.save(convert.decoder(vae), folder / "decoder.onnx")
    >>> max(check(vae, folder).values()) <= 1e-5
    True
    """
    encoder, decoder = load(folder / "encoder.onnx"), load(folder / "decoder.onnx")
    decoder.graph.output.append(_intermediate(decoder, "x_params", folder / "decoder.onnx"))

    def posterior(x):
        z_mean, z_log_var = vae.posterior(x)
        return {"z_mean": z_mean, "z_log_var": z_log_var}

    def likelihood(z):
        x_params = vae.decoder(z)
        return {"x_params": x_params, "x_hat": vae.likelihood.mean(x_params)}

    return {
        **_compare("encoder.onnx", encoder, posterior, _examples(vae), tolerance),
        **_compare("decoder.onnx", decoder, likelihood, _latents(vae), tolerance),
    }


def load(path):
    """Read an ONNX file and refuse what no other runtime could load or repeat.

    Raises:
        ValidationError: the checker complains, an operator is random, or of a foreign domain.
    """
    try:
        model = onnx.load(path)
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValidationError(f"{path.name}: {' '.join(str(error).split())}") from error
    for node in operators(model):
        if node.domain not in DOMAINS:
            raise ValidationError(f"{path.name}: {node.op_type} is of domain {node.domain!r}")
        if node.op_type in RANDOM:
            raise ValidationError(f"{path.name}: {node.op_type} is random; give noise as an input")
    return model


def operators(model):
    """Yield every node of a model, those of its functions and inner graphs included."""
    pending = [*model.graph.node, *(node for f in model.functions for node in f.node)]
    while pending:
        node = pending.pop()
        yield node
        for attribute in node.attribute:
            for graph in [attribute.g, *attribute.graphs]:
                pending.extend(graph.node)


def _intermediate(model, name, path):
    for value in model.graph.value_info:
        if value.name == name:
            return value
    raise ValidationError(f"{path.name}: computes no {name}")


def _examples(vae):
    """x by batch: uniform on [0, 1], or binary if the likelihood is for binary data."""
    rng = np.random.default_rng(0)
    for batch in BATCHES:
        x = rng.random((batch, *vae.input_shape), dtype=np.float32)
        yield f"batch {batch}", x if keras.ops.all(vae.likelihood.in_support(x)) else np.round(x)


def _latents(vae):
    rng, size = np.random.default_rng(1), vae.latent_dim
    for batch in BATCHES:
        yield f"batch {batch}", rng.standard_normal((batch, size), dtype=np.float32)
    reach = EXTREME * min(1.0, (16 / size) ** 0.5)  # in many dimensions no further than in 16
    corners = rng.choice([-reach, reach], (64, size))
    axes = EXTREME * np.concatenate([np.eye(size), -np.eye(size)])
    extremes = np.concatenate([corners, axes]).astype(np.float32)
    yield f"batch {len(extremes)} of extreme latents", extremes


def _compare(file, model, reference, inputs, tolerance):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (source,), names = session.get_inputs(), [output.name for output in session.get_outputs()]
    largest = {}
    for label, array in inputs:
        expected = reference(keras.ops.convert_to_tensor(array))
        computed = dict(zip(names, session.run(names, {source.name: array}), strict=True))
        for name, tensor in expected.items():
            gap = difference(computed.get(name), keras.ops.convert_to_numpy(tensor))
            if not gap <= tolerance:  # NaN is refused too
                raise ValidationError(
                    f"{file}, {label}: {name} differs from Keras by {gap:.2g}, "
                    f"more than the tolerance {tolerance:g}"
                )
            largest[name] = max(largest.get(name, 0.0), gap)
    return largest


def difference(computed, expected):
    """Return max|computed - expected| / max(1, max|expected|), or infinity if shapes differ.

    Example:

    >>> difference(np.array([0.5, 100.0]), np.array([0.5, 101.0])) < 0.01
    True
    """
    if computed is None or computed.shape != expected.shape:
        return float("inf")
    gap = np.abs(computed.astype(np.float64) - expected).max()
    return float(gap / max(1.0, np.abs(expected).max()))
