"""Train a variational autoencoder with `model.fit`; ship it as ONNX."""

import sys

__version__ = "0.1.0"

_AS_COMMAND = sys.argv[:1] == ["-m"] and "-m keras_vae" in " ".join(sys.orig_argv[:6])

if not _AS_COMMAND:  # `python -m keras_vae` reads its arguments before it loads Keras
    from keras_vae import (
        architectures,
        datasets,
        distributions,
        estimators,
        evaluation,
        layers,
        objectives,
        plotting,
        schedules,
    )
    from keras_vae.models import VAE

    __all__ = [
        "VAE",
        "architectures",
        "datasets",
        "distributions",
        "estimators",
        "evaluation",
        "layers",
        "objectives",
        "plotting",
        "schedules",
    ]
