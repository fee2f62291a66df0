"""Several devices and processes come to the losses of one: the programs of the page."""

import ast
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, nullcontext

import keras
import numpy as np
import pytest

from tests.pages import BLOCK, ROOT

BACKEND = keras.config.backend()
PAGE = (ROOT / "docs" / "several-devices.md").read_text(encoding="utf-8")
TRAINING, *BEFORE = (text for _, language, text in BLOCK.findall(PAGE) if language == "python")
PROGRAMS = {
    "tensorflow": BEFORE[0] + TRAINING,
    "jax": BEFORE[1] + TRAINING,
    "torch": BEFORE[2],
}
LONGEST = 600
"""Seconds that a process may take, on a machine with much else to do."""


def free_ports(count):
    """Ports of the loopback address that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def environment(rank, processes, ports):
    """What tells a process which one it is, as the page says."""
    hosts = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": rank}
    return {
        "tensorflow": {"TF_CONFIG": json.dumps({"cluster": {"worker": hosts}, "task": task})},
        "jax": {
            "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": hosts[0],
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
        },
        "torch": {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(ports[0]),
            "RANK": str(rank),
            "WORLD_SIZE": str(processes),
        },
    }[BACKEND]


def losses_of(processes, **settings):
    """The losses that each of the processes prints; none of them is left behind."""
    ports, command = free_ports(processes), [sys.executable, "-c", PROGRAMS[BACKEND]]
    with ExitStack() as stack:
        started = []
        for rank in range(processes):
            variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
            variables |= environment(rank, processes, ports) | settings
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(command, env=variables, stdout=pipe, text=True))
            stack.enter_context(started[-1])
            stack.callback(started[-1].kill)
        outputs = [process.communicate(timeout=LONGEST)[0] for process in started]
    return [ast.literal_eval(output.splitlines()[-1]) for output in outputs]


@pytest.fixture(scope="module")
def losses_of_one():
    """Those of the training of the page on one device, in this process."""
    names = {"scope": nullcontext()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(0, 1, free_ports(1)).items():
            patch.setenv(name, value)
        exec(PROGRAMS["torch"] if BACKEND == "torch" else TRAINING, names)
    return names["losses"]


def test_two_processes_come_to_the_losses_of_one(losses_of_one):
    first, second = losses_of(2)
    assert first == second
    np.testing.assert_allclose(first, losses_of_one, rtol=1e-5)


@pytest.mark.only_on("jax")
def test_two_devices_of_one_process_come_to_the_losses_of_one(losses_of_one):
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    (losses,) = losses_of(1, XLA_FLAGS=flags)
    np.testing.assert_allclose(losses, losses_of_one, rtol=1e-5)


UNEVEN = """
import json

keras.utils.set_random_seed(0)
x = keras_vae.datasets.load("digits").x_train[:101]  # in batches of 10, the last of 1
vae = keras_vae.VAE.from_architecture("mlp", (8, 8, 1), 4, "normal", seed=0)
vae.compile(optimizer="adam")
print(json.dumps({
    "evaluate": vae.evaluate(x, batch_size=10, verbose=0),
    "predict": float(vae.predict(x, batch_size=10, verbose=0).sum()),
    "validation": vae.fit(
        x[:40], batch_size=20, validation_data=(x[:55],), validation_batch_size=9, verbose=0
    ).history["val_loss"],
    "distributed": keras.distribution.distribution() is not None,
}))
try:
    vae.fit((batch for batch in [(x[:10],), (x[:5],)]), verbose=0)
except ValueError as error:
    print(error)
"""


@pytest.mark.only_on("jax")
def test_what_two_devices_cannot_share_is_computed_by_each(tmp_path):
    """Evaluation, prediction and validation, with the numbers of one device."""
    results = []
    for count in (1, 2):
        flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={count}"
        begin = "import keras, keras_vae\n"
        begin += "keras.distribution.set_distribution(keras.distribution.DataParallel())\n"
        command = [sys.executable, "-c", begin + UNEVEN]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": flags}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        result, *refused = done.stdout.splitlines()
        results.append(json.loads(result))
        assert results[-1].pop("distributed")
    assert "a multiple of 2 examples, for 2 devices to share it" in refused[0]
    for name, values in results[0].items():
        np.testing.assert_allclose(results[1][name], values, rtol=1e-5)


@pytest.mark.only_on("tensorflow", "torch")
def test_keras_distribution_is_refused_where_it_distributes_nothing(make_vae, digits):
    mesh = keras.distribution.DeviceMesh((1,), ["batch"], ["cpu:0"])
    with (
        keras.distribution.DataParallel(mesh).scope(),
        pytest.raises(ValueError, match=r"keras\.distribution must be unset"),
    ):
        make_vae().fit(digits[:32], verbose=0)
