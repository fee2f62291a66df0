"""python -m export.triton BUNDLE --out DIR: a bundle as a model repository of Triton.

Triton Inference Server serves a folder of models: `NAME/config.pbtxt` says what goes into a model
and what comes out, and `NAME/1/model.onnx` is the file. Each graph of a bundle is such a model.
"""

from pathlib import Path

import onnx

from export.runtime import manifest, sessions
from keras_vae.cli import Parser, status_of
from keras_vae.folders import new_folder
from keras_vae.output import patiently

TYPES = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.INT64: "TYPE_INT64"}
"""Triton's names of the types that a bundle has."""


def write(bundle, out):
    """Writes a model repository, whole or not at all.

    Args:
        bundle: a `pathlib.Path`, the folder that `python -m export` wrote.
        out: a `pathlib.Path`, which is missing or empty.

    Returns:
        The names of the models, as `sampler`.

    Raises:
        ValueError: the bundle is none, or damaged; the folder holds something, or cannot be
            written.
        OSError: the disk is full.
    """
    entries = manifest.read(bundle)["files"]
    with new_folder(out) as folder:
        for name, entry in entries.items():
            data = sessions.read(bundle / name, entry)
            model = folder / Path(name).stem
            (model / "1").mkdir(parents=True)
            (model / "1" / "model.onnx").write_bytes(data)
            text = config(onnx.load_model_from_string(data).graph)
            (model / "config.pbtxt").write_text(text, encoding="utf-8")
    return [Path(name).stem for name in entries]


def config(graph):
    """The text of config.pbtxt for a graph.

    `max_batch_size` is 0, for Triton to join no requests: one seed draws one request's samples. A
    scalar has the shape [1] there, since Triton knows no other, and from 23.10 on gives the graph
    the number. The models compute on the CPU, where the noise is the same to the bit.

    Example:

    >>> from onnx import parser
    >>> print(config(parser.parse_graph("g (int64 seed, float[b, 2] x) => (float[b] y) {}")))
    backend: "onnxruntime"
    max_batch_size: 0
    input [
      { name: "seed", data_type: TYPE_INT64, dims: [ 1 ] },
      { name: "x", data_type: TYPE_FP32, dims: [ -1, 2 ] }
    ]
    output [
      { name: "y", data_type: TYPE_FP32, dims: [ -1 ] }
    ]
    instance_group [ { kind: KIND_CPU } ]
    <BLANKLINE>

    Reference: Triton Inference Server, Model Configuration; its onnxruntime_backend, pull request
    213, of scalars.
    """
    tensors = {
        kind: ",\n".join(f"  {{ {tensor(value)} }}" for value in values)
        for kind, values in (("input", graph.input), ("output", graph.output))
    }
    lists = [f"{kind} [\n{text}\n]" for kind, text in tensors.items()]
    head = ['backend: "onnxruntime"', "max_batch_size: 0"]
    return "\n".join([*head, *lists, "instance_group [ { kind: KIND_CPU } ]", ""])


def tensor(value):
    """Name, type and shape of an input or output, as fields of Triton's ModelInput."""
    kind = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim] or [1]
    shape = ", ".join(map(str, dims))
    return f'name: "{value.name}", data_type: {TYPES[kind.elem_type]}, dims: [ {shape} ]'


def main(arguments=None):
    """Runs the command line and returns its exit status.

    0: the folder is written. 2: one line on stderr says what is wrong.

    Example:

    >>> main(["nowhere", "--out", "models"])
    2
    """
    return patiently(_main, arguments)


def _main(arguments):
    return status_of(_run, _parser().parse_args(arguments), left="; nothing is written")


def _run(options):
    names = write(options.bundle, options.out)
    print(f"wrote {options.out}: {', '.join(names)}")


def _parser():
    parser = Parser(
        prog="python -m export.triton",
        description="Write an exported VAE as a model repository of Triton Inference Server.",
    )
    parser.add_argument("bundle", type=Path, help="the folder that python -m export wrote")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder for the models"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
