"""The parts of a VAE as ONNX graphs: encoder, decoder, prior, and the log-densities."""

from typing import NamedTuple

import keras
import onnx.compose
from spox import build, inline

from export import labels
from export.canonical import canonical
from export.converters import convert
from export.draws import argument, densities, elements, filling, posterior_names
from keras_vae import noise

ENCODED = ["z_mean", "z_log_var"]
OTHERS = {"float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64"}


class Parts(NamedTuple):
    """The graphs that the files of a bundle are made of."""

    encoder: onnx.ModelProto
    """x -> z_mean, z_log_var; of a full normal z_correlation too, which its densities need."""
    posterior: onnx.ModelProto
    """x -> what the densities need of q(z|x): the same, or of a hierarchy features of x."""
    params: onnx.ModelProto
    """z -> x_params; a conditional model's has the input label too, and so have its densities."""
    mean: onnx.ModelProto
    """x_params -> x_hat."""
    draw: onnx.ModelProto | None
    """x_params, u -> x; None where one x takes more noise than there is."""
    prior: onnx.ModelProto
    """epsilon, u -> z; of a prior that is conditional with the input label too."""
    densities: onnx.ModelProto
    """x, what the posterior gives, epsilon (K, B, latent_dim) -> log_px_z, log_w, kl."""
    elements: onnx.ModelProto | None
    """The same without log_w -> Σ over K of the terms of log_px_z; None if there are no terms."""
    filling: onnx.ModelProto | None
    """The inputs of the densities, u (B,), u_of_x -> x_filled; None of data that have no gaps."""
    covariates: tuple = ()
    """What the label of a conditional model holds, as `keras_vae.VAE.covariates`."""

    @property
    def input_shape(self):
        """Shape of one example."""
        return _event(self.encoder.graph.input[0])

    @property
    def prior_sees_label(self):
        """Whether z depends on the label."""
        return "label" in {value.name for value in self.prior.graph.input}

    @property
    def latent_dim(self):
        """Size of z."""
        return _event(self.params.graph.input[0])[0]

    @property
    def noise_shape(self):
        """Shape of the uniform numbers that one x is drawn by."""
        return _event(self.draw.graph.input[1])

    @property
    def element_shape(self):
        """Shape of the terms of one x."""
        return _event(self.elements.graph.output[0])

    @property
    def decoder(self):
        """z -> x_hat."""
        return _joined(self.params, self.mean)


def parts(vae):
    """Converts all parts of a VAE.

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).

    Raises:
        ValueError: the model holds something that ONNX cannot say, such as a loop.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> parts(vae).input_shape
    (4, 4, 1)
    """
    decoder = params(vae)
    own = posterior(vae)
    return Parts(
        encoder(vae) if vae.levels.hierarchical else own,
        own,
        decoder,
        mean(vae),
        draw(vae),
        prior(vae),
        densities(vae, decoder),
        elements(vae, decoder),
        filling(vae, decoder),
        vae.covariates,
    )


def _event(value):
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:])


def encoder(vae):
    """Returns the ONNX model x -> z_mean, z_log_var: the posterior q(z|x) = N(z_mean, e^z_log_var).

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).

    Returns:
        An `onnx.ModelProto`; input `x` (batch, *input_shape), outputs `z_mean` and
        `z_log_var` (batch, latent_dim), all float32, and of a full normal `z_correlation`
        (batch, pairs of dimensions). Of a hierarchy they are those on the path where each group
        of latents is its mean. The same weights give the same bytes.

    Raises:
        ValueError: the model holds something that ONNX cannot say, such as a loop.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [output.name for output in encoder(vae).graph.output]
    ['z_mean', 'z_log_var']
    """

    if not vae.levels.hierarchical:
        return posterior(vae)

    def encoded(x):
        return dict(zip(ENCODED, vae.levels.encoded(vae.posterior(x)), strict=True))

    return convert(vae, encoded, ENCODED, "encoder", x=vae.input_shape)


def posterior(vae):
    """Returns the ONNX model x -> what q(z|x) is computed from, given also the noise.

    Of one level these are the outputs of `encoder`, of a hierarchy features of x.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("topdown", (8, 8, 1), latent_dim=1)
    >>> [output.name for output in posterior(vae).graph.output]
    ['features_0']
    """
    names = posterior_names(vae)

    def parameters(x):
        return dict(zip(names, vae.posterior(x), strict=True))

    return convert(vae, parameters, names, "encoder", x=vae.input_shape)


def decoder(vae):
    """Returns the ONNX model z -> x_hat: `params` and `mean`, one after the other.

    The decoder's raw output stands in the graph as the tensor `x_params`, not as an output.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> decoder(vae).graph.output[0].name
    'x_hat'
    """
    return _joined(params(vae), mean(vae))


