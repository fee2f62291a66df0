"""noise.mjs, written from the specification alone, gives the noise of Python to the bit."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from keras_vae import noise

GOLDEN = Path(__file__).parent / "golden"
TABLE = Path(noise.__file__).with_name("normal_table.npy")
VECTORS = json.loads((GOLDEN / "noise.json").read_text())


def check(vectors, folder):
    """Runs check.mjs on the vectors."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node (18 or newer) on the PATH, to run noise.mjs")
    file = folder / "vectors.json"
    file.write_text(json.dumps(vectors))
    command = [node, GOLDEN / "check.mjs", TABLE, file]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def latent_case(seed, first, count, latent_dim):
    epsilon = noise.latent(seed, first, count, latent_dim)
    words = [f"{word:08x}" for word in epsilon.view(np.uint32).ravel()]
    return {"seed": str(seed), "first": str(first), "count": count, "epsilon": words}


def numbers(kind, key):
    return sum(len(entry[key]) for entry in VECTORS[kind])


def test_the_golden_vectors(tmp_path):
    run = check(VECTORS, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    two_each = 2 * len(VECTORS["vectors"])
    assert json.loads(run.stdout) == {
        "table": len(VECTORS["table"]),
        "known": 2 * len(VECTORS["known"]),
        **dict.fromkeys(["words", "uniform", "normal"], two_each),
        **{kind: numbers(kind, "epsilon") for kind in ("draws", "latent")},
        **{kind: numbers(kind, "u") for kind in ("components", "events", "fillings")},
    }


def test_latent_noise_of_random_seeds_and_of_indices_across_2_to_the_32(tmp_path, rng):
    seeds = rng.integers(-(2**63), 2**63, 1000).tolist()
    firsts = rng.integers(0, 2**44 - 3, 1000).tolist()
    pairs = zip(seeds, firsts, strict=True)
    cases = [latent_case(seed, first, 3, 1 + seed % 5) for seed, first in pairs]
    for seed in (0, 1, -1, 2**31, 2**32, 2**63 - 1, -(2**63)):
        cases.append(latent_case(seed, 2**32 - 3, 7, 16))
    run = check({"latent": cases}, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == {"latent": sum(len(case["epsilon"]) for case in cases)}


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("known", "words"),
        ("vectors", "words"),
        ("vectors", "uniform"),
        ("vectors", "normal"),
        ("draws", "epsilon"),
        ("components", "u"),
        ("events", "u"),
        ("fillings", "u"),
        ("latent", "epsilon"),
    ],
)
def test_one_wrong_bit_is_found(tmp_path, section, key):
    case = VECTORS[section][-1]
    wrong = [*case[key][:-1], f"{int(case[key][-1], 16) ^ 1:08x}"]
    run = check({section: [{**case, key: wrong}]}, tmp_path)
    assert run.returncode == 1
    assert run.stderr.endswith(f"got {','.join(case[key])}, expected {','.join(wrong)}\n")
