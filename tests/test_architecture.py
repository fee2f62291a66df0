"""What ARCHITECTURE.md promises: the tree, the layers, and what a VAE is to those who use it."""

import re
from pathlib import Path

import keras
import pytest

from keras_vae import VAE

ROOT = Path(__file__).parents[1]

PUBLIC = {
    # what a user calls
    *("from_architecture", "encode", "decode", "reconstruct", "sample", "score"),
    *("element_log_prob", "impute"),
    # its parts, and what they say of it
    *("encoder", "decoder", "likelihood", "prior", "objective", "sampling", "seed", "labels"),
    "levels",
    "augment",
    *(
        "input_shape",
        "latent_dim",
        "groups",
        "num_classes",
        "covariates",
        "kl_weight",
        "prior_weight",
        "costs",
    ),
    # the maths
    *(
        "posterior",
        "draw",
        "filled",
        "x_params",
        "densities",
        "densities_in_parts",
        "bound",
        "draw_epsilon",
    ),
    # what a step asks of the model
    *(
        "batch_of",
        "augmented",
        "noise_for",
        "batch_cost",
        "adapt",
        "forward_state",
        "end_training_step",
        "end_test_step",
    ),
}
OF_A_BACKEND = {"tensorflow": {"step"}}  # the step with given noise, which many steps are made of


def tree():
    """The files that the tree of ARCHITECTURE.md names, as paths."""
    text = (ROOT / "ARCHITECTURE.md").read_text().split("```")[1]
    folders, found = [], set()
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        heading = re.match(r" *([\w/]+)/ ", line + " ")
        if heading:
            folders = [*folders[:depth], heading[1]]
        for name in re.findall(r"\b\w+\.py\b", line):
            found.add("/".join([*folders[: depth if not heading else depth + 1], name]))
    return found


@pytest.mark.parametrize("package", ["keras_vae", "export"])
def test_the_tree_names_every_file_and_no_other(package):
    there = {str(p.relative_to(ROOT)) for p in (ROOT / package).rglob("*.py")}
    there = {p for p in there if not p.endswith(("__init__.py", "__main__.py"))}
    assert {p for p in tree() if p.startswith(f"{package}/")} == there


def test_the_public_names_of_a_vae_are_those_of_the_list():
    vae = VAE.from_architecture("mlp", (8,), 2)
    names = {n for n in set(dir(vae)) - set(dir(keras.Model())) if not n.startswith("_")}
    assert names == PUBLIC | OF_A_BACKEND.get(keras.config.backend(), set())


def test_no_method_is_defined_by_two_bases_of_a_vae():
    ours = [base for base in VAE.__mro__ if base.__module__.startswith("keras_vae")]
    defined = [n for base in ours for n in vars(base) if not n.startswith("__")]
    ours_alone = {n for n in defined if n not in ("_tf_api_names",)}
    twice = {n for n in ours_alone if defined.count(n) > 1}
    assert not twice
