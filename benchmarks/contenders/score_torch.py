"""log p(x) by a plain loop in PyTorch: of each image, a thousand draws at once."""

import math

import torch
from torch.nn import functional

from benchmarks.contenders.common import images, layers, options, time_score
from benchmarks.contenders.torch_model import Decoder, Encoder, load


def main():
    """Scores."""
    chosen = options()
    encoder, decoder = (part(chosen.case, chosen.latent_dim) for part in (Encoder, Decoder))
    if chosen.case == "mlp":
        load(encoder, decoder, layers(chosen.data / "mlp.npz"))

    def score(x):
        x = torch.from_numpy(x)
        return [log_likelihood(encoder, decoder, one, chosen.num_samples) for one in x.split(1)]

    time_score(score, images(chosen, "test"), chosen.num_samples)


@torch.inference_mode()
def log_likelihood(encoder, decoder, x, num_samples, batch=1000):
    """log (1/K) Σ p(x, z) / q(z|x) of one example, `(1, 784)`."""
    z_mean, z_log_var = encoder(x)
    log_w = []
    for _ in range(num_samples // batch):
        epsilon = torch.randn(batch, z_mean.shape[1])
        z = z_mean + torch.exp(z_log_var / 2) * epsilon
        x_logits = decoder(z)
        log_px_z = -functional.binary_cross_entropy_with_logits(
            x_logits, x.expand_as(x_logits), reduction="none"
        ).sum(1)
        log_w.append(log_px_z + (epsilon.square() - z.square() + z_log_var).sum(1) / 2)
    return torch.logsumexp(torch.cat(log_w), 0).item() - math.log(num_samples)


if __name__ == "__main__":
    main()
