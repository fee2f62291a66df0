"""Functions of Keras operations as ONNX graphs: a converter for each backend that has one."""

import importlib

import keras

from export.canonical import canonical
from export.converters.recurrent import unrolled
from export.convolution import transpose_few
from keras_vae.names import CONVERTERS, EXTRAS

LIBRARIES = {backend: library for library, backend in CONVERTERS.items()}


def converter():
    """Returns the module that converts on this backend: `convert(function, layers, **shapes)`.

    Raises:
        ValueError: the backend has none, or its library is not installed.

    Example:

    >>> converter().__name__
    'export.converters.tensorflow'
    """
    backend = keras.config.backend()
    if backend not in LIBRARIES:
        raise ValueError(
            f"the conversion to ONNX runs on Keras' backends {', '.join(LIBRARIES)}, and this is "
            f"{backend}: save the model, and run `python -m export MODEL.keras --out FOLDER`"
        )
    try:
        return importlib.import_module(f"export.converters.{backend}")
    except ModuleNotFoundError as error:
        if error.name != LIBRARIES[backend]:
            raise
        raise ValueError(
            f"to convert models on {backend}, {error.name} must be installed: pip install "
            f'"keras-vae[{EXTRAS[error.name]}]"; or run `python -m export MODEL.keras --out FOLDER`'
        ) from error


def convert(vae, function, outputs, group, **shapes):
    """Returns the canonical graph of a function of float32 tensors, by the backend's converter.

    Args:
        vae: the `keras_vae.VAE` whose layers the function calls.
        function: of tensors by name to a dictionary of tensors.
        outputs: their names, in the order wanted.
        group: of its nodes, for viewers, such as `"decoder"`.
        **shapes: of each input, the shape behind its first axis, which has any length.

    Raises:
        ValueError: it holds something that ONNX cannot say, such as a loop.
    """
    layers = vae._flatten_layers()
    with unrolled(layers):
        model = converter().convert(function, layers, **shapes)
    transpose_few(model.graph)
    return canonical(model, outputs, group=group)
