"""The decoder by PyTorch, under `inference_mode`; with `--compile` by `torch.compile`."""

import torch

from benchmarks.contenders.sample_clock import LATENT_DIM, options, report
from benchmarks.contenders.torch_decoder import decoder


def main():
    """Samples one way."""
    chosen = options("--compile")

    def sampler(case, folder):
        model, latent_dim = decoder(case), LATENT_DIM[case]

        def draw(count):
            return model(torch.randn(count, latent_dim))

        return by(torch.compile(draw, dynamic=False) if chosen.compile else draw)

    report(chosen, sampler)


def by(draw):
    """NumPy's view of what it draws, without gradients."""

    def sample(count):
        with torch.inference_mode():
            return draw(count).numpy()

    return sample


if __name__ == "__main__":
    main()
