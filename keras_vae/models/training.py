"""`compile`, `fit` and `evaluate` as Keras has them, and the metrics; see train_steps too."""

import inspect

import keras
from keras import ops

from keras_vae.models.guards import Guard, check_data, checked_array
from keras_vae.models.train_steps import memory_errors

FIT = inspect.signature(keras.Model.fit)
EVALUATE = inspect.signature(keras.Model.evaluate)


class MeanPerExample(keras.metrics.Mean):
    """A weighted mean; NaN when nothing was counted, since 0 would look best of all."""

    def result(self):
        return self.total / self.count


class Training:
    """What a VAE adds to the training loop of `keras.Model`."""

    def make_trackers(self):
        """Makes the weight of the KL divergence, and the metrics that every VAE logs."""
        state = {"trainable": False, "aggregation": "only_first_replica"}
        self.kl_weight = self.add_weight((), "ones", name="kl_weight", **state)
        self.kl_weight_rise = self.add_weight((), "zeros", name="kl_weight_rise", **state)
        self.evaluating = False
        self.trackers = {
            name: MeanPerExample(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")
        }
        self.skipped_steps = keras.metrics.Sum(name="skipped_steps")
        self.outside_support = keras.metrics.Sum(name="outside_support")  # for the guard
        self.unknown_labels = keras.metrics.Sum(name="unknown_labels")  # for the guard

    def compile(self, optimizer="adam", loss=None, **kwargs):
        """As `keras.Model.compile`, without `loss`; `metrics` compare x_hat with x."""
        if loss is not None:
            raise ValueError(
                f"compile got loss={loss!r}, but a VAE's loss is its objective: leave `loss` out, "
                "and give `objective=` to the constructor"
            )
        self.start_loops(kwargs)
        if kwargs.get("steps_per_execution") == "auto":  # which Keras itself does not know
            del kwargs["steps_per_execution"]
        super().compile(optimizer=optimizer, **kwargs)
        if kwargs.get("metrics") or kwargs.get("weighted_metrics"):
            nothing = ops.zeros((1, *self.input_shape))
            self.compute_metrics(nothing, nothing, nothing)  # makes their variables
            self.reset_metrics()

    def get_compile_config(self):
        """As in Keras; an optimizer goes by the name that every backend knows."""
        config = portable(super().get_compile_config())
        return config if self.asked or not config else {**config, "jit_compile": "auto"}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, *args, **kwargs):
        """As `keras.Model.fit`; `y` are the labels of a conditional model, else it is ignored.

        As ever in compiled code, a setting that is a Python number, such as `objective.beta`, is
        that of the first step; the weight of the KL divergence is changed by `KLWarmup`.
        """
        bound = FIT.bind(self, *args, **kwargs)
        given = bound.arguments
        self._prepare(given)
        validation = given.get("validation_data")
        if isinstance(validation, (tuple, list)):
            validation = dict(zip(("x", "y", "sample_weight"), validation, strict=False))
            self._prepare_data(validation)
            given["validation_data"] = tuple(validation.values())
        else:
            check_data(self.likelihood, validation, self.input_shape)
        self.kl_weight.assign(1.0)
        self.kl_weight_rise.assign(0.0)
        advice = (
            "a training step does not fit into memory: take a smaller batch_size, fewer draws of z "
            "or a prior with fewer components"
        )
        with memory_errors(advice), self.loop(given):
            return super().fit(*bound.args[1:], **bound.kwargs)

    def train_on_batch(self, *args, **kwargs):
        """As `keras.Model.train_on_batch`."""
        with self.loop():
            return super().train_on_batch(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """As `keras.Model.evaluate`; `y` as in `fit`."""
        bound = EVALUATE.bind(self, *args, **kwargs)
        if not kwargs.get("_use_cached_eval_dataset"):  # `fit` has seen to it
            self._prepare(bound.arguments)
        self.evaluating = True
        try:
            return super().evaluate(*bound.args[1:], **bound.kwargs)
        finally:
            self.evaluating = False

    def predict(self, x, *args, **kwargs):
        """As `keras.Model.predict`: `reconstruct` of any form of data, `[x, label]` if need be."""
        if hasattr(x, "shape") and self.num_classes is None:
            checked_array("x", x, self.input_shape)
        elif isinstance(x, list | tuple) and len(x) == 2 and self.num_classes is not None:
            images = checked_array("x", x[0], self.input_shape)
            x = [images, *self.checked_labels(x[1], len(images))]
        elif hasattr(x, "shape"):
            self._unpacked(x)  # raises: a JAX model loses its weights to an error inside the step
        return super().predict(x, *args, **kwargs)

    def _prepare(self, given):
        """Checks the data among the arguments of `fit` or `evaluate`, and adds the guard."""
        self._prepare_data(given)
        callbacks, guard = given.get("callbacks") or [], Guard()
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks.append(guard)
            guard.set_model(self)
        else:
            given["callbacks"] = [*keras.tree.flatten(callbacks), guard]

    def _prepare_data(self, given):
        check_data(self.likelihood, given.get("x"), self.input_shape)
        if self.num_classes is not None and hasattr(given.get("x"), "shape"):
            (given["y"],) = self.checked_labels(given.get("y"), len(given["x"]), "y")
        weight = given.get("sample_weight")
        if hasattr(weight, "shape") and tuple(weight.shape[1:]) not in ((), (1,)):
            raise ValueError(
                f"sample_weight must be one number for each example, (N,), got {weight.shape}"
            )
        if weight is not None and given.get("y") is None:
            given["y"] = given["x"]  # Keras drops the weights of examples that have no target

    @property
    def metrics(self):
        own = self.trackers["loss"]  # Keras keeps a tracker of this name, which stays at 0 here
        return [m for m in super().metrics if m is own or m.name != own.name]

    def _draw_epsilon(self, batch_size):
        """Noise for one batch, `(K, B, latent_dim)`."""
        shape = (self.objective.num_samples, batch_size, self.latent_dim)
        return keras.random.normal(
            shape, dtype=self.variable_dtype, seed=self.sampling.seed_generator
        )

    def raise_kl_weight(self):
        """After each training step: a schedule sets by how much, for an epoch at a time."""
        self.kl_weight.assign(ops.minimum(self.kl_weight + self.kl_weight_rise, 1.0))

    def save_own_variables(self, store):
        """Saves none: the weight of the KL divergence belongs to one `fit`."""

    def load_own_variables(self, store):
        """Loads none; see `save_own_variables`."""

    def track(self, bound, x, label=None, sample_weight=None, finite=True, checked=False):
        """Updates the metrics with one batch; one whose loss is not `finite` does not count.

        A batch that is `checked`, since it comes out of an array, is not looked at once more.
        """
        weight = ops.ones_like(bound.loss) if sample_weight is None else sample_weight
        weight = ops.where(finite, ops.reshape(ops.cast(weight, bound.loss.dtype), (-1,)), 0.0)
        costs = {name: getattr(bound, name) for name in self.trackers}
        costs["loss"] = costs["loss"] + sum(ops.cast(loss, "float32") for loss in self.losses)
        for name, cost in costs.items():
            self.trackers[name].update_state(ops.where(finite, cost, 0.0), weight)
        x = ops.cast(x, bound.loss.dtype)  # integers have no isfinite
        if not checked:
            outside = ops.logical_not(self.likelihood.in_support(x))
            self.outside_support.update_state(ops.logical_and(outside, ops.isfinite(x)))
        if label is not None:
            self.unknown_labels.update_state(self.count_unknown(label))
        if len(self.metrics) > len(self.trackers) + 3:  # some were given to compile
            x_hat = ops.mean(self.likelihood.mean(bound.x_params), axis=0)
            x, x_hat = (ops.where(finite, images, 0.0) for images in (x, x_hat))
            self.compute_metrics(x, x, x_hat, weight)
        return self.get_metrics_result()

    def get_metrics_result(self):
        """As in Keras; only training has `skipped_steps`."""
        hidden = {self.outside_support.name, self.unknown_labels.name}
        hidden |= {self.skipped_steps.name} if self.evaluating else set()
        results = super().get_metrics_result()
        return {name: value for name, value in results.items() if name not in hidden}


def portable(config):
    """A config in which no optimizer is of one backend: PyTorch names classes of its own.

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
