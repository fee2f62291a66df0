"""What manifest.json says of a bundle, and each ONNX file of itself."""

import dataclasses
import math

import keras
import numpy as np

from export import runtime
from export.canonical import OPSET, version
from keras_vae import conditions, noise
from keras_vae.evaluation.bits import columns_of, covariates_of, likelihood_of


def about(vae, metrics):
    """The manifest without `files` and `validation`: what each ONNX file says of itself.

    Args:
        vae: the `keras_vae.VAE`, computing in float32.
        metrics: what is known of the model; see `bundle.write`.
    """
    of_y = likelihood_of(vae)
    about = {
        "format": runtime.FORMAT,
        "format_version": runtime.FORMAT_VERSION,
        "keras_vae": version(),
        "opset": OPSET,
        "input_shape": list(vae.input_shape),
        "latent_dim": vae.latent_dim,
        **_groups(vae),
        **({} if vae.num_classes is None else {"num_classes": vae.num_classes}),
        "likelihood": {**_describe(of_y), "support": vae.likelihood.support},
        "x": {
            "dtype": "float32",
            "support": vae.likelihood.support,
            **({"missing": "NaN"} if vae.likelihood.missing else {}),
        },
        **_columns(vae),
        **_covariates(vae),
        **({} if of_y is vae.likelihood else {"preprocessing": _map(vae.likelihood)}),
        "prior": _describe(vae.prior),
        "known_answer": _known_answer(vae),
    }
    return about if metrics is None else {**about, "metrics": metrics}


def anomaly(vae, exported, detector):
    """What a `keras_vae.anomaly.Detector` is, once it is known to be of the model that is exported.

    Args:
        vae: the `keras_vae.VAE`.
        exported: the same in float32: itself, if it computes in float32.
        detector: the `Detector`.

    Raises:
        ValueError: it was calibrated for another model, or by scores of less than float32.
    """
    if detector.vae not in (vae, exported):
        raise ValueError(
            "the detector was calibrated for another model: give what "
            "keras_vae.anomaly.calibrate(vae, ...) returns for this one"
        )
    if detector.vae is not exported:
        raise ValueError(
            "the detector was calibrated in lower precision than the bundle computes in: calibrate "
            "export.convert.float32(vae), and export that"
        )
    return detector.to_json()


def _known_answer(vae, seed=-1, first=2**31 - 3, count=2):
    """What sampler.onnx draws. 64-bit integers are text, since JSON's numbers are exact to 2^53."""
    epsilon = noise.latent(seed, first, count, vae.latent_dim)
    u = noise.component(seed, first, count)
    label = conditions.in_turn(vae.covariates, [0] * count) if vae.prior.conditional else None
    pz = vae.prior.given(vae.labels.encoded(label))
    z = keras.ops.convert_to_numpy(pz.transform(epsilon, u))
    exact = np.array_equal(z, epsilon)
    return {
        "seed": str(seed),
        "first": str(first),
        "count": count,
        **({} if label is None else {"label": label[0].tolist()}),
        "z": z.tolist(),
        "tolerance": 0.0 if exact else 1e-5 * max(1.0, float(np.abs(z).max())),
    }


def _groups(vae):
    """Of a hierarchy: its groups of latents in the order in which they stand in z."""
    if not vae.levels.hierarchical:
        return {}
    return {"groups": [{"name": name, "shape": list(shape)} for name, shape in vae.groups.items()]}


def _map(transformed):
    """The preprocessing that the graphs hold, (x - location) / scale."""
    return {"location": transformed.location.tolist(), "scale": transformed.scale.tolist()}


def _columns(vae):
    """What the columns of a table are, without where their numbers lie.

    Labels are left out if the decoder takes z alone: to the bundle they are other columns.
    """
    columns = [c for c in columns_of(vae) or () if vae.covariates or not c.label]
    plain = [dataclasses.replace(c, x_knots=None, y_knots=None) for c in columns]
    return {"columns": [column.told() for column in plain]} if columns else {}


def _covariates(vae):
    """What the label holds, where neither the columns of a table nor `num_classes` say so."""
    told = [column.told() for column in covariates_of(vae)]
    return {"covariates": told} if told else {}


def _describe(layer):
    config = layer.get_config()
    for key in ("name", "dtype", "trainable", "columns"):
        config.pop(key, None)
    scalars = [weight for weight in layer.weights if len(weight.shape) == 0]
    learned = [weight for weight in scalars if "int" not in weight.dtype]  # the rest are counts
    weights = {weight.name: float(keras.ops.convert_to_numpy(weight)) for weight in learned}
    return {"class_name": type(layer).__name__, "config": config, "weights": weights}


def validation(gaps, tolerance):
    """What the gate found.

    Args:
        gaps: `{name of the output: its largest difference from Keras}`.
        tolerance: the largest difference allowed.
    """
    return {
        "tolerance": tolerance,
        "largest_difference": round_up(max(gaps.values())),
        "outputs": {name: round_up(gap) for name, gap in gaps.items()},
    }


def round_up(value):
    """Rounds up to one significant digit, so that small differences do not change a manifest.

    Example:

    >>> round_up(4.77e-07), round_up(0.0)
    (5e-07, 0.0)
    """
    if value == 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    return float(f"{math.ceil(value / 10**exponent)}e{exponent}")
