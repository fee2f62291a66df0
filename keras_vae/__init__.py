"""Train a variational autoencoder with `model.fit`; ship it as ONNX.

A public name is loaded when it is first used, so `import keras_vae` alone loads no Keras.
"""

import importlib

from keras_vae import saved_models

__version__ = "0.1.0"

_MODULES = {
    name: f"keras_vae.{name}"
    for name in (
        "anomaly",
        "architectures",
        "datasets",
        "distributions",
        "estimators",
        "evaluation",
        "hub",
        "layers",
        "noise",
        "objectives",
        "plotting",
        "schedules",
        "tables",
    )
}

__all__ = ["VAE", "fit_prior", *_MODULES]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'keras_vae' has no attribute {name!r}")
    models = saved_models.register()
    return importlib.import_module(_MODULES[name]) if name in _MODULES else getattr(models, name)


def __dir__():
    return sorted({*globals(), *__all__})


saved_models.register_with_keras()
