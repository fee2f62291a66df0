"""Methods of a model compiled for arrays, and kept for the next call."""

import math

from keras import ops

from keras_vae import backend


class Programs:
    """The methods of a model that were compiled, each with the parts that it was compiled for.

    A call that computes many batches is compiled, for the two shapes that its batches have at most;
    for a few batches compiling would take longer than it saves. (PyTorch counts the batches of all
    calls.) What is compiled sees new values of weights, and new weights and parts, but no other
    attribute that is changed afterwards.

    Args:
        model: the `VAE`.
    """

    def __init__(self, model):
        self.model, self.kept = model, {}

    def of(self, method, count, batch_size=1):
        """Returns `method`, of tensors to a tuple of tensors, for arrays: compiled if that pays.

        What it returns may still be being computed: `as_arrays` waits for it.

        Args:
            method: of the model; it depends on its parts and on its arguments alone.
            count, batch_size: how many rows there are to compute, and how many at once.
        """
        if math.ceil(count / batch_size) >= backend.LIMITS.compile_after:
            method = self._compiled(method)
        return lambda *arrays: method(*map(self._tensor, arrays))

    def _compiled(self, method):
        model = self.model
        parts = [model.encoder, model.decoder, model.likelihood, model.prior, *model.weights]
        program, compiled_for = self.kept.get(method.__name__, (None, []))
        if list(map(id, parts)) != list(map(id, compiled_for)):  # held, so that no id is reused
            program = backend.compiled(method, model)
            self.kept[method.__name__] = program, parts
        return program

    def _tensor(self, array):
        """`array` as a tensor; labels, the only integers of one axis, stay whole numbers."""
        labels = array.ndim == 1 and array.dtype.kind == "i"
        return ops.convert_to_tensor(array, "int32" if labels else self.model.variable_dtype)
