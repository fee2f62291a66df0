"""log p(x) by pythae's own `get_nll`, with its batch of 100 draws or, with `--large`, of 1000."""

import torch

from benchmarks.contenders.common import images, layers, options, time_score
from benchmarks.contenders.pythae_vae import make
from benchmarks.contenders.torch_model import load


def main():
    """Scores without gradients, which `get_nll` leaves to its caller."""
    chosen = options("--large")
    model = make(chosen).eval()
    if chosen.case == "mlp":
        load(model.encoder.model, model.decoder.model, layers(chosen.data / "mlp.npz"))
    batch = 1000 if chosen.large else 100

    def score(x):
        with torch.inference_mode():
            return model.get_nll(torch.from_numpy(x), chosen.num_samples, batch)

    time_score(score, images(chosen, "test"), chosen.num_samples)


if __name__ == "__main__":
    main()
