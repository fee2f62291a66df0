"""The requests put to every runtime, and what NumPy and Keras answer.

The folder of requests holds the graphs, `arrays.bin`, which is little-endian arrays one after
another, and `requests.tsv`, with a line for each array, so that a program in any language can read
it without a library:

    request   its number, from 0
    graph     the file to run, in this folder
    samples   how many samples it decodes
    role      input, output, or unit; a request without outputs is to be timed
    name      of the input or output
    type      int64 or float32
    shape     such as 64,8; a scalar has "-"
    offset    of the first byte in arrays.bin
    bytes     how many

A unit is what a difference of the output of that name is counted in, along its last axis: 1, or of
a column of a table its spread where that is larger, since an income of 30,000 is not known to 1e-5.

`z.onnx` is the part of `sampler.onnx` that makes z: what counts too large for memory are put to,
and what a runtime is put to that takes hours for images.
"""

import itertools
import shutil
from dataclasses import dataclass, field

import keras
import numpy as np
import onnx

from keras_vae import conditions, noise
from keras_vae.distributions import Columns, StandardNormal
from tests.tensors import drawn

SAMPLER, PART, SCORER = "sampler.onnx", "z.onnx", "scorer.onnx"
GENERATOR, IMPUTER = "generator.onnx", "imputer.onnx"
COLUMNS = ("request", "graph", "samples", "role", "name", "type", "shape", "offset", "bytes")
RANDOM = np.random.default_rng(0).integers(-(2**63), 2**63, 3).tolist()
SEEDS = (0, 1, -1, 2**31, 2**32, 2**63 - 1, -(2**63), *RANDOM)
FIRSTS = (0, 7, 2**31 - 3, 2**32 - 2, 2**40)
DRAWS = (  # seed, first, count, temperature; no samples give empty outputs
    (0, 0, 0, 1.0),
    (-1, 2**40, 0, 1.0),
    (0, 0, 1000, 1.0),
    (-1, 2**40, 1000, 1.0),
    (1, 2**31 - 3, 2, 1.0),
    (2**31 - 1, 7, 64, 1.0),
    (-(2**31), 7, 64, 1.0),
    (0, 0, 64, 0.5),
    (RANDOM[0], 2**40, 64, 0.5),
)
MANY = (7, 0, 100_000, 1.0)
MANY_VALUES = 2**24  # so many numbers of x or z at once; of more OpenVINO draws the last otherwise
TIMED = (1024, 4)  # the second for a runtime that takes minutes for the first
SCORED = (  # the examples' indices, num_samples
    (range(16), 100),
    ((9, 2**31 - 1, 0, 70_000, 3), 30),
    ((5, 2), 2),  # few enough for a runtime that takes minutes for more
    ((2**40, 2**44 - 1, 2**32), 30),
)
ALIGNMENT = 8


@dataclass(frozen=True)
class Request:
    """Inputs of a graph, and the outputs that they must give; without outputs it is to be timed.

    Args:
        graph: the file.
        samples: how many it decodes.
        inputs, outputs: arrays by name.
        units: of the outputs that have other units than 1.
        exact: whether z is the noise itself, every bit of it; a learned prior computes z from it.
    """

    graph: str
    samples: int
    inputs: dict
    outputs: dict = field(default_factory=dict)
    units: dict = field(default_factory=dict)
    exact: bool = True

    @property
    def narrow(self):
        """Whether the seed and each index, of a sample or an example, fit into int32.

        Example:

        >>> [draw("z.onnx", seed, 2**31 - 3, 3).narrow for seed in (-1, 2**31)]
        [True, False]
        """
        seed, first, count = (int(self.inputs.get(n, 0)) for n in ("seed", "first", "count"))
        last = max(self.inputs.get("index", [first + count - 1]), default=0)
        return -(2**31) <= seed < 2**31 and last < 2**31

    def __str__(self):
        scalars = [f"{name}={value}" for name, value in self.inputs.items() if not value.shape]
        return f"{self.graph} {' '.join(scalars)}"


def draw(graph, seed, first, count, temperature=1.0, label=None, units=None, exact=True, **outputs):
    """A request of `sampler.onnx`, of its part, or of `generator.onnx`."""
    integers = {"seed": seed, "first": first, "count": count}
    inputs = {name: np.array(value, np.int64) for name, value in integers.items()}
    inputs["temperature"] = np.array(temperature, np.float32)
    if label is not None:
        inputs["label"] = np.array(label)
    return Request(graph, 0 if graph == PART else count, inputs, outputs, units or {}, exact)


