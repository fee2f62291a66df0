"""What sampler.onnx and generator.onnx are fed, and whether this runtime draws what it must."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray


def draw(
    session: Any, seed: int, first: int, count: int, temperature: float, **label: ArrayLike
) -> list[NDArray[np.float32]]:
    """Returns z (count, latent_dim), and x_hat or x (count, *input_shape), as the session has it.

    Raises:
        ValueError: the temperature is more than float32 can hold.
    """
    z, x = _run(session, seed, first, count, temperature, **label)
    if not np.isfinite(z).all():
        raise ValueError(f"temperature {temperature} is more than float32 can hold")
    return [z, x]


def _run(session, seed, first, count, temperature, **label):
    whole = {"seed": seed, "first": first, "count": count}
    feeds: dict[str, Any] = {n: np.array(value, np.int64) for n, value in whole.items()} | label
    with np.errstate(over="ignore"):  # `draw` looks at what comes of it
        feeds["temperature"] = np.array(temperature, np.float32)
    return session.run(list(session.shapes), feeds)


def check_known_answer(session: Any, known: dict[str, Any], path: Path, **label: Any) -> None:
    """Draws the known z again, and refuses a runtime that draws another z.

    Args:
        session: of sampler.onnx or generator.onnx.
        known: the manifest's `known_answer`: `seed` and `first` in decimal, `count`, the `z` of
            temperature 1, and `tolerance`, the largest difference allowed.
        path: the bundle, for the message.
        **label: `label=array`, if the model is conditional: any one, if `known` holds none.

    Raises:
        ValueError: z differs, or `known` is not of that form.
    """
    try:
        seed, first, count = (int(known[name]) for name in ("seed", "first", "count"))
        want, tolerance = np.array(known["z"], np.float32), float(known["tolerance"])
        got, _ = _run(session, seed, first, count, temperature=1.0, **label)
        gap = np.abs(got - want.reshape(got.shape)).max()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: known_answer was cut short or changed: {error}") from error
    if not gap <= tolerance:
        providers = ", ".join(session.opened.get_providers())
        raise ValueError(
            f"onnxruntime {onnxruntime.__version__} with {providers} "
            f"draws other samples than those of {path} (z differs by {gap:.2g}, at most "
            f"{tolerance:g} is allowed): use another version of onnxruntime or another provider"
        )
