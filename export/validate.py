"""The gate: a file that differs from the Keras model is refused."""

import contextlib

import keras
import numpy as np

from export import questions
from export.convert import ENCODED, posterior_names
from export.loading import ValidationError, load, session
from keras_vae import noise

TOLERANCE = 1e-5


def check(vae, folder, tolerance=TOLERANCE):
    """Compares the ONNX files in `folder` with the Keras model, number by number.

    Each file is loaded again from the disk. The ONNX checker must accept it, and it must hold no
    random operator and none outside the standard domains. Then onnxruntime and Keras compute
    z_mean and z_log_var, x_params and x_hat, for batches of 1, 2, 7, 64 and 257. They do so for
    extreme latents too: one entry at ±6, or all of them (with more than 16 dimensions all entries
    are smaller, so that z is as long as in 16).

    sampler.onnx is given seeds and indices of all sizes. It must draw the `z` of `keras_vae.noise`
    to the bit (within the tolerance if the prior computes with the noise), and the same `x_hat` as
    decoder.onnx makes of that z. generator.onnx must draw the same `z`, and the x that Keras draws
    of it, but for elements so near to a boundary between two values that rounding decides.
    scorer.onnx and elements.onnx must give the numbers of `keras_vae.VAE.score` and
    `element_log_prob`, or be no further from them than those of a model whose weights are each off
    by the tolerance.

    The difference of two arrays is max|a - b| / max(1, max|b|), with b from Keras. It is absolute
    for values within [-1, 1], such as a Bernoulli mean, and relative to the largest value beyond.

    Args:
        vae: the `keras_vae.VAE`, computing in float32.
        folder: a `pathlib.Path`.
        tolerance: the largest difference allowed.

    Returns:
        `{name of the output: its largest difference}`.

    Raises:
        ValidationError: one line that says which file, batch and output differs, by how much.

    Example:

    >>> import keras_vae, onnx, pathlib, tempfile
    >>> from export import bundle, convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", (4, 4, 1), latent_dim=2)
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> graphs = {name: make(convert.parts(vae)) for name, make in bundle.GRAPHS.items()}
    >>> for name in graphs.keys() - {"imputer.onnx"}:  # of tables alone
    ...     onnx.save(graphs[name], folder / name)
    >>> max(check(vae, folder).values()) <= 1e-5
    True
    """
    encoder, decoder = load(folder / "encoder.onnx"), load(folder / "decoder.onnx")
    decoder.graph.output.append(_intermediate(decoder, "x_params", folder / "decoder.onnx"))

    def posterior(x):
        if vae.levels.hierarchical:
            return dict(zip(ENCODED, vae.levels.encoded(vae.posterior(x)), strict=True))
        return dict(zip(posterior_names(vae), vae.posterior(x), strict=True))

    def elements(**given):
        return {"element_log_prob": vae.element_log_prob(**given)}

    def likelihood(z, label=None):
        x_params = vae.x_params(z, label=vae.labels.encoded(label))
        return {"x_params": x_params, "x_hat": vae.likelihood.mean(x_params)}

    return {
        **_compare("encoder.onnx", encoder, posterior, questions.examples(vae), tolerance),
        **_compare("decoder.onnx", decoder, likelihood, questions.latents(vae), tolerance),
        "z": _check_sampler(vae, folder, tolerance),
        **_check_generator(vae, folder, tolerance),
        **_check_scores(vae, folder, tolerance, "scorer.onnx", vae.score),
        **_check_scores(vae, folder, tolerance, "elements.onnx", elements),
        **_check_imputer(vae, folder, tolerance),
    }


def check_variant(vae, folder, precision, tolerance=TOLERANCE):
    """Checks the files of a lower precision as `check` does, except for what the precision changes.

    `variants.Trial` says what it may change, and by how much.

    Args:
        vae: the `keras_vae.VAE`, computing in float32.
        folder: a `pathlib.Path`.
        precision: the variant, such as `"int8"`.
        tolerance: the largest difference of z allowed, where the prior computes with the noise.

    Raises:
        ValidationError: one line that says which file and output is wrong.
    """
    for path in folder.glob(f"*_{precision}.onnx"):
        load(path)
    _check_sampler(vae, folder, tolerance, f"_{precision}.onnx")
    _check_generator(vae, folder, tolerance, f"_{precision}.onnx")


