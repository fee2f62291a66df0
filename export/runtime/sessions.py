"""An ONNX file of a bundle as an onnxruntime session."""

import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state  # pyright: ignore

from . import graphs, manifest

Provider = str | tuple[str, dict[str, Any]]
"""The name of an execution provider of onnxruntime, perhaps with its options."""

CPU = "CPUExecutionProvider"
ERRORS = tuple(
    error
    for error in vars(onnxruntime_pybind11_state).values()
    if isinstance(error, type) and issubclass(error, Exception)
)


class NotComputedError(ValueError):
    """onnxruntime failed in a computation, perhaps for want of memory: not for what was asked."""


class Session:
    """An ONNX file, opened: it computes float32, in the shapes that the manifest says.

    Args:
        path: the file.
        opened: onnxruntime's session of it.
        shapes: the shape of one example of each output, and of inputs, by name.

    Raises:
        ValueError: the file says that it has other inputs or outputs.
    """

    def __init__(self, path: Path, opened: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.path, self.opened, self.shapes = path, opened, shapes
        self.inputs = {value.name for value in opened.get_inputs()}
        found = {value.name: value for value in opened.get_inputs() + opened.get_outputs()}
        for name, shape in shapes.items():
            held = found[name].shape if name in found else None
            if held is None or tuple(held[1:]) != shape or not held:
                raise ValueError(f"{path} has {name} of {held}, the manifest says {shape}")
            if found[name].type != "tensor(float)":
                raise ValueError(f"{path} has {name} of {found[name].type}, not of float32")

    def run(self, names: Sequence[str], feeds: Mapping[str, Any]) -> list[NDArray[np.float32]]:
        """Returns the outputs of these names: float32, an example for each that was asked for.

        Raises:
            ValueError: onnxruntime cannot compute them, or what comes is not what was declared.
        """
        try:
            outputs = self.opened.run(names, feeds)
        except ERRORS as error:
            raise NotComputedError(f"{self.path} cannot be computed: {_line(error)}") from error
        count = int(feeds["count"]) if "count" in feeds else len(next(iter(feeds.values())))
        for name, output in zip(names, outputs, strict=True):
            want, got = (count, *self.shapes[name]), np.shape(output)
            if got != want or output.dtype != np.float32:
                raise ValueError(f"{self.path} computes {name} of shape {got}, not {want}")
        return outputs


def load(
    path: Path,
    entry: dict[str, Any],
    providers: Sequence[Provider],
    shapes: Mapping[str, tuple[int, ...]],
) -> Session:
    """Returns the `Session` of an ONNX file, after checking that it is the right file.

    Args:
        path: the file.
        entry: what the manifest says of it: `sha256`, `bytes`.
        providers: onnxruntime's execution providers.
        shapes: the shape of one example by name, for the inputs and outputs that are used.

    Raises:
        ValueError: the file is missing, damaged, foreign, or of another model.
    """
    data = read(path, entry)
    try:
        options, fall_back = _options(providers), not on_cpu(providers)  # which it prints
        opened = onnxruntime.InferenceSession(data, options, providers, enable_fallback=fall_back)
        about = opened.get_modelmeta().custom_metadata_map.get(manifest.METADATA)
    except (ValueError, *ERRORS) as error:
        raise ValueError(f"{path} cannot be loaded: {_line(error)}") from error
    if about is None:
        raise ValueError(f"{path} was not written by keras-vae: export the model again")
    manifest.about(path, about)
    return Session(path, opened, shapes)


def read(path: Path, entry: dict[str, Any]) -> bytes:
    """Returns the bytes of an ONNX file, which hold nothing that the export never writes.

    Args:
        path: the file.
        entry: what the manifest says of it: `sha256`, `bytes`.

    Raises:
        ValueError: the file is missing, damaged or foreign.
    """
    size = entry.get("bytes", 0)
    data = manifest.read_bytes(path, size)
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise ValueError(
            f"{path} is not the file that the manifest describes, of {size} bytes: it was cut "
            "short or changed; copy or export it again"
        )
    try:
        graphs.check(data)
    except ValueError as error:
        raise ValueError(f"{path} cannot be loaded: {_line(error)}") from error
    return data


def on_cpu(providers: Sequence[Provider]) -> bool:
    """Whether these providers compute on the CPU alone."""
    return {name if isinstance(name, str) else name[0] for name in providers} == {CPU}


def _options(providers):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error is raised, so it need not be printed too
    options.add_session_config_entry("session.load_model_format", "ONNX")  # as it was checked
    if on_cpu(providers):
        options.intra_op_num_threads = 1  # the workers are the threads: benchmarks/sampling.py
    return options


def _line(error):
    return textwrap.shorten(str(error), 500, placeholder=" ...")
