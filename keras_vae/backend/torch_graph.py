"""What makes a step fast on PyTorch: a graph of its operations, and Adam in one of them.

Keras and Python take as long between the operations as the operations themselves. The benchmark has
a row without the graphs, and one without this Adam.
"""

from collections import Counter

import keras
import torch
from torch.fx.experimental.proxy_tensor import make_fx


class Graphs:
    """Calls `function` as a graph of operations; there is one for each layout of its arguments.

    The first call of a layout is recorded. Everything that happens in it is an operation of the
    graph: the backward pass, the metrics, the moving averages. The graph works on the variables of
    the model themselves. Numbers that Python reads, such as an attribute or `float(variable)`,
    stay as they were when the call was recorded.

    Some functions cannot be recorded and are called as they are: those with a Python `if` on what
    they compute, and those that draw random numbers by way of Keras, whose seeds are Python's.

    Args:
        function: of tensors or None; it may change variables of `model`, but no trained weight.
        model: whose variables they are.
        after: how many calls of a layout are made without a graph, since recording one takes as
            long as some calls do.
    """

    def __init__(self, function, model, after=0):
        self.function, self.model, self.after = function, model, after
        self.graphs, self.calls = {}, Counter()
        keep_freed_memory()

    def __call__(self, *tensors):
        key = tuple(t if t is None else (t.shape, t.stride(), t.dtype) for t in tensors)
        if key not in self.graphs:
            self.calls[key] += 1
            if self.calls[key] <= self.after:
                return self.function(*tensors)
            self.graphs[key] = self._trace(tensors)
        graph = self.graphs[key]
        if graph is None:
            return self.function(*tensors)
        with torch.no_grad():
            return graph(*tensors)

    def _trace(self, tensors):
        """The graph, or None; tracing computes once, so the variables are put back."""
        model = self.model
        variables = model.non_trainable_variables + model.metrics_variables
        before = [v.value.detach().clone() for v in variables]
        try:
            graph = make_fx(lambda *tensors: self.function(*tensors))(*tensors)
            drop_detached(graph)
        except RuntimeError:  # what PyTorch raises for a number that Python asks for
            graph = None
        random = False
        for variable, value in zip(variables, before, strict=True):
            is_seed = "seed_generator" in variable.path
            random = random or (is_seed and not torch.equal(variable.value, value))
            variable.assign(value)
        return None if random else graph


def keep_freed_memory():
    """Makes glibc's malloc keep what is freed.

    The operations of a graph free what they made a moment before. Memory that malloc gave back to
    the system would have to be taken again page by page. From the largest block that was freed, of
    at most 32 MiB, malloc learns how much to keep: twice as much. Reference: mallopt(3).
    """
    torch.empty(2**25 - 2**12, dtype=torch.uint8, device="cpu")


def drop_detached(graph):
    """Removes the operation that detaches a tensor, which matters to gradients alone."""
    for node in graph.graph.nodes:
        if node.target is torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
    graph.graph.eliminate_dead_code()
    graph.recompile()


class FusedAdam:
    """w ← w − α m / (√v + ε): Keras' Adam, for all weights in one operation.

    PyTorch's own divides √v by √(1 − β₂ᵗ) before it adds ε. So it is given ε / √(1 − β₂ᵗ), and the
    step is that of Keras.

    Args:
        optimizer: a plain `keras.optimizers.Adam`.
        variables: that it trains.
    """

    def __init__(self, optimizer, variables):
        self.optimizer = optimizer
        indices = [optimizer._get_variable_index(v) for v in variables]
        state = (optimizer._momentums, optimizer._velocities)
        self.state = [
            (v.value, *(of_all[i].value for of_all in state))
            for v, i in zip(variables, indices, strict=True)
        ]

    @classmethod
    def of(cls, model):
        """Returns that of a model, or None if its optimizer does anything more."""
        adam, weights = model.optimizer, model.trainable_variables
        if type(adam) is not type(keras.optimizers.Adam()):
            return None
        more = ("amsgrad", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema")
        more += ("gradient_accumulation_steps", "loss_scale_factor")
        if any(getattr(adam, name) for name in more) or any(w.constraint for w in weights):
            return None
        return cls(adam, weights)

    def __call__(self, finite, gradients):
        """Applies the gradients if `finite`."""
        if not finite:
            return
        adam, rate = self.optimizer, float(self.optimizer.learning_rate)
        step = adam.iterations.value.add_(1)
        pairs = zip(self.state, gradients, strict=True)
        weights, momentums, velocities, gradients = zip(
            # It takes numbers as they lie in memory, and those of convolutions lie otherwise.
            *((*state, g.contiguous()) for state, g in pairs if g is not None),
            strict=True,
        )
        torch._fused_adam_(
            weights,
            gradients,
            momentums,
            velocities,
            [],
            [step.to(torch.float32)] * len(weights),
            lr=rate,
            beta1=adam.beta_1,
            beta2=adam.beta_2,
            weight_decay=0.0,
            eps=adam.epsilon / (1 - adam.beta_2 ** int(step)) ** 0.5,
            amsgrad=False,
            maximize=False,
        )