def _check_sampler(vae, folder, tolerance, ending=".onnx"):
    """The largest difference of z from `keras_vae.noise` and the prior."""
    sampler = session(load(folder / f"sampler{ending}"))
    decoder = session(load(folder / f"decoder{ending}"))
    largest = 0.0
    for request, feeds in questions.draws(vae):
        labels = questions.labels(vae, request["count"], one=True)
        z, x_hat = sampler.run(["z", "x_hat"], feeds)
        epsilon = feeds["temperature"] * noise.latent(**request, latent_dim=vae.latent_dim)
        u = noise.component(**request)
        label = vae.labels.encoded(labels.get("label"))
        expected = keras.ops.convert_to_numpy(vae.prior.given(label).transform(epsilon, u))
        gap = difference(z, expected)
        if not gap <= (0 if np.array_equal(expected, epsilon) else tolerance):
            raise ValidationError(
                f"sampler{ending}, {request}: z differs from the noise by {gap:.2g}"
            )
        if not np.array_equal(x_hat, decoder.run(["x_hat"], {"z": z, **labels})[0]):
            raise ValidationError(
                f"sampler{ending}, {request}: x_hat is not that of decoder{ending}"
            )
        largest = max(largest, gap)
    return largest


def _check_generator(vae, folder, tolerance, ending=".onnx"):
    """The largest difference of x from Keras' draws, away from boundaries, if x can be drawn.

    A variant computes other parameters of p(x|z) than Keras, so of its x only the support is known.
    """
    name = f"generator{ending}"
    if not (folder / name).exists():
        return {}
    generator = session(load(folder / name))
    sampler = session(load(folder / f"sampler{ending}"))
    drawn, expected = [], []
    shape = vae.likelihood.noise_shape(vae.input_shape)
    for request, feeds in questions.draws(vae):
        z, x = generator.run(["z", "x"], feeds)
        if not np.array_equal(z, sampler.run(["z"], feeds)[0]):
            raise ValidationError(f"{name}, {request}: z is not that of sampler{ending}")
        drawn.append(x)
        u, labels = noise.event(**request, shape=shape), questions.labels(vae, len(z), one=True)
        expected.append(questions.drawn(vae, z, u, labels))
    drawn, expected = np.concatenate(drawn), np.concatenate(expected)
    what = f"{name}, {len(drawn)} samples"
    _check_support(vae, drawn, what)
    return {"x": _gap_of_draws(drawn, expected, tolerance, what)} if ending == ".onnx" else {}


def _check_support(vae, drawn, what):
    try:
        vae.likelihood.check(drawn)
    except ValueError as error:
        raise ValidationError(f"{what}: x is not of the likelihood: {error}") from error


def _gap_of_draws(drawn, expected, tolerance, what):
    """The largest difference of drawn x, away from boundaries; refused where draws differ more."""
    gaps, off = np.abs(drawn - expected), elsewhere(drawn, expected, tolerance)
    size = np.abs(expected).max(axis=0, initial=1.0).mean()
    # Where rounding decides between two values, they differ by more the more seldom that is so:
    # the mean difference stays as small as that of what x is drawn from. One element may differ.
    if gaps.sum() - gaps.max() > tolerance * size * gaps.size:
        raise ValidationError(
            f"{what}: x differs from that of Keras in {off.mean():.2g} of its elements, and by "
            f"{gaps.mean():.2g} in the mean"
        )
    return difference(np.where(off, expected, drawn), expected)


