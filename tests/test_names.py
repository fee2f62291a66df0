"""Names: the help of a command lists those that the tables hold."""

import pytest

from export import converters, quantize
from keras_vae import architectures, backend, cli, datasets, names, objectives
from keras_vae.architectures.heads import POSTERIORS
from keras_vae.distributions.likelihoods import LIKELIHOODS
from keras_vae.distributions.priors import PRIORS
from keras_vae.estimators import ESTIMATORS

TABLES = {
    "ARCHITECTURES": architectures.ARCHITECTURES,
    "BACKENDS": backend.BACKENDS,
    "CONVERTERS": converters.LIBRARIES.values(),
    "DATASETS": datasets.NAMES,
    "ESTIMATORS": ESTIMATORS,
    "EXTRAS": converters.LIBRARIES.values(),
    "LIKELIHOODS": LIKELIHOODS,
    "OBJECTIVES": objectives.OBJECTIVES,
    "POSTERIORS": POSTERIORS,
    "PRECISIONS": quantize.PRECISIONS,
    "PRIORS": PRIORS,
}


def test_every_list_has_its_table():
    assert {name for name in vars(names) if name.isupper()} == TABLES.keys()


@pytest.mark.parametrize("kind", TABLES)
def test_the_names_are_those_of_the_table(kind):
    assert sorted(getattr(names, kind)) == sorted(TABLES[kind])


OF_OTHERS = {"BACKENDS", "CONVERTERS", "DATASETS", "EXTRAS", "PRECISIONS"}


@pytest.mark.parametrize("kind", sorted(TABLES.keys() - OF_OTHERS))
def test_the_help_of_training_lists_them(kind, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert names.listed(getattr(names, kind)) in " ".join(capsys.readouterr().out.split())