def _joined(params, mean):
    """They are converted apart, because the converter moves operators across x_params."""
    mean = onnx.compose.add_prefix(mean, "mean/", rename_inputs=False, rename_outputs=False)
    whole = onnx.compose.merge_models(params, mean, io_map=[("x_params", "x_params")])
    return canonical(whole, ["x_hat"], keep=["x_params"], group="decoder")


def params(vae):
    """Returns the ONNX model z -> x_params: the decoder, whose output is raw.

    A conditional model's has a second input, `label`: (batch,), int64, or (batch, C), float32, of
    more covariates than one category; see `conditions.form`.

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).

    Returns:
        An `onnx.ModelProto`; input `z` (batch, latent_dim), output `x_params`, float32. The same
        weights give the same bytes.

    Raises:
        ValueError: the model holds something that ONNX cannot say, such as a loop.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> params(vae).graph.output[0].name
    'x_params'
    """

    def x_params(z, y=None):
        return {"x_params": vae.decoder(z if y is None else [z, y])}

    shapes = {"z": (vae.latent_dim,)}
    if not vae.covariates:
        return convert(vae, x_params, ["x_params"], "decoder", **shapes)
    return _given_label(vae, x_params, "x_params", "decoder", **shapes)


def _given_label(vae, function, output, group, **shapes):
    """The graph of a function whose last argument, y, is the label as the decoder takes it."""
    whole = inline(convert(vae, function, [output], group, **shapes, y=labels.width(vae.labels)))
    inputs = {name: argument("batch", *shape) for name, shape in shapes.items()}
    label = labels.argument(vae.covariates)
    found = whole(**inputs, y=labels.encoded(vae.labels, label))
    return canonical(build({**inputs, "label": label}, found), [output], group=group)


def mean(vae):
    """Returns the ONNX model x_params -> x_hat: the mean of the likelihood p(x|z).

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> mean(vae).graph.output[0].name
    'x_hat'
    """

    def x_hat(x_params):
        return {"x_hat": vae.likelihood.mean(x_params)}

    return convert(vae, x_hat, ["x_hat"], "decoder", x_params=vae.decoder.output_shape[1:])


def draw(vae):
    """Returns the ONNX model x_params, u -> x: a draw of the likelihood p(x|z).

    Returns:
        An `onnx.ModelProto`; None, if one x takes more uniform numbers than a sample has.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> [value.name for value in draw(vae).graph.input]
    ['x_params', 'u']
    """
    shape = vae.likelihood.noise_shape(vae.input_shape)
    try:
        noise.event_size(shape)
    except ValueError:
        return None

    def x(x_params, u):
        return {"x": vae.likelihood.draw(x_params, u)}

    return convert(vae, x, ["x"], "draw", x_params=vae.decoder.output_shape[1:], u=shape)


def prior(vae):
    """Returns the ONNX model epsilon, u -> z: the prior's function of noise.

    A prior that is conditional has the input `label` too, as `params` has it.

    Args:
        vae: a `keras_vae.VAE` that computes in float32 (see `float32`).

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> prior(vae).graph.output[0].name
    'z'
    """

    def transform(epsilon, u, y=None):
        return {"z": vae.prior.given(y).transform(epsilon, u)}

    shapes = {"epsilon": (vae.latent_dim,), "u": ()}
    if not vae.prior.conditional:
        return convert(vae, transform, ["z"], "prior", **shapes)
    return _given_label(vae, transform, "z", "prior", **shapes)


def float32(vae):
    """Returns the VAE itself, or a float32 copy with the same weights if it computes in others.

    Args:
        vae: a `keras_vae.VAE`, perhaps trained with a `mixed_float16` or a `float64` policy.

    Example:

    >>> import keras_vae
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(4, 4, 1), latent_dim=2)
    >>> float32(vae) is vae
    True
    """
    config = keras.saving.serialize_keras_object(vae)
    full = _full_precision(config)
    if full == config:
        return vae
    # Classes that are not registered and lambdas are code that runs here already: no stranger's.
    classes = {type(layer).__name__: type(layer) for layer in vae._flatten_layers()}
    try:
        copy = keras.saving.deserialize_keras_object(full, classes, safe_mode=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "cannot export a model of mixed precision of which Keras makes no copy in float32: "
            f"build one under the policy 'float32', give it the weights, and export that ({error})"
        ) from error
    copy.set_weights(vae.get_weights())
    return copy


def _full_precision(config, policy=False):
    """A config whose policies, what stands below a key dtype, are float32."""
    if isinstance(config, dict):
        return {k: _full_precision(value, policy or k == "dtype") for k, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_full_precision(value, policy) for value in config)
    return "float32" if policy and isinstance(config, str) and config in OTHERS else config
