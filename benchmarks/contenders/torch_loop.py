"""A plain loop in PyTorch: the data in one tensor, fused Adam, nothing waited for in an epoch."""

import torch
from torch.nn import functional

from benchmarks.contenders.common import LEARNING_RATE, Clock, images, options
from benchmarks.contenders.torch_model import Decoder, Encoder, weights


def main():
    """Trains; with `--compile` the loss is compiled by `torch.compile`."""
    chosen = options("--compile")
    torch.manual_seed(0)
    encoder, decoder = (part(chosen.case, chosen.latent_dim) for part in (Encoder, Decoder))
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE, fused=True)

    def loss(x):
        z_mean, z_log_var = encoder(x)
        z = z_mean + torch.exp(z_log_var / 2) * torch.randn_like(z_mean)
        nats = functional.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
        kl = -0.5 * torch.sum(1 + z_log_var - z_mean.square() - z_log_var.exp())
        return (nats + kl) / len(x)

    loss = torch.compile(loss) if chosen.compile else loss
    x = torch.from_numpy(images(chosen))
    clock = Clock(chosen, lambda: weights(encoder, decoder))
    while not clock.epoch(epoch(loss, optimizer, x, chosen.batch)):
        pass
    clock.report()


def epoch(loss, optimizer, x, batch):
    """One pass over the data; the mean loss."""
    total, order = torch.zeros(()), torch.randperm(len(x))
    for chosen in order.split(batch):
        optimizer.zero_grad(set_to_none=True)
        value = loss(x.index_select(0, chosen))
        value.backward()
        optimizer.step()
        total += value.detach()
    return total / (len(x) / batch)


if __name__ == "__main__":
    main()
