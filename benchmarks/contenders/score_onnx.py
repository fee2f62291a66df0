"""log p(x) of the bundle's scorer.onnx, by `export.runtime`."""

from benchmarks.contenders.common import images, options, time_score
from export.runtime import OnnxVAE


def main():
    """Scores by `OnnxVAE.score`, with its defaults."""
    chosen = options()
    vae = OnnxVAE(chosen.data / chosen.case / "onnx")
    x = images(chosen, "test").reshape(-1, 28, 28, 1)

    def score(x):
        return vae.score(x, chosen.num_samples)["log_likelihood"]

    time_score(score, x, chosen.num_samples)


if __name__ == "__main__":
    main()
