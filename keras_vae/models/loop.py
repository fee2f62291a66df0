"""Which function `fit` calls for its steps."""

from contextlib import contextmanager

import keras
from keras import ops

from keras_vae import backend
from keras_vae.models.inputs import pack
from keras_vae.models.onednn import needs_xla
from keras_vae.models.plan import Facts, plan
from keras_vae.models.rows import BroughtRows, Rows


class Loop:
    """The training function of a model, kept beside it.

    `fit` is Keras' own. Where x can stay in place it is given `Rows` of x, and the function that
    it calls takes many steps at once; else it is given what the user gave, and the function is
    Keras' own, or that of the backend. Nothing else writes `train_function` or
    `steps_per_execution`.

    Args:
        model: the `VAE`, compiled.
        in_keras_loop: whether every step is to be Keras' own.
    """

    def __init__(self, model, in_keras_loop):
        self.model, self.in_keras_loop = model, in_keras_loop
        self.rows, self.xla = None, False
        self.forget()

    def forget(self):
        """Forgets what was compiled, because what it depends on has changed."""
        self.for_batches, self.for_rows, self.trained = None, {}, []
        self.model.train_function = self.model.test_function = None

    @contextmanager
    def running(self, given=None):
        """Makes ready for a `fit` of these arguments, or for one batch.

        A callback may call `fit` or `train_on_batch` while another `fit` goes on.
        """
        outer = self.rows, self.xla
        self.rows, self.xla = self._rows(given) if given else (None, False)
        if self.rows:  # `fit` reads it when it makes its iterator, and calls `make` next
            self.model.steps_per_execution = self.rows.steps
        try:
            yield
        finally:
            if self.rows:
                self.model.steps_per_execution = 1
            self.rows, self.xla = outer

    def make(self, force=False):
        """Makes the training function: the model's `make_train_function`."""
        model, trained = self.model, self.model.trainable_variables
        if force or list(map(id, trained)) != list(map(id, self.trained)):
            self.forget()
            self.trained = trained
        backend.build_optimizer(model)
        if self.rows:
            model.steps_per_execution = 1  # what validation makes next takes batches one by one
            if self._key not in self.for_rows:
                self.for_rows[self._key] = backend.in_place(model, *self._key)
        elif self.for_batches is None:
            self.for_batches = self._for_batches()
        model.train_function = self.call

    def call(self, *arguments):
        """Takes the steps of one call; the arguments are those that the backend's Keras gives."""
        if self.rows:
            return self.for_rows[self._key](self.rows, *arguments)
        return self.for_batches(*arguments)

    @property
    def _key(self):
        """What decides which function takes the steps."""
        return self.xla, self.rows.form

    def _for_batches(self):
        if backend.each_batch and not self.in_keras_loop:
            return backend.each_batch(self.model)
        keras.Model.make_train_function(self.model, force=True)
        return self.model.train_function

    def _rows(self, given):
        """The `Rows` for `fit` with these arguments, which it gets instead, and whether by XLA."""
        chosen = plan(given, self.facts(), backend.LIMITS)
        if chosen is None:
            pack(given)
            return None, False
        y, weight = self.model.labels.of_array(given.get("y")), given.get("sample_weight")
        x = given["x"] if chosen.brought else backend.placed(as_tensor(given["x"]))
        kind = BroughtRows if chosen.brought else Rows
        rows = kind(
            x,
            chosen.batch_size,
            *(a if a is None else ops.convert_to_numpy(a) for a in (y, weight)),
            shuffle=given.get("shuffle", True),
            steps=chosen.steps,
            epoch=given.get("initial_epoch", 0),
        )
        given.update(x=rows, y=None, sample_weight=None)
        return rows, chosen.xla

    def facts(self):
        """What of the model decides how its steps are taken."""
        model = self.model
        strategy = getattr(model, "distribute_strategy", None)  # of TensorFlow
        distribution = keras.distribution.distribution()
        kernels = (*model.encoder.weights, *model.decoder.weights)
        return Facts(
            draws=model.objective.num_samples * model.latent_dim,
            in_keras_loop=self.in_keras_loop,
            replicas=getattr(strategy, "num_replicas_in_sync", 1),
            rows_of_process=(
                distribution is not None
                and distribution.num_processes > 1
                and not distribution.auto_shard_dataset
            ),
            supports_xla=all(layer.supports_jit for layer in model._flatten_layers()),
            convolves_on_cpu=backend.on_cpu() and any(len(w.shape) > 2 for w in kernels),
            needs_xla=needs_xla(model),
            steps_before=int(ops.convert_to_numpy(model.optimizer.iterations)),
            fitted=bool(self.for_rows),
        )


def as_tensor(x):
    """Returns x as a tensor, floating-point numbers in Keras' type, as its own loop brings them."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    return ops.convert_to_tensor(x, keras.config.floatx() if "float" in dtype else dtype)
