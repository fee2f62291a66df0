"""Keras finds our classes in a saved model, whenever it is imported itself.

`keras.saving.load_model` knows a class of another package only after the import of its module, and
`import keras_vae` imports none. So `keras_vae.models` is imported together with Keras.
"""

import importlib
import sys
from importlib.util import find_spec


def register():
    """Imports the module of the model, which registers every class that a saved model may hold."""
    return importlib.import_module("keras_vae.models")


def register_with_keras():
    """Calls `register` at once if Keras is loaded, else at the end of the import of Keras."""
    if "keras" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, AfterKeras())


class AfterKeras:
    """A finder that leaves every module to the others, and registers once Keras is loaded."""

    def find_spec(self, name, path=None, target=None):
        """The specification of Keras, whose loader then calls `register`; None for all else."""
        spec = self.found(name, path, target) if name == "keras" else None
        if spec is not None:
            spec.loader.exec_module = self.then_register(spec.loader.exec_module)
        return spec

    def found(self, name, path, target):
        """What the other finders find."""
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in others)
        return next((spec for spec in specs if spec is not None), None)

    def then_register(self, load):
        """`load`, a function of a module, and then `register`."""

        def load_and_register(module):
            try:
                load(module)
            except ModuleNotFoundError as error:
                from keras_vae.names import BACKENDS  # here: a module of ours that is loaded counts

                if error.name not in BACKENDS:
                    raise
                raise _missing(error.name, BACKENDS) from error
            sys.meta_path.remove(self)
            if not any(name.startswith("keras_vae.") for name in {*sys.modules} - {__name__}):
                register()  # else one of our own modules is importing Keras, on its way to the rest

        return load_and_register


def _missing(backend, backends):
    """The error of a backend that is not installed, with what to do."""
    there = next((name for name in backends if name != backend and find_spec(name)), None)
    other = f"set KERAS_BACKEND={there}, which is" if there else "set KERAS_BACKEND to another"
    return ModuleNotFoundError(
        f"Keras is to compute on {backend}, which is not installed: "
        f'pip install "keras-vae[{backend}]", or {other}',
        name=backend,
    )
