"""Whether what a VAE is made of fits together."""

import inspect
import numbers
import warnings

import keras

from keras_vae.architectures.groups import Group
from keras_vae.distributions.column import Column
from keras_vae.distributions.likelihoods import LIKELIHOODS
from keras_vae.distributions.priors import PRIORS
from keras_vae.lookup import named, settings_of
from keras_vae.objectives import OBJECTIVES

OTHER_PARTS = {"objective": OBJECTIVES, "likelihood": LIKELIHOODS, "prior": PRIORS}

RESHAPING = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.Permute,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Cropping3D,
)
"""Layers that leave the numbers as they are."""


def check_parts(encoder, decoder, likelihood):
    """Raises `ValueError` unless the three fit together."""
    for name, model in {"encoder": encoder, "decoder": decoder}.items():
        if not getattr(model, "outputs", None):
            if isinstance(model, keras.Sequential):
                raise ValueError(
                    f"{name} is a Sequential that must begin with keras.Input(shape), the shape "
                    "without the batch axis, but has no Input"
                )
            raise ValueError(
                f"{name} must be a functional or sequential model, as keras.Model(inputs, outputs) "
                f"makes it, got {type(model).__name__}"
            )
    if len(encoder.inputs) != 1:
        raise ValueError(f"encoder must take x alone, but takes {encoder.inputs}")
    groups = [layer for layer in decoder.layers if isinstance(layer, Group)]
    latent_dim = _of_groups(groups, encoder) if groups else _latent_dim(encoder.output)
    z, *label = (tuple(h.shape) for h in decoder.inputs)
    if z != (None, latent_dim) or len(label) > 1 or any(len(shape) != 2 for shape in label):
        raise ValueError(
            f"decoder must take z of shape {(None, latent_dim)}, as the encoder gives it, and if "
            f"it is conditional a label of shape (None, num_classes), but takes "
            f"{decoder.input_shape}"
        )
    event = likelihood.event_shape or tuple(encoder.input_shape[1:])
    taken = (None, *likelihood.feature_shape(event))
    if likelihood.event_shape and tuple(encoder.input_shape) != taken:
        raise ValueError(
            f"encoder must take {taken} for {type(likelihood).__name__} and x of shape "
            f"{(None, *event)}, but takes {encoder.input_shape}"
        )
    *space, channels = (None, *event)
    want = (*space, likelihood.num_params(channels))
    if tuple(decoder.output_shape) != want:
        raise ValueError(
            f"decoder must return {want} for {type(likelihood).__name__} and x of shape "
            f"{(None, *event)}, but returns {decoder.output_shape}"
        )
    _check_nothing_shared(encoder, decoder)
    _warn_of_activation(decoder, likelihood)


def as_columns(covariates):
    """`Column`s, or dictionaries of their fields, as a tuple of `Column`s."""
    return tuple(c if isinstance(c, Column) else Column(**c) for c in covariates or ())


def covariates_of(given, likelihood, decoder=None):
    """The `Column`s that y holds: those that were given, or of a table those with `label`.

    Args:
        given: `Column`s.
        likelihood: the model's.
        decoder: if it takes z alone, the columns of a table are of no matter.

    Raises:
        ValueError: some were given to the model of a table that has its own.
    """
    own = tuple(column for column in getattr(likelihood, "table", ()) if column.label)
    if own and given:
        raise ValueError(
            f"the covariates of a table are its columns with label, here "
            f"{', '.join(repr(column.name) for column in own)}: leave covariates out"
        )
    return given or (() if decoder is not None and len(decoder.inputs) == 1 else own)


def with_width(options, covariates):
    """The options of an architecture whose decoder is given the covariates, if there are any."""
    width = sum(column.width for column in covariates)
    return {"num_classes": width, **options} if width else options


def check_event(input_shape, likelihood):
    """Raises `ValueError` if the likelihood is of x of another shape than `input_shape`."""
    if likelihood.event_shape not in (None, input_shape):
        raise ValueError(
            f"input_shape must be {likelihood.event_shape} for this "
            f"{type(likelihood).__name__}, got {input_shape}"
        )


