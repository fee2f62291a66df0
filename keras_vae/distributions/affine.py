"""What Keras' preprocessing layers do to x, as location and scale of (x − location) / scale."""

import keras
import numpy as np
from keras import layers, ops


def map_of(preprocessing, input_shape):
    """location and scale of (x − location) / scale, which is what some layers do to x.

    Example:

    >>> location, scale = map_of(layers.Rescaling(1 / 127.5, offset=-1), (28, 28, 1))
    >>> float(location), float(scale)
    (127.5, 127.5)
    """
    if isinstance(preprocessing, keras.Sequential):
        preprocessing = preprocessing.layers
    several = isinstance(preprocessing, list | tuple)
    location, scale = np.zeros(()), np.ones(())
    for layer in preprocessing if several else [preprocessing]:
        inner_location, inner_scale = _map_of_layer(layer, input_shape)
        try:
            location, scale = location + scale * inner_location, scale * inner_scale
        except ValueError as error:
            raise _no_fit(input_shape, inner_scale.shape) from error
    if not _fits(location, scale, input_shape):
        raise _no_fit(input_shape, location.shape if location.ndim else scale.shape)
    return location, scale


def _fits(location, scale, input_shape):
    try:
        shape = np.broadcast_shapes(location.shape, scale.shape, input_shape)
    except ValueError:
        return False
    return shape == tuple(input_shape)


def _no_fit(input_shape, shape):
    return ValueError(
        f"preprocessing must fit one x, of shape {tuple(input_shape)}, but its numbers have shape "
        f"{tuple(shape)}"
    )


def _map_of_layer(layer, input_shape):
    if isinstance(layer, layers.Rescaling):
        factor, offset = (np.asarray(v, "float64") for v in (layer.scale, layer.offset))
        if not np.all(factor):
            raise ValueError("preprocessing must be invertible, but Rescaling has a scale of 0")
        return -offset / factor, 1 / factor
    if not isinstance(layer, layers.Normalization):
        raise ValueError(
            "preprocessing must be a keras.layers.Rescaling or Normalization, or a list of them, "
            f"because it is inverted, got {layer!r}"
        )
    mean, deviation = _statistics(layer, input_shape)
    return (-mean / deviation, 1 / deviation) if layer.invert else (mean, deviation)


def _statistics(layer, input_shape):
    """Mean and standard deviation of a Normalization, of the axes of one x."""
    if layer.input_mean is not None and not layer.built:
        try:
            layer.build((None, *input_shape))
        except Exception as error:  # of the backend, which differ
            raise _no_fit(input_shape, np.shape(layer.input_mean)) from error
    adapted = layer.built and (layer.input_mean is not None or not _is_new(layer))
    if not adapted:
        raise ValueError(
            "preprocessing is a Normalization that has seen no data: call its adapt(x), with the "
            "data of the training, or give it mean and variance"
        )
    mean, variance = (
        ops.convert_to_numpy(v).astype("float64") for v in (layer.mean, layer.variance)
    )
    if not variance.all():
        place = np.argwhere(variance[0] == 0)[0].tolist()
        raise ValueError(
            f"preprocessing must be invertible, but the data that its Normalization was adapted to "
            f"are constant at {place}: leave them out, or give a variance that is not 0"
        )
    return mean.reshape(mean.shape[1:]), np.sqrt(variance).reshape(variance.shape[1:])


def _is_new(layer):
    """Whether a Normalization was built, and not adapted: then it does nothing."""
    mean, variance = map(ops.convert_to_numpy, (layer.mean, layer.variance))
    return not mean.any() and (variance == 1).all()
