"""An ONNX file that might have onnxruntime open another file is refused before it is loaded."""

import time

import numpy as np
import onnx
import pytest
from onnx import helper

from export.runtime import OnnxVAE, graphs
from tests.export.runtime.test_bundles import sign

CANARY = b"a secret of this machine, of 48 bytes and no more"[:48]


def tensor(**options):
    """A tensor whose numbers stand in canary.bin."""
    outside = onnx.TensorProto(name="outside", data_type=1, dims=[12], data_location=1, **options)
    for key, value in {"location": "canary.bin", "offset": "0", "length": "48"}.items():
        outside.external_data.add(key=key, value=value)
    return outside


def sparse():
    return onnx.SparseTensorProto(values=tensor(), indices=tensor(), dims=[12])


def graph(**parts):
    return onnx.GraphProto(name="inner", **parts)


def node(**value):
    """An operator with one attribute."""
    return onnx.NodeProto(
        op_type="Constant", output=["c"], attribute=[onnx.AttributeProto(name="a", **value)]
    )


NODES = {
    "an attribute": node(t=tensor(), type=4),
    "an attribute without a type": node(t=tensor()),
    "a list of an attribute": node(tensors=[tensor()], type=9),
    "a graph": node(g=graph(initializer=[tensor()]), type=5),
    "a graph of a graph": node(g=graph(node=[node(g=graph(initializer=[tensor()]))]), type=5),
    "a list of graphs": node(graphs=[graph(initializer=[tensor()])], type=10),
    "a sparse attribute": node(sparse_tensor=sparse(), type=11),
    "sparse attributes": node(sparse_tensors=[sparse()], type=12),
    "an operator that opens files": helper.make_node(
        "EPContext", [], ["c"], domain="com.microsoft", ep_cache_context="canary.bin", embed_mode=0
    ),
    "an operator of strangers": helper.make_node("Anything", [], ["c"], domain="mine"),
}
FUNCTION = onnx.FunctionProto(name="f", node=[node(t=tensor())])
MODELS = {
    "an initializer": onnx.ModelProto(graph=graph(initializer=[tensor()])),
    "a sparse initializer": onnx.ModelProto(graph=graph(sparse_initializer=[sparse()])),
    "a function": onnx.ModelProto(functions=[FUNCTION]),
    "training": onnx.ModelProto(
        training_info=[onnx.TrainingInfoProto(initialization=graph(initializer=[tensor()]))]
    ),
    "settings of a session": onnx.ModelProto(
        metadata_props=[onnx.StringStringEntryProto(key="ort_config", value="{}")]
    ),
    **{name: onnx.ModelProto(graph=graph(node=[held])) for name, held in NODES.items()},
}


@pytest.mark.parametrize("name", MODELS)
def test_what_names_another_file_is_refused_wherever_it_stands(bundle, name):
    """protobuf merges a field that stands twice: what is appended becomes part of the model."""
    data = (bundle / "decoder.onnx").read_bytes() + MODELS[name].SerializeToString()
    sign(bundle, "decoder.onnx", data)
    with pytest.raises(ValueError, match=r"decoder\.onnx cannot be loaded: it holds .*never write"):
        OnnxVAE(bundle).decode(np.zeros((1, 3)))


def test_no_byte_of_another_file_is_returned(bundle, monkeypatch):
    """The attack itself: a decoder that gives what stands in a file of the working directory."""
    model = onnx.load(bundle / "decoder.onnx")
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend([tensor(), helper.make_tensor("shape", 7, [4], [1, 4, 3, 1])])
    model.graph.node.append(helper.make_node("Reshape", ["outside", "shape"], ["x_hat"]))
    monkeypatch.chdir(bundle)
    (bundle / "canary.bin").write_bytes(CANARY)
    sign(bundle, "decoder.onnx", model.SerializeToString())
    with pytest.raises(ValueError, match="holds external_data of a tensor"):
        OnnxVAE(bundle).decode(np.zeros((1, 3)))


def field(number, value, wire=2):
    """A field on the wire: a message or bytes if the value is that, else what is given."""
    return varint(number << 3 | wire) + (varint(len(value)) if wire == 2 else b"") + value


def varint(value, longest=0):
    """A number of 7 bits a byte, with as many bytes as asked for."""
    digits = [value & 127]
    while value := value >> 7:
        digits.append(value & 127)
    digits += [0] * (longest - len(digits))
    return bytes([*(digit | 128 for digit in digits[:-1]), digits[-1]])


def nested(depth):
    inner = b""
    for number in [7, *[1, 5, 6] * depth][::-1]:
        inner = field(number, inner)
    return inner


INSIDE = field(14, b"\1", wire=0)  # data_location of a tensor
WIRES = {
    "cut in a tag": b"\x80",
    "cut in a length": b"\x3a\xff",
    "cut in a message": b"\x3a\x05abc",
    "cut in a number": b"\x08\x80",
    "cut in 8 bytes": field(1, b"1234567", wire=1),
    "a length beyond all": b"\x3a" + b"\xff" * 9 + b"\1",
    "a number without end": b"\x08" + b"\xff" * 11,
    "a group": field(7, b"", wire=3) + field(7, b"", wire=4),
    "the end of a group": field(7, b"", wire=4),
    "a type that is none": field(7, b"", wire=6),
    "the field 0": field(0, b""),
    "a field of tomorrow": field(500, b""),
    "a field beyond 32 bits": varint(7 << 3 | 2 | 1 << 32) + varint(0),
    "a long tag": field(7, field(5, varint(14 << 3, 3) + b"\1")),
    "a long length": b"\x3a" + varint(4, 4) + field(5, INSIDE),
    "given twice": field(7, field(5, INSIDE + field(14, b"\0", wire=0))),
    "too many fields": field(1, b"\0", wire=0) * (graphs.MOST + 1),
    "another format": b"\x18\0\0\0ORTM",
}


@pytest.mark.parametrize("name", WIRES)
def test_what_cannot_be_read_for_sure_is_refused(name):
    with pytest.raises(ValueError, match=r"it (holds|is no ONNX)"):
        graphs.check(WIRES[name])


def test_depth_takes_no_stack():
    graphs.check(nested(3000))
    with pytest.raises(ValueError, match="it is no ONNX"):
        graphs.check(nested(3000)[:-1] + b"\x80")


def test_large_tensors_are_passed_over():
    data = field(7, field(5, field(9, bytes(2**25))))
    started = time.perf_counter()
    graphs.check(data)
    assert time.perf_counter() - started < 0.1


def test_a_file_of_onnxruntimes_own_format_is_not_loaded_as_such(bundle):
    """Bytes 4 to 8 say so; here they are part of a name, so the file is both."""
    data = field(2, b"\0\0ORTM".ljust(64)) + (bundle / "decoder.onnx").read_bytes()
    assert data[4:8] == b"ORTM"
    before = OnnxVAE(bundle).decode(np.zeros((1, 3)))
    sign(bundle, "decoder.onnx", data)
    np.testing.assert_array_equal(OnnxVAE(bundle).decode(np.zeros((1, 3))), before)