def _of_groups(groups, encoder):
    """The size of z, if the groups follow each other and the encoder looks at x for each."""
    features = [tuple(output.shape[1:]) for output in encoder.outputs]
    end = 0
    for group in groups:
        if group.begin != end or group.level >= len(features):
            raise ValueError(
                f"a group of latents must begin where the one above ends, at {end}, and look at "
                f"one of the encoder's {len(features)} outputs, got begin {group.begin} and level "
                f"{group.level}"
            )
        if features[group.level] != group.shape:
            raise ValueError(
                f"output {group.level} of the encoder must have the shape of the group that looks "
                f"at it, {(None, *group.shape)}, got {(None, *features[group.level])}"
            )
        end += group.size
    return end


def _latent_dim(output):
    shapes = [tuple(h.shape) for h in output] if isinstance(output, (list, tuple)) else [()]
    size = shapes[0][-1] if len(shapes[0]) == 2 else 0
    diagonal = [(None, size)] * 2
    if shapes not in (diagonal, [*diagonal, (None, size * (size - 1) // 2)]):
        raise ValueError(
            "encoder must have two outputs in a list, z_mean and z_log_var, of shape (batch, "
            "latent_dim) each, or a third of shape (batch, latent_dim * (latent_dim - 1) / 2) for "
            f"the correlations, got {output}"
        )
    return size


def _check_nothing_shared(encoder, decoder):
    own = {id(variable) for variable in encoder.variables}
    shared = [variable.path for variable in decoder.variables if id(variable) in own]
    if shared:
        raise ValueError(
            "encoder and decoder must not share a layer, since Keras could not load the model once "
            f"it is saved, but both have {shared[0]}: give each a layer of its own"
        )


def _warn_of_activation(decoder, likelihood):
    """Warns of a decoder that ends in a sigmoid, or the like, where raw outputs are wanted."""
    activation = _last_activation(decoder)
    if not likelihood.raw_of_either_sign or activation is None:
        return
    if float(keras.ops.min(activation(keras.ops.convert_to_tensor([[-3.0, 3.0]])))) >= 0:
        name = getattr(activation, "__name__", type(activation).__name__)
        warnings.warn(
            f"the decoder ends in {name}, but {type(likelihood).__name__} wants raw outputs, of "
            "either sign, and applies a function of its own: leave the last activation out",
            stacklevel=2,
        )


def _last_activation(model):
    layers = [layer for layer in model.layers if not isinstance(layer, RESHAPING)]
    if isinstance(layers[-1], keras.Model):
        return _last_activation(layers[-1])
    itself = (
        layers[-1] if isinstance(layers[-1], keras.layers.ReLU | keras.layers.Softmax) else None
    )
    return getattr(layers[-1], "activation", itself)


def check_options(make, options):
    """Raises `ValueError` unless the architecture `make` has these options."""
    parameters = inspect.signature(make).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in options.keys() - parameters.keys():
        for part, kind in _parts_with(name):
            raise ValueError(
                f"{name} is no option of {make.__name__}, but of the {part}: give "
                f"{part}={kind.__name__}({name}={options[name]!r})"
            )
        known = dict.fromkeys(list(parameters)[4:])  # after the sizes and the seed
        named(f"option of {make.__name__}", name, known)


def _parts_with(setting):
    return (
        (part, kind)
        for part, table in OTHER_PARTS.items()
        for kind in table.values()
        if setting in settings_of(kind)
    )


def check_dtype(policy):
    """Raises `ValueError` if a VAE of this dtype policy would have its weights in float64."""
    if policy.variable_dtype == "float64":
        raise ValueError(
            "the dtype policy must be 'float32', 'mixed_bfloat16' or 'mixed_float16', got "
            f"{policy.name!r}: the noise and the densities of a VAE are float32"
        )


def checked_seed(seed):
    """`seed` as an int, or None; a `ValueError` if Keras could not use it."""
    if seed is None:
        return None
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**31:
        raise ValueError(f"seed must be a whole number from 0 to 2**31 - 1, or None, got {seed!r}")
    return int(seed)
