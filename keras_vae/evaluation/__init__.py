"""What a trained model is worth, in nats, with its error bar, and whether to believe it."""

from keras_vae.evaluation.bits import columns_of, covariates_of, likelihood_of
from keras_vae.evaluation.collapse import PosteriorCollapse
from keras_vae.evaluation.comparison import Comparison, compare
from keras_vae.evaluation.estimate import Estimate, bits_per_dimension, estimate
from keras_vae.evaluation.importance import (
    ImportanceEstimate,
    importance_sample,
    log_likelihood,
)
from keras_vae.evaluation.latent import LatentUse, latent_use, mutual_information
from keras_vae.evaluation.paired import paired_difference
from keras_vae.evaluation.pareto import pareto_k
from keras_vae.evaluation.quality import SampleQuality
from keras_vae.evaluation.reference import SampleReference, sample_quality
from keras_vae.evaluation.report import Report, report
from keras_vae.evaluation.scores import score_in_parts
from keras_vae.evaluation.two_samples import frechet_distance, precision_recall

__all__ = [
    "Comparison",
    "Estimate",
    "ImportanceEstimate",
    "LatentUse",
    "PosteriorCollapse",
    "Report",
    "SampleQuality",
    "SampleReference",
    "bits_per_dimension",
    "columns_of",
    "compare",
    "covariates_of",
    "estimate",
    "frechet_distance",
    "importance_sample",
    "latent_use",
    "likelihood_of",
    "log_likelihood",
    "mutual_information",
    "paired_difference",
    "pareto_k",
    "precision_recall",
    "report",
    "sample_quality",
    "score_in_parts",
]
