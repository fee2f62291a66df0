"""`compile`, `fit` and `evaluate` as Keras has them, and the metrics; see train_steps too."""

import inspect

import keras
from keras import ops

from keras_vae.models.guards import StopWhenSkipping, check_data

FIT = inspect.signature(keras.Model.fit)
EVALUATE = inspect.signature(keras.Model.evaluate)


class MeanPerExample(keras.metrics.Mean):
    """A weighted mean; NaN when nothing was counted, since 0 would look best of all."""

    def result(self):
        return self.total / self.count


class Training:
    """What a VAE adds to the training loop of `keras.Model`."""

    def make_trackers(self):
        """Makes the metrics that every VAE logs."""
        self.trackers = {
            name: MeanPerExample(name=name) for name in ("loss", "reconstruction_loss", "kl_loss")
        }
        self.skipped_steps = keras.metrics.Sum(name="skipped_steps")

    def compile(self, optimizer="adam", loss=None, **kwargs):
        """As `keras.Model.compile`, without `loss`; `metrics` compare x_hat with x."""
        if loss is not None:
            raise ValueError(
                f"compile got loss={loss!r}, but a VAE's loss is its objective: leave `loss` out, "
                "and give `objective=` to the constructor"
            )
        super().compile(optimizer=optimizer, **kwargs)
        if kwargs.get("metrics") or kwargs.get("weighted_metrics"):
            nothing = ops.zeros((1, *self.input_shape))
            self.compute_metrics(nothing, nothing, nothing)  # makes their variables
            self.reset_metrics()

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, *args, **kwargs):
        """As `keras.Model.fit`; labels are ignored."""
        bound = self._checked(FIT, args, kwargs)
        given = bound.arguments
        callbacks, guard = given.get("callbacks") or [], StopWhenSkipping()
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks.append(guard)
        else:
            given["callbacks"] = [*keras.tree.flatten(callbacks), guard]
        self.kl_weight.assign(1.0)
        return super().fit(*bound.args[1:], **bound.kwargs)

    def evaluate(self, *args, **kwargs):
        """As `keras.Model.evaluate`; labels are ignored."""
        bound = self._checked(EVALUATE, args, kwargs)
        return super().evaluate(*bound.args[1:], **bound.kwargs)

    def _checked(self, signature, args, kwargs):
        """The arguments of `fit` or `evaluate` by their names, x checked."""
        bound = signature.bind(self, *args, **kwargs)
        given = bound.arguments
        given["x"] = check_data(self.likelihood, given.get("x"), self.input_shape)
        if given.get("sample_weight") is not None and given.get("y") is None:
            given["y"] = given["x"]  # Keras drops the weights of examples that have no target
        return bound

    @property
    def metrics(self):
        own = self.trackers["loss"]  # Keras keeps a tracker of this name, which stays at 0 here
        return [m for m in super().metrics if m is own or m.name != own.name]

    def track(self, bound, x, sample_weight=None, finite=True):
        """Updates the metrics with one batch; what is not `finite` does not count."""
        weight = ops.ones_like(bound.loss) if sample_weight is None else sample_weight
        weight = ops.where(finite, ops.reshape(ops.cast(weight, bound.loss.dtype), (-1,)), 0.0)
        costs = {name: getattr(bound, name) for name in self.trackers}
        costs["loss"] = costs["loss"] + sum(ops.cast(loss, "float32") for loss in self.losses)
        for name, cost in costs.items():
            self.trackers[name].update_state(ops.where(finite, cost, 0.0), weight)
        results = {name: tracker.result() for name, tracker in self.trackers.items()}
        if len(self.metrics) > len(results) + 1:  # some were given to compile
            x_hat = ops.mean(self.likelihood.mean(bound.x_params), axis=0)
            results = {**self.compute_metrics(x, x, x_hat, weight), **results}
            results.pop(self.skipped_steps.name)
        return results
