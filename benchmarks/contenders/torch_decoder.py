"""z → x_hat in PyTorch.

    python -m benchmarks.contenders.torch_decoder build/bench digits conv

writes decoder.pt beside the other files of a model.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn


def decoder(case):
    """The decoder of `contenders.bundles` of that name, in evaluation mode."""
    return {"digits": digits, "conv": conv}[case]().eval()


def digits():
    """8-200-200-64."""
    body = [nn.Linear(8, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU()]
    return nn.Sequential(*body, nn.Linear(200, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))


def conv():
    """That of `torch_model`, the plane of the image not flattened."""
    double = {"stride": 2, "padding": 1, "output_padding": 1}
    body = [nn.Linear(16, 3136), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))]
    body += [nn.ConvTranspose2d(64, 64, 3, **double), nn.ReLU()]
    body += [nn.ConvTranspose2d(64, 32, 3, **double), nn.ReLU()]
    return nn.Sequential(*body, nn.Conv2d(32, 1, 3, padding=1), nn.Sigmoid())


def main():
    """Writes the files."""
    out, *cases = sys.argv[1:]
    for case in cases:
        torch.save(decoder(case).state_dict(), Path(out, case, "decoder.pt"))
    print(json.dumps({"written": cases}))


if __name__ == "__main__":
    main()
