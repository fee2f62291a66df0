"""Whether an encoder, a decoder and a likelihood make one model."""


def check_parts(encoder, decoder, likelihood):
    """Raises `ValueError` unless the three fit together."""
    for name, model in {"encoder": encoder, "decoder": decoder}.items():
        if not getattr(model, "outputs", None):
            raise ValueError(
                f"{name} must be a functional or sequential model, as keras.Model(inputs, outputs) "
                f"makes it, got {type(model).__name__}"
            )
    if len(encoder.inputs) != 1:
        raise ValueError(f"encoder must take x alone, but takes {encoder.inputs}")
    latent_dim = _latent_dim(encoder.output)
    z, *label = (tuple(h.shape) for h in decoder.inputs)
    if z != (None, latent_dim) or len(label) > 1 or any(len(shape) != 2 for shape in label):
        raise ValueError(
            f"decoder must take z of shape {(None, latent_dim)}, as the encoder gives it, and if "
            f"it is conditional a label of shape (None, num_classes), but takes "
            f"{decoder.input_shape}"
        )
    *space, channels = encoder.input_shape
    want = (*space, likelihood.num_params(channels))
    if tuple(decoder.output_shape) != want:
        raise ValueError(
            f"decoder must return {want} for {type(likelihood).__name__} and x of shape "
            f"{encoder.input_shape}, but returns {decoder.output_shape}"
        )


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
