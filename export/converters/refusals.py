"""What cannot be exported, in one line that names the layer."""

import re


def no_operator(operation, place, layers):
    """Returns the `ValueError` for an operation that ONNX does not have.

    Args:
        operation: its name in words.
        place: where it stands, such as `"decoder/dense_1/Foo"`.
        layers: the `keras.Layer`s of the model.

    Example:

    >>> import keras
    >>> layers = [keras.layers.Dense(2, name="twice")]
    >>> print(no_operator("the operation Foo", "decoder_1/twice_1/Foo", layers))
    cannot export layer 'twice' (Dense): there is no ONNX operator for the operation Foo; ...
    """
    return ValueError(
        f"cannot export {named(place, layers)}: there is no ONNX operator for {operation}; "
        "use another layer or activation"
    )


def not_converted(converter, error, place, layers):
    """Returns the `ValueError` for what a converter fails at.

    Args:
        converter: its name.
        error: what it raised.
        place, layers: as of `no_operator`.

    Example:

    >>> error = KeyError("lu of a batch")
    >>> print(not_converted("jax2onnx", error, "encoder/volume", []))
    cannot export the model (at 'encoder/volume'): jax2onnx cannot convert it ('lu of a batch'); ...
    """
    reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return ValueError(
        f"cannot export {named(place, layers)}: {converter} cannot convert it ({reason}); use "
        "another layer or activation, or another --converter"
    )


def control_flow(kind, place, layers):
    """Returns the `ValueError` for a loop or a condition."""
    return ValueError(
        f"cannot export {named(place, layers)}: it holds control flow ({kind}); use layers "
        "without loops or conditions over tensors"
    )


def named(place, layers):
    """The layer in words: the innermost one that the place names; a part may end with a number."""
    parts = [re.sub(r"_\d+$", "", part) for part in place.split("/")]
    whole = place.split("/")
    for part, short in reversed([*zip(whole, parts, strict=True)]):
        for layer in layers:
            if layer.name in (part, short):
                return f"layer {layer.name!r} ({type(layer).__name__})"
    return f"the model (at {place!r})"
