"""The encoders and decoders in PyTorch, with the initial weights that Keras gives them."""

import torch
from torch import nn

from benchmarks.contenders.common import pairs


def halves(inputs, outputs):
    """A convolution that halves height and width."""
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)


def doubles(inputs, outputs):
    """A transposed convolution that doubles them."""
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)


def bodies(case, latent_dim):
    """The layers up to the posterior, their width, and those of the decoder up to the logits."""
    if case == "mlp":
        up = [nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU()]
        down = [nn.Linear(latent_dim, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU()]
        return up, 200, [*down, nn.Linear(200, 784)]
    up = [nn.Unflatten(1, (1, 28, 28)), halves(1, 32), nn.ReLU(), halves(32, 64), nn.ReLU()]
    up += [nn.Flatten(), nn.Linear(3136, 128), nn.ReLU()]
    down = [nn.Linear(latent_dim, 3136), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))]
    down += [doubles(64, 64), nn.ReLU(), doubles(64, 32), nn.ReLU()]
    return up, 128, [*down, nn.Conv2d(32, 1, 3, padding=1), nn.Flatten()]


class Encoder(nn.Module):
    """x, `(B, 784)` → z_mean, z_log_var."""

    def __init__(self, case, latent_dim):
        super().__init__()
        body, width, _ = bodies(case, latent_dim)
        self.body = nn.Sequential(*body)
        self.mean, self.log_var = nn.Linear(width, latent_dim), nn.Linear(width, latent_dim)
        self.apply(glorot)

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), self.log_var(h)


class Decoder(nn.Sequential):
    """z → x_logits, `(B, 784)`."""

    def __init__(self, case, latent_dim):
        super().__init__(*bodies(case, latent_dim)[-1])
        self.apply(glorot)


def glorot(layer):
    """Uniform kernels by their fans, and biases of 0."""
    if hasattr(layer, "weight"):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def weights(encoder, decoder):
    """The MLP's, as `common.elbo` takes them."""
    parameters = [*encoder.parameters(), *decoder.parameters()]
    return pairs(p.detach().T if p.ndim == 2 else p.detach() for p in parameters)


def load(encoder, decoder, layers):
    """Gives an MLP the weights that `weights` returns."""
    parameters = [*encoder.parameters(), *decoder.parameters()]
    with torch.no_grad():
        for p, value in zip(parameters, (w for layer in layers for w in layer), strict=True):
            p.copy_(torch.from_numpy(value.T if p.ndim == 2 else value))
