"""What an ONNX file may hold: no more than the export writes, so nothing that names another file.

onnxruntime opens the files that a model names: external data, in any tensor of it; what operators
of foreign domains load. It is given no model that holds such a thing, or anything that cannot be
read here. Numpy and onnxruntime hold no reader of ONNX, so this is one of protobuf's wire format
(https://protobuf.dev/programming-guides/encoding), by the numbers of onnx.proto3.
"""

MOST = 2**20  # fields of one file; a scorer of the digits has 2**14
FIELDS = {
    "model": {
        **{1: "ir_version", 2: "producer_name", 3: "producer_version", 4: "domain"},
        **{5: "model_version", 6: "doc_string", 7: "graph", 8: "opset_import", 14: "metadata"},
    },
    "graph": {
        **{1: "node", 2: "name", 5: "initializer", 10: "doc_string", 11: "input", 12: "output"},
        **{13: "value_info"},
    },
    "node": {
        **{1: "input", 2: "output", 3: "name", 4: "op_type", 5: "attribute", 6: "doc_string"},
        **{7: "domain"},
    },
    "attribute": {
        **{1: "name", 2: "f", 3: "i", 4: "s", 5: "t", 6: "g", 7: "floats", 8: "ints"},
        **{9: "strings", 13: "doc_string", 20: "type"},
    },
    "tensor": {
        **{1: "dims", 2: "data_type", 4: "float_data", 5: "int32_data", 6: "string_data"},
        **{7: "int64_data", 8: "name", 9: "raw_data", 10: "double_data", 11: "uint64_data"},
        **{12: "doc_string"},
    },
    "metadata": {1: "key", 2: "value"},
}
"""The fields that the export writes, or might; no sparse tensor, function or training."""
MESSAGES = {"graph": "graph", "node": "node", "attribute": "attribute", "metadata": "metadata"}
MESSAGES |= {"initializer": "tensor", "t": "tensor", "g": "graph"}
VALUES = {"domain": {b"", b"ai.onnx"}, "key": {b"keras_vae"}}
FOREIGN = {
    ("model", 20): "training_info",
    ("model", 25): "functions",
    ("graph", 15): "sparse_initializer",
    ("attribute", 10): "tensors",
    ("attribute", 11): "graphs",
    ("attribute", 22): "sparse_tensor",
    ("attribute", 23): "sparse_tensors",
    ("tensor", 13): "external_data",
    ("tensor", 14): "data_location",
}


def check(data: bytes) -> None:
    """Refuses the bytes of an ONNX file that holds what the export never writes.

    The size of its tensors does not matter, since they are passed over.

    Raises:
        ValueError: what it holds, or that it is no ONNX file.

    Example:

    >>> check(bytes([7 << 3 | 2, 4, 5 << 3 | 2, 2, 14 << 3, 1]))
    Traceback (most recent call last):
    ValueError: it holds data_location of a tensor, which the export never writes
    """
    messages, left = [("model", 0, len(data))], MOST
    while messages:
        kind, *span = messages.pop()
        for number, wire, start, stop in _fields(data, *span):
            name = FIELDS[kind].get(number)
            if name is None:
                held = FOREIGN.get((kind, number), f"field {number}")
                raise ValueError(f"it holds {held} of a {kind}, which the export never writes")
            if wire == 2 and name in MESSAGES:
                messages.append((MESSAGES[name], start, stop))
            elif name in VALUES and data[start:stop] not in VALUES[name]:
                held = bytes(data[start : min(stop, start + 40)])
                raise ValueError(f"it holds the {name} {held!r}, which the export never writes")
            left -= 1
            if not left:
                raise ValueError(f"it holds more than {MOST} parts")


def _fields(data, start, end):
    """Yields number, wire type, and where the value starts and ends, for each field of a message.

    Of a value of wire type 2 (bytes, or a message) that is what comes after its length.
    """
    while start < end:
        tag, start = _varint(data, start, end)
        number, wire = tag >> 3, tag & 7
        if wire == 2:
            size, start = _varint(data, start, end)
            stop = start + size
        elif wire == 0:
            stop = _varint(data, start, end)[1]
        elif wire in (1, 5):
            stop = start + (8 if wire == 1 else 4)
        else:  # a group, of which ONNX has none, or nothing
            raise ValueError("it is no ONNX file, or a damaged one")
        if stop > end:
            raise ValueError("it is no ONNX file, or it was cut short")
        yield number, wire, start, stop
        start = stop


def _varint(data, start, end):
    """The number at `start`, of 7 bits a byte, and where it ends."""
    value = 0
    for at in range(start, min(end, start + 10)):
        value |= (data[at] & 0x7F) << 7 * (at - start)
        if data[at] < 0x80:
            return value, at + 1
    raise ValueError("it is no ONNX file, or a damaged one")