def elsewhere(drawn, expected, tolerance):
    """Which elements of x differ from those expected by more than rounding, `(B, *event)`.

    That is relative to the largest value that the same element has in the batch.

    A draw decides between values, such as two counts, by comparing. Where the two sides are within
    rounding, another runtime may decide otherwise: for the digits for one element in 10^6.
    """
    largest = np.abs(expected).max(axis=0, initial=1.0)
    return ~(np.abs(drawn - expected) <= tolerance * largest)


def _check_scores(vae, folder, tolerance, file, function):
    """The largest difference of each score in a file from that of Keras' `function`."""
    if not (folder / file).exists():
        return {}
    scorer = session(load(folder / file))
    names = [output.name for output in scorer.get_outputs()]
    largest = dict.fromkeys(names, 0.0)
    for given, request in questions.scores(vae):
        feeds = {**given, **questions.integers(request)}
        computed = dict(zip(names, scorer.run(names, feeds), strict=True))
        expected = function(**given, **request)
        gaps = {name: difference(computed[name], expected[name]) for name in names}
        allowed = dict.fromkeys(names, tolerance)
        if not all(gap <= tolerance for gap in gaps.values()):
            with weights_off(vae, tolerance):
                near = function(**given, **request)
            allowed = {n: max(tolerance, difference(near[n], expected[n])) for n in names}
        for name, gap in gaps.items():
            if not gap <= allowed[name]:
                raise ValidationError(
                    f"{file}, batch {len(given['x'])}, {request}: {name} differs from Keras by "
                    f"{gap:.2g}, more than the tolerance {allowed[name]:.2g}"
                )
            largest[name] = max(largest[name], gap)
    return largest


@contextlib.contextmanager
def weights_off(vae, tolerance):
    """Within it each weight is `tolerance` larger or smaller, relative to itself; then as before.

    A score may be off by what that makes of it. Where p(x|z) is narrow, the difference that x_hat
    may have is many times as large in log p(x|z): 1 / σ times, of a normal.
    """
    rng = np.random.default_rng(0)
    kept = [(weight, keras.ops.convert_to_numpy(weight)) for weight in vae.weights]
    kept = [(weight, value) for weight, value in kept if "float" in weight.dtype]
    try:
        for weight, value in kept:
            weight.assign(value * (1 + tolerance * rng.choice([-1.0, 1.0], value.shape)))
        yield
    finally:
        for weight, value in kept:
            weight.assign(value)


def _check_imputer(vae, folder, tolerance):
    """The largest difference of what fills the gaps, away from boundaries, if there may be any."""
    if not (folder / "imputer.onnx").exists():
        return {}
    imputer, drawn, expected = session(load(folder / "imputer.onnx")), [], []
    for given, request in questions.scores(vae):
        drawn += imputer.run(["x_filled"], {**given, **questions.integers(request)})
        expected.append(vae.impute(**given, **request))
        there = ~np.isnan(given["x"])
        if not np.array_equal(drawn[-1][there], given["x"][there]):
            raise ValidationError(f"imputer.onnx, {request}: changes what is not missing")
    drawn, expected = np.concatenate(drawn), np.concatenate(expected)
    what = f"imputer.onnx, {len(drawn)} examples"
    _check_support(vae, drawn, what)
    return {"x_filled": _gap_of_draws(drawn, expected, tolerance, what)}


def _intermediate(model, name, path):
    for value in model.graph.value_info:
        if value.name == name:
            return value
    raise ValidationError(f"{path.name}: computes no {name}")


def _compare(file, model, reference, inputs, tolerance):
    opened, largest = session(model), {}
    names = [output.name for output in opened.get_outputs()]
    for label, feeds in inputs:
        expected = reference(**feeds)
        computed = dict(zip(names, opened.run(names, feeds), strict=True))
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
    """Returns max|computed - expected| / max(1, max|expected|), or infinity if shapes differ.

    Example:

    >>> difference(np.array([0.5, 100.0]), np.array([0.5, 101.0])) < 0.01
    True
    """
    if computed is None or computed.shape != expected.shape:
        return float("inf")
    gap = np.abs(computed.astype(np.float64) - expected).max(initial=0)
    return float(gap / max(1.0, np.abs(expected).max(initial=0)))
