"""float16 and int8: the parts of a VAE, made smaller and faster.

The files of a precision are composed of these parts in the same way as the float32 files. So they
have the same inputs and outputs, in float32, and the same noise, to the bit.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.canonical import canonical
from keras_vae import conditions, noise

LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}  # whose second operand holds weights
INTEGER = ["Conv", "Gemm", "MatMul", "Relu"]  # onnxruntime has no integer ConvTranspose
NETWORKS = ("encoder", "params")
HOLD_LAYERS = (*NETWORKS, "posterior", "densities", "elements", "filling")
DRAWS, SEED, ROWS = 2048, 1, 128  # samples to calibrate by, their seed, how many at once
HALF = np.finfo(np.float16)


def float16(parts):
    """Stores the weights of the layers in float16; everything is still computed in float32.

    A runtime turns the weights into float32 once, when it loads the file. So the file has half the
    size, and runs at the same speed. Biases and other constants stay in float32, and so do weights
    that float16 cannot hold.

    Args:
        parts: a `convert.Parts`; its prior is left as it is.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(8, 8, 1), latent_dim=2)
    >>> parts = convert.parts(vae)
    >>> round(parts.decoder.ByteSize() / float16(parts).decoder.ByteSize(), 1)
    2.0
    """
    return _each(parts, _halve)


def int8(parts):
    """Computes in 8 bits: signed weights with a scale for each channel, and unsigned activations.

    The weights take 7 of them, since processors without VNNI add two products in 16 bits, which 8
    would overflow: the same file would draw other samples there.

    The scales of the activations are fixed beforehand, on samples of the prior. Dynamic
    quantization would take them from the batch, so that a sample would depend on those drawn with
    it. Layers that read `x` or `z` stay in float32, since nothing bounds `x` and `z`. Transposed
    convolutions stay in float32 too, and so does each convolution to few outputs, which is one of
    them (see `convolution`). The weights of all these are stored in float16.

    Args:
        parts: a `convert.Parts`; its prior is left as it is.

    Example:

    >>> import keras_vae
    >>> from export import convert
    >>> vae = keras_vae.VAE.from_architecture("mlp", input_shape=(8, 8, 1), latent_dim=2)
    >>> sorted({node.op_type for node in int8(convert.parts(vae)).decoder.graph.node})
    ['Cast', 'DequantizeLinear', 'Identity', 'MatMul', 'QuantizeLinear', 'Relu', 'Reshape']
    """
    draws = _draws(parts)

    def quantized(model, kept, name):
        return _quantize(model, kept, draws[name]) if name in draws else model

    return float16(_each(parts, quantized))


PRECISIONS = {"float16": float16, "int8": int8}


def _each(parts, function):
    """The parts, with `function` applied to those that hold layers; z stays the same to the bit.

    `function` is given the graph, what of its layers stays, and its name. The prior's layers stay:
    its density is that of what the sampler draws. In a hierarchy they are the decoder's.
    """
    one_level = parts.posterior == parts.encoder
    held = {name: getattr(parts, name) for name in HOLD_LAYERS}
    known = {weights for part in NETWORKS for weights in _weights(held[part]).values()}
    made = {}
    for name, model in held.items():
        if model is not None:
            layers = _weights(model).items() if one_level else ()
            kept = {layer for layer, weights in layers if weights not in known}
            made[name] = function(model, kept, name)
    if one_level:
        made["posterior"] = made["encoder"]
    return parts._replace(**made)


def _weights(model):
    """The weights of each layer, by its name."""
    held = {
        tensor.name: numpy_helper.to_array(tensor).tobytes() for tensor in model.graph.initializer
    }
    layers = (node for node in model.graph.node if node.op_type in LAYERS)
    return {node.name: held[node.input[1]] for node in layers if node.input[1] in held}


def _halve(model, kept, name):
    graph = model.graph
    layers = [node for node in graph.node if node.op_type in LAYERS and node.name not in kept]
    weights = {node.input[1] for node in layers}
    constants, casts = [], []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name in weights and _fits_half(array):
            half = numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}/float16")
            casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=tensor.data_type))
            tensor = half
        constants.append(tensor)
    return _rebuilt(model, [*casts, *graph.node], constants)


def _fits_half(array):
    """Whether float16 can hold the weights: none overflows, and not all underflow."""
    return array.dtype == np.float32 and HALF.tiny <= np.abs(array).max(initial=0) <= HALF.max


def _draws(parts):
    """What each part reads when a sample of the prior goes through it."""
    epsilon, u = noise.latent(SEED, 0, DRAWS, parts.latent_dim), noise.component(SEED, 0, DRAWS)
    label = {}
    if parts.covariates:
        label = {"label": conditions.in_turn(parts.covariates, np.arange(DRAWS))}
    seen = label if parts.prior_sees_label else {}
    (z,) = _run(parts.prior, {"epsilon": epsilon, "u": u, **seen})
    (x,) = _run(parts.decoder, {"z": z, **label})
    posterior = dict(zip(_outputs(parts.posterior), _run(parts.posterior, {"x": x}), strict=True))
    if parts.posterior == parts.encoder:  # so z is the same in all
        posterior = {name: np.zeros_like(values) for name, values in posterior.items()}
    densities = {"x": x, **posterior, "epsilon": z[None], **label}
    return {
        "encoder": {"x": x},
        "posterior": {"x": x},
        "params": {"z": z, **label},
        "densities": densities,
        "elements": densities,
    }


def _run(model, feeds):
    """The outputs, computed a few rows at a time."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    batches = zip(*(session.run(None, rows) for rows in _in_rows(feeds)), strict=True)
    return [np.concatenate(column) for column in batches]


