"""An ONNX file of a bundle as an onnxruntime session."""

import hashlib
import json

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

from .manifest import METADATA, check_version, read_bytes

CPU = "CPUExecutionProvider"
ERRORS = tuple(
    error
    for error in vars(onnxruntime_pybind11_state).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


def load(path, entry, providers, shapes):
    """Returns the session of an ONNX file, after checking that it is the right file.

    Args:
        path: the file.
        entry: what the manifest says of it: `sha256`, `bytes`.
        providers: onnxruntime's execution providers.
        shapes: the shape of one example by name, for the inputs and outputs that are to be checked.

    Raises:
        ValueError: the file is missing, damaged, foreign, or of another model.
    """
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise ValueError(
            f"{path} is not the file that the manifest describes ({len(data)} bytes, expected "
            f"{entry.get('bytes')}): it was cut short or changed; copy or export it again"
        )
    try:
        session = onnxruntime.InferenceSession(data, _options(providers), providers=providers)
    except ERRORS as error:
        raise ValueError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from error
    about = session.get_modelmeta().custom_metadata_map.get(METADATA)
    if about is None:
        raise ValueError(f"{path} was not written by keras-vae: export the model again")
    check_version(path, json.loads(about))
    found = {value.name: value.shape for value in session.get_inputs() + session.get_outputs()}
    for name, shape in shapes.items():
        if name not in found or tuple(found[name][1:]) != shape:
            raise ValueError(f"{path} has {name} of {found.get(name)}, the manifest says {shape}")
    return session


def on_cpu(providers):
    """Whether these providers compute on the CPU alone."""
    return {name if isinstance(name, str) else name[0] for name in providers} == {CPU}


def _options(providers):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if on_cpu(providers):
        options.intra_op_num_threads = 1  # the workers are the threads: benchmarks/sampling.py
    return options
