"""Samples and scores by Apache Beam: functions for its ONNX model handler.

    from apache_beam.ml.inference.base import RunInference
    from apache_beam.ml.inference.onnx_inference import OnnxModelHandlerNumpy
    from export.runtime.beam import sampling

    handler = OnnxModelHandlerNumpy("bundle/sampler.onnx", inference_fn=sampling(seed=7))
    indices | RunInference(handler)  # a PCollection of np.int64 → PredictionResult

A result is the same to the bit whatever bundles of elements a runner makes, since sample i of a
seed depends on i alone. Beam opens the file itself, from any of its file systems, and reads no
manifest: whether a bundle is whole, `OnnxVAE` says.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import check_draw, check_score, checked_index
from .each import sample_each, score_each
from .vae import SCORES

DTYPES = {"tensor(int64)": np.int64, "tensor(float)": np.float32}


def sampling(
    seed: int = 0, temperature: float = 1.0, label: ArrayLike | None = None
) -> Callable[..., NDArray[np.float32]]:
    """Returns an `inference_fn` that draws the samples of indices.

    It is for `sampler.onnx`, which gives the mean of p(x|z), and `generator.onnx`, which draws x.

    Args:
        seed, temperature: as in `OnnxVAE.sample`.
        label: for a conditional model: a whole number, or a number for each covariate.

    Raises:
        ValueError: an argument is out of range; when elements come, an index is.
    """
    check_draw(0, seed, temperature, 0)
    given = {"seed": np.array(seed, np.int64), "temperature": np.array(temperature, np.float32)}

    def inference(session: Any, batch: Sequence[Any], inference_args: Any = None) -> Any:
        feeds = given | {} if label is None else given | {"label": fed(session, "label", label)}
        output = session.get_outputs()[1].name

        def draw(first: int, count: int) -> Any:
            place = {"first": np.array(first, np.int64), "count": np.array(count, np.int64)}
            return session.run([output], feeds | place)[0]

        return sample_each(draw, checked_index(np.asarray(batch), len(batch)))

    return inference


def scoring(num_samples: int = 100, seed: int = 0) -> Callable[..., dict[str, NDArray[np.float32]]]:
    """Returns an `inference_fn` that scores examples, for `scorer.onnx`.

    An element is a record of NumPy with the fields `x` and `index`, and `label` of a conditional
    model; so an array of the dtype `[("index", np.int64), ("x", np.float32, input_shape)]` is a
    list of them. A result is a dictionary of numbers, in nats: see `OnnxVAE.score`.

    Args:
        num_samples, seed: as in `OnnxVAE.score`.

    Raises:
        ValueError: an argument is out of range; when elements come, an index is.
    """
    check_score(num_samples, seed)
    given = {"num_samples": np.array(num_samples, np.int64), "seed": np.array(seed, np.int64)}

    def inference(session: Any, batch: Sequence[Any], inference_args: Any = None) -> Any:
        rows = {name: np.stack([row[name] for row in batch]) for name in batch[0].dtype.names}
        rows["index"] = checked_index(rows["index"], len(batch))
        feeds = {name: fed(session, name, values) for name, values in rows.items()}

        def run(part: slice) -> Any:
            some = {name: values[part] for name, values in feeds.items()}
            return session.run(SCORES, given | some)

        return dict(zip(SCORES, score_each(run, len(batch)), strict=True))

    return inference


def fed(session: Any, name: str, values: ArrayLike) -> NDArray[Any]:
    """The values as the input of this name takes them.

    Raises:
        ValueError: the graph has no such input, or takes whole numbers, and others were given.
    """
    kinds = {value.name: value.type for value in session.get_inputs()}
    if name not in kinds:
        raise ValueError(f"the graph takes {', '.join(kinds)}, got {name!r}: leave it out")
    values, kind = np.asarray(values), DTYPES[kinds[name]]
    if kind is np.int64 and not np.array_equal(values, np.floor(values)):
        raise ValueError(f"{name} must hold whole numbers, got {values.flat[0]}")
    return values.astype(kind)