def _outputs(model):
    return [value.name for value in model.graph.output]


def _in_rows(feeds):
    for start in range(0, DRAWS, ROWS):
        rows = slice(start, start + ROWS)
        # epsilon may have draws first: (K, B, latent_dim)
        yield {n: a[..., rows, :] if n == "epsilon" else a[rows] for n, a in feeds.items()}


def _quantize(model, kept, draws):
    with tempfile.TemporaryDirectory() as folder:
        plain, fused, quantized = (Path(folder, name) for name in ("plain", "fused", "quantized"))
        onnx.save(model, plain)
        # MatMul and Add become Gemm, which has an integer kernel that adds the bias too.
        quant_pre_process(plain, fused, skip_symbolic_shape=True, skip_onnx_shape=True)
        quantization.quantize_static(
            fused,
            quantized,
            _Reader(draws),
            op_types_to_quantize=INTEGER,
            nodes_to_exclude=_excluded(onnx.load(fused).graph, kept),
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # 7 bits of weights: two products then fit the 16 that AVX2 adds in
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )
        graph = onnx.load(quantized).graph
    return _rebuilt(model, graph.node, graph.initializer)


def _excluded(graph, kept):
    """The names of the layers that have no other layer before them, and of those that are kept.

    A layer that was fused with the addition of its bias has a longer name than it had.
    """
    first, behind = [], set()
    longer = tuple(f"{name}/" for name in kept)
    stay = {n.name for n in graph.node if n.name in kept or n.name.startswith(longer)}
    for node in graph.node:
        if not behind.isdisjoint(node.input):
            behind.update(node.output)
        elif node.op_type in LAYERS and node.name not in stay:
            first.append(node.name)
            behind.update(node.output)
    return [*first, *stay]


class _Reader(quantization.CalibrationDataReader):
    """Rows of the draws, in the form that onnxruntime asks for."""

    def __init__(self, draws):
        self.rows = _in_rows(draws)

    def get_next(self):
        return next(self.rows, None)


def _rebuilt(model, nodes, constants):
    """The model with other nodes and constants, and the same inputs and outputs."""
    ends = model.graph.input, model.graph.output
    graph = helper.make_graph(nodes, model.graph.name, *ends, constants)
    whole = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    group = model.graph.node[0].name.rpartition("/")[0]
    return canonical(whole, [value.name for value in model.graph.output], group=group)
