"""`compile`, `fit`, `evaluate` and `predict` as Keras has them; see `backend` for the steps."""

import copy
import inspect
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_vae import backend
from keras_vae.backend.batches import Checked
from keras_vae.models import inputs
from keras_vae.models.augment import augmented
from keras_vae.models.costs import MEANS
from keras_vae.models.guards import Guard, number
from keras_vae.models.loop import Loop
from keras_vae.models.onednn import needs_xla
from keras_vae.models.plan import asks_for_keras_loop
from keras_vae.schedules import KLWarmup, PriorWarmup

FIT = inspect.signature(keras.Model.fit)
EVALUATE = inspect.signature(keras.Model.evaluate)
PREDICT = inspect.signature(keras.Model.predict)


class BatchCost(NamedTuple):
    """What a step needs to know of a batch."""

    losses: Any
    """The loss of each example in nats, times its weight: `(B,)`."""
    penalty: Any
    """The regularization losses of the layers, summed up."""
    bound: Any
    """The `Bound` that the losses are of."""


class Fitting(backend.Step):
    """What a VAE adds to the training loop of `keras.Model`."""

    def compile(self, optimizer="adam", loss=None, **kwargs):
        """As `keras.Model.compile`, without `loss`; `metrics` compare x_hat with x."""
        if loss is not None:
            raise ValueError(
                f"compile got loss={loss!r}, but a VAE's loss is its objective: leave `loss` out, "
                "and give `objective=` to the constructor"
            )
        asked = asks_for_keras_loop(kwargs)
        if kwargs.get("steps_per_execution") == "auto":  # which Keras itself does not know
            del kwargs["steps_per_execution"]
        super().compile(optimizer=optimizer, **kwargs)
        if needs_xla(self) and not self.run_eagerly:
            self.jit_compile = True
        own_step = type(self).train_step is not backend.Step.train_step
        self._loop = Loop(self, asked or own_step)
        if kwargs.get("metrics") or kwargs.get("weighted_metrics"):
            nothing = ops.zeros((1, *self.input_shape))
            self.compute_metrics(nothing, nothing, nothing)  # makes their variables
            self.reset_metrics()

    def get_compile_config(self):
        """As in Keras; an optimizer goes by the name that every backend knows."""
        config = portable(super().get_compile_config())
        if config and not self._loop.in_keras_loop:
            config["jit_compile"] = "auto"
        return config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, *args, **kwargs):
        """As `keras.Model.fit`; `y` are the labels of a conditional model, else it is ignored.

        A first `fit` of a learned prior has a `PriorWarmup`, and one of a hierarchy of vectors
        a `KLWarmup`, unless `callbacks` hold one.
        """
        self._assert_compile_called("fit")
        backend.check_distribution()
        bound = FIT.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        self._prepare(given, self.augment)
        self._warm_up(given)
        self.costs.begin()
        advice = (
            "a training step does not fit into memory: take a smaller batch_size, fewer draws of z "
            "or a prior with fewer components"
        )
        try:
            with backend.memory_errors(advice), self._errors(), self._loop.running(given):
                return super().fit(*bound.args[1:], **bound.kwargs)
        finally:
            self._remember_steps()

    def train_on_batch(self, *args, **kwargs):
        """As `keras.Model.train_on_batch`."""
        self._assert_compile_called("train_on_batch")
        with self._errors(), self._loop.running():
            return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As `keras.Model.test_on_batch`."""
        with self._errors():
            return super().test_on_batch(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """As `keras.Model.evaluate`; `y` as in `fit`."""
        bound = EVALUATE.bind(self, *args, **kwargs)
        if not kwargs.get("_use_cached_eval_dataset"):  # `fit` has seen to it
            self._prepare(bound.arguments)
        devices = backend.shared(bound.arguments["x"], bound.arguments.get("batch_size"))
        with self.costs.measuring(), self._errors(), devices, backend.synced(self):
            return super().evaluate(*bound.args[1:], **bound.kwargs)

    def predict(self, *args, **kwargs):
        """As `keras.Model.predict`: `reconstruct` of any form of data, `[x, label]` if need be."""
        bound = PREDICT.bind(self, *args, **kwargs)
        inputs.prepare_predict(self, bound.arguments)
        x = bound.arguments["x"]
        x = x[0] if isinstance(x, list) else x  # beside the label
        devices = backend.shared(x, bound.arguments.get("batch_size"))
        with self._errors(), devices, backend.synced(self):
            return super().predict(*bound.args[1:], **bound.kwargs)

    def make_train_function(self, force=False):
        """As in Keras."""
        self._loop.make(force)

    def _errors(self):
        """A context in which errors of data that show when they are read are clear ones."""
        return inputs.run_time_errors(self.input_shape)

    def _prepare(self, given, augment=None):
        """Checks the data among the arguments of `fit` or `evaluate`, and adds the guard."""
        inputs.prepare(self, given, augment)
        self._add(Guard(), given)

    def _warm_up(self, given):
        """Adds the warm-ups of parts that no step has moved, each unless there is one.

        What goes on at a later epoch is no first `fit`, but may be amid a warm-up: the callback
        tells by the epoch.
        """
        for part, warmup in ((self.prior, PriorWarmup), (self.levels, KLWarmup)):
            epochs = part.warmup_epochs
            has_one = any(isinstance(callback, warmup) for callback in callbacks_of(given))
            if epochs and not has_one and (given.get("initial_epoch") or not self._has_trained()):
                self._add(warmup(epochs), given)

    def _has_trained(self):
        """Whether a step was taken, also with an optimizer before the one there is."""
        return any(map(number, (self.optimizer.iterations, *self._trained)))

    def _remember_steps(self):
        """Keeps for models that are compiled again that steps were taken."""
        for trained in self._trained:
            trained.assign(float(self._has_trained()))

    def _add(self, callback, given):
        """Adds a callback to the arguments of `fit` or `evaluate`, not to the list in them."""
        callbacks, all_of_them = given.get("callbacks"), [*callbacks_of(given), callback]
        if isinstance(callbacks, keras.callbacks.CallbackList):
            given["callbacks"] = copy.copy(callbacks)
            given["callbacks"].callbacks = all_of_them
            callback.set_model(self)
            callback.set_params(callbacks.params)
        else:
            given["callbacks"] = all_of_them

    def batch_of(self, data):
        """Returns x, y and the weights of a batch, in a step: x as one tensor, `(B, *event)`."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return inputs.tensor(x, self.input_shape), y, sample_weight

    def augmented(self, data):
        """Returns the batch of a training step with its x as `augment` makes it."""
        if self.augment is None:
            return data
        x, *others = self.batch_of(data)
        batch = (
            ops.cast(augmented(self.augment, self.likelihood, x), self.variable_dtype),
            *others,
        )
        return Checked(batch) if isinstance(data, Checked) else batch

    def noise_for(self, data):
        """Draws the noise for one batch: `(K, B, latent_dim)`."""
        x, _, _ = self.batch_of(data)
        return self.draw_epsilon(ops.shape(x)[0])

    def draw_epsilon(self, batch_size):
        """Draws standard normal noise for `batch_size` examples: `(K, B, latent_dim)`."""
        shape = (self.objective.num_samples, batch_size, self.latent_dim)
        return backend.normal(shape, self.sampling.seed_generator, self.variable_dtype)

    def batch_cost(self, data, epsilon, training=False):
        """Computes what a batch costs with the noise `epsilon`: a `BatchCost`.

        Training weights the KL divergence and the prior as schedules say; a test does so fully.
        """
        x, y, sample_weight = self.batch_of(data)
        label = self.labels.encoded(self.labels.of_batch(y))
        kl_weight, prior_weight = (self.kl_weight, self.prior_weight) if training else (1.0, None)
        bound = self.bound(x, epsilon, kl_weight, training, label, prior_weight)
        losses = bound.loss * weights(sample_weight, bound.loss)
        penalty = sum((ops.cast(loss, "float32") for loss in self.losses), ops.zeros((), "float32"))
        return BatchCost(losses, penalty, bound)

    def adapt(self, data, cost, summed=lambda tensors: tensors):
        """Lets the likelihood learn what has a closed form from a batch: see `Likelihood.adapt`.

        `summed` adds its statistics up over the devices.
        """
        x, _, sample_weight = self.batch_of(data)
        x_params, weight = map(ops.stop_gradient, (cost.bound.x_params, cost.bound.draw_weights))
        weight = weight * weights(sample_weight, cost.bound.loss)
        statistics = self.likelihood.statistics(ops.cast(x, x_params.dtype), x_params, weight)
        self.likelihood.adapt(summed(statistics))

    @property
    def forward_state(self):
        """What a step writes without a gradient: moving averages, what the likelihood adapts."""
        parts = (self.encoder, self.decoder, self.likelihood)
        return [variable for part in parts for variable in part.non_trainable_weights]

    def end_training_step(self, data, cost, finite_loss, finite):
        """Ends a training step on the batch `data`: counts it in the metrics, which it returns."""
        self.costs.end_step(finite)
        return self._count(data, cost, finite_loss)

    def end_test_step(self, data, cost):
        """Ends a test step on the batch `data`: counts it in the metrics, which it returns."""
        with self.costs.measuring():
            return self._count(data, cost)

    def _count(self, data, cost, finite=True):
        """Updates the metrics with one batch; one whose loss is not `finite` does not count."""
        x, y, sample_weight = self.batch_of(data)
        bound = cost.bound
        weight = weights(sample_weight, bound.loss)
        costs = bound._replace(loss=bound.loss + ops.cast(cost.penalty, bound.loss.dtype))
        self.costs.update_state(ops.stack([getattr(costs, n) for n in MEANS]), weight, finite)
        x = ops.cast(x, bound.loss.dtype)  # integers have no isfinite
        if not isinstance(data, Checked):
            outside = ops.logical_not(self.likelihood.in_support(x))
            outside = ops.sum(ops.cast(ops.logical_and(outside, ops.isfinite(x)), "float32"))
            self.costs.note(outside, self.labels.count_unknown(y))
        if self.metrics != [self.costs]:  # some were given to compile
            x_hat = ops.mean(self.likelihood.mean(bound.x_params), axis=0)
            x, x_hat = (ops.where(finite, images, 0.0) for images in (x, x_hat))
            self.compute_metrics(x, x, x_hat, ops.where(finite, weight, 0.0))
        return self.get_metrics_result()

    @property
    def metrics(self):
        """The metrics; without the mean named loss that Keras keeps, which stays at 0 here."""
        return [metric for metric in super().metrics if metric is not self._loss_tracker]

    def _flatten_metrics_in_order(self, logs):
        """The values of `logs`: first the costs in their order, then what `compile` was given."""
        names = sorted(logs, key=lambda name: MEANS.index(name) if name in MEANS else len(MEANS))
        return [logs[name] for name in names]


def callbacks_of(given):
    """Returns the callbacks among the arguments of `fit` or `evaluate`, a list."""
    callbacks = given.get("callbacks") or []
    return getattr(callbacks, "callbacks", None) or keras.tree.flatten(callbacks)


def weights(sample_weight, losses):
    """Returns one weight for each example, `(B,)`: 1 where none are given."""
    if sample_weight is None:
        return ops.ones_like(losses)
    return ops.reshape(ops.cast(sample_weight, losses.dtype), (-1,))


def portable(config):
    """Returns a config in which no optimizer is of one backend: PyTorch names classes of its own.

    Example:

    >>> adam = {"module": "keras.src.backend.torch.optimizers.torch_adam", "class_name": "Adam"}
    >>> portable({"optimizer": adam})["optimizer"]["module"]
    'keras.optimizers'
    """
    if not isinstance(config, dict):
        return config
    config = {key: portable(value) for key, value in config.items()}
    if str(config.get("module")).startswith("keras.src.backend."):
        config |= {"module": "keras.optimizers", "registered_name": None}
    return config
