"""The names that a command may be given, for its help, which is printed before Keras is loaded.

Each object stands under its name in the table of its own module; a test compares the two.
"""

import difflib

ARCHITECTURES = ("conv", "mlp", "resnet", "topdown", "topdown_mlp")
BACKENDS = ("tensorflow", "jax", "torch")
DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10")
ESTIMATORS = ("doubly_reparameterized", "reparameterized", "sticking_the_landing")
LIKELIHOODS = (
    "bernoulli",
    "categorical",
    "continuous_bernoulli",
    "discretized_logistic",
    "heteroscedastic_normal",
    "mixture_of_discretized_logistics",
    "negative_binomial",
    "normal",
    "poisson",
    "zero_inflated_negative_binomial",
)
OBJECTIVES = ("elbo", "iwae")
POSTERIORS = ("diagonal_normal", "full_normal")
PRECISIONS = ("float16", "int8")
CONVERTERS = {"tf2onnx": "tensorflow", "jax2onnx": "jax"}
"""The libraries that write ONNX, and the backend of Keras that each reads."""
EXTRAS = {"tf2onnx": "tensorflow", "jax2onnx": "jax-export"}
"""The extras of this package that bring them."""
PRIORS = ("flow", "flow_matching", "mixture_of_normals", "standard_normal", "vamp")


def listed(names):
    """The names as words, for the help of an option.

    Example:

    >>> listed(["flow", "vamp", "standard_normal"])
    'flow, vamp or standard_normal'
    """
    *first, end = names
    return f"{', '.join(first)} or {end}"


def hint(name, names):
    """The question whether the closest of `names` was meant; nothing if none is close.

    Example:

    >>> hint("Fashion-MNIST", ["mnist", "fashion_mnist"]), hint("faces", ["mnist"])
    (" Did you mean 'fashion_mnist'?", '')
    """
    close = difflib.get_close_matches(str(name).lower().replace("-", "_"), names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
