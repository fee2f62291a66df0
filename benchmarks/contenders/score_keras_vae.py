"""log p(x) of this package's Keras model, on the backend that KERAS_BACKEND names."""

from benchmarks.contenders.common import images, options, time_score
from keras_vae.evaluation import log_likelihood
from keras_vae.models import load_model


def main():
    """Scores by `evaluation.log_likelihood`, with its defaults."""
    chosen = options()
    vae = load_model(chosen.data / chosen.case / "model.keras")
    x = images(chosen, "test").reshape(-1, 28, 28, 1)
    time_score(lambda x: log_likelihood(vae, x, chosen.num_samples), x, chosen.num_samples)


if __name__ == "__main__":
    main()