def requests(vae, held):
    """Every request, in order.

    Args:
        vae: the Keras model.
        held: the names of the graphs that the bundle holds; `sampler.onnx` is one.
    """
    counts = itertools.cycle((64, 1))
    grid = ((*pair, next(counts), 1.0) for pair in itertools.product(SEEDS, FIRSTS))
    draws = [*grid, *DRAWS]
    label = conditions.in_turn(vae.covariates, [-1])[0] if vae.covariates else None
    exact = isinstance(vae.prior, StandardNormal)
    seen = label if vae.prior.conditional else None
    several = exact and MANY[2] * vae.latent_dim <= MANY_VALUES  # what is computed then must fit
    part = [*draws, MANY] if several else draws
    units = _units(vae, label)
    drawing = [SAMPLER, *({GENERATOR} & set(held))]
    values = max(np.prod(vae.input_shape), vae.latent_dim)
    few = [*draws, MANY] if MANY[2] * values <= MANY_VALUES else draws
    return [
        *(
            draw(
                SAMPLER, *d, label, units, exact, z=_z(vae, *d, label), x_hat=_x_hat(vae, *d, label)
            )
            for d in few
        ),
        *(draw(PART, *d, seen, exact=exact, z=_z(vae, *d, label)) for d in part),
        *(draw(graph, 0, 0, count, label=label) for graph in drawing for count in TIMED),
        *(
            draw(g, *d, label, units, exact, z=_z(vae, *d, label), x=_x(vae, *d, label))
            for g in drawing[1:]
            for d in draws
        ),
        *(_score(vae, *request) for request in SCORED if SCORER in held),
        *(_impute(vae, units, *request) for request in SCORED if IMPUTER in held),
    ]


def _units(vae, label):
    """What differences of x_hat and x are counted in."""
    if not isinstance(vae.likelihood, Columns):
        return {}
    spread = vae.sample(1000, seed=0, mean=False, label=label).std(axis=0)
    return dict.fromkeys(("x_hat", "x"), np.maximum(spread, 1).astype("float32"))


def _z(vae, seed, first, count, temperature, label):
    epsilon = np.float32(temperature) * noise.latent(seed, first, count, vae.latent_dim)
    u = noise.component(seed, first, count)
    label = [vae.labels.encoded(y) for y in vae.labels.checked(label, count)] or [None]
    return keras.ops.convert_to_numpy(vae.prior.given(*label).transform(epsilon, u))


def _x_hat(vae, seed, first, count, temperature, label, mean=True):
    request = {"seed": seed, "temperature": temperature, "first": first, "label": label}
    return vae.sample(count, **request, mean=mean)


def _x(vae, *request):
    return _x_hat(vae, *request, mean=False)


def _score(vae, index, num_samples):
    x, labels, inputs = _examples(vae, index, num_samples)
    scores = vae.score(x, num_samples=num_samples, seed=7, index=index, **labels)
    outputs = {name: np.asarray(value, np.float32) for name, value in scores.items()}
    return Request(SCORER, len(x) * num_samples, {"x": x, **inputs}, outputs)


def _impute(vae, units, index, num_samples):
    """Every third value is missing."""
    x, labels, inputs = _examples(vae, index, num_samples)
    x.flat[::3] = np.nan
    filled = vae.impute(x, num_samples=num_samples, seed=7, index=index, **labels)
    outputs, units = {"x_filled": np.asarray(filled)}, {"x_filled": units["x"]}
    return Request(IMPUTER, len(x) * num_samples, {"x": x, **inputs}, outputs, units)


def _examples(vae, index, num_samples):
    """Some x of the model, their labels, and what the scorer and the imputer take besides x."""
    batch = len(index)
    turn = np.arange(batch)
    labels = {"label": conditions.in_turn(vae.covariates, turn)} if vae.covariates else {}
    z = noise.latent(3, 0, batch, vae.latent_dim)
    x_params = vae.x_params(z, label=vae.labels.encoded(labels.get("label")))
    integers = {"num_samples": num_samples, "seed": 7, "index": index}
    inputs = labels | {name: np.array(value) for name, value in integers.items()}
    return np.array(drawn(vae.likelihood, x_params, seed=3)), labels, inputs


def write(folder, bundle, requests):
    """Writes the requests and their graphs into `folder`, in place of what stood there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for graph in {request.graph for request in requests} - {PART}:
        shutil.copy(bundle / graph, folder)
    whole = onnx.utils.Extractor(onnx.load(bundle / SAMPLER))
    inputs = {name for request in requests if request.graph == PART for name in request.inputs}
    part = whole.extract_model(sorted(inputs), ["z"])
    del part.graph.value_info[:]  # the extractor names the inputs there too, and tract refuses them
    onnx.save(part, folder / PART)
    with open(folder / "arrays.bin", "wb") as arrays:
        lines = [COLUMNS, *_lines(requests, arrays)]
    text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
    (folder / "requests.tsv").write_text(text)


def _lines(requests, arrays):
    for number, request in enumerate(requests):
        units = {name: request.units.get(name, np.ones(1, "float32")) for name in request.outputs}
        roles = {"input": request.inputs, "output": request.outputs, "unit": units}
        for role, named in roles.items():
            for name, array in named.items():
                shape = ",".join(map(str, array.shape)) or "-"
                data = array.astype(array.dtype.newbyteorder("<")).tobytes()
                place = (arrays.tell(), len(data))
                about = (number, request.graph, request.samples, role, name)
                yield *about, array.dtype.name, shape, *place
                arrays.write(data + bytes(-len(data) % ALIGNMENT))
