"""Every public class round-trips through its config, and every name is found or explained."""

import keras
import numpy as np
import pytest

from keras_vae import architectures, distributions, objectives
from keras_vae.distributions import Bernoulli, Normal, StandardNormal, likelihoods, priors
from keras_vae.layers import Sampling
from keras_vae.schedules import KLCycles, KLWarmup, PriorWarmup

REGISTERED = [
    Bernoulli(),
    Normal(scale=0.3, trainable=False),
    likelihoods.Categorical(),
    likelihoods.ContinuousBernoulli(),
    likelihoods.DiscretizedLogistic(levels=17),
    likelihoods.HeteroscedasticNormal(),
    likelihoods.MixtureOfDiscretizedLogistics(num_components=3, levels=32),
    likelihoods.NegativeBinomial(),
    likelihoods.Poisson(),
    likelihoods.ZeroInflatedNegativeBinomial(),
    distributions.SizedCounts("poisson", 7.5, 0.25),
    StandardNormal(),
    objectives.ELBO(beta=2.0, num_samples=3),
    Sampling(seed=5),
]


@pytest.mark.parametrize("instance", REGISTERED, ids=lambda instance: type(instance).__name__)
def test_serialization_round_trip(instance):
    config = keras.saving.serialize_keras_object(instance)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(instance)
    assert copy.get_config() == instance.get_config()


def test_every_likelihood_is_among_those_that_round_trip():
    assert set(likelihoods.LIKELIHOODS.values()) <= {type(instance) for instance in REGISTERED}


def test_vae_config_round_trip(make_vae):
    vae = make_vae(objective=objectives.ELBO(beta=3.0), seed=4)
    copy = type(vae).from_config(vae.get_config())
    assert copy.get_config() == vae.get_config()
    assert [w.shape for w in copy.weights] == [w.shape for w in vae.weights]


@pytest.mark.parametrize("kind", [KLCycles, KLWarmup, PriorWarmup])
def test_callback_config_round_trip(kind):
    warmup = kind(epochs=5, start=0.25)
    assert kind.from_config(warmup.get_config()).get_config() == warmup.get_config()


@pytest.mark.parametrize(
    ("get", "kind", "near", "meant"),
    [
        (likelihoods.get, "likelihood", "bernouli", "bernoulli"),
        (priors.get, "prior", "standart_normal", "standard_normal"),
        (objectives.get, "objective", "ELBOW", "elbo"),
        (architectures.get, "architecture", "convs", "conv"),
    ],
)
def test_an_unknown_name_gets_the_closest_match(get, kind, near, meant):
    with pytest.raises(ValueError, match=f"Unknown {kind}: '{near}'. Did you mean '{meant}'"):
        get(near)
    with pytest.raises(ValueError, match=f"Known: .*{meant}"):
        get(17)


@pytest.mark.parametrize(
    "make",
    [
        lambda: objectives.ELBO(beta=-1),
        lambda: objectives.ELBO(beta=np.nan),
        lambda: objectives.ELBO(num_samples=0),
        lambda: objectives.ELBO(num_samples=1.5),
        lambda: KLWarmup(epochs=0),
        lambda: KLWarmup(epochs=3, start=2),
        lambda: PriorWarmup(epochs=0),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()
