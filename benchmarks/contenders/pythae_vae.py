"""pythae's VAE with its own trainer, given the encoder and the decoder of the other contenders."""

import contextlib
import io
import logging
import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from benchmarks.contenders import torch_model
from benchmarks.contenders.common import LEARNING_RATE, Clock, images, options


class Encoder(BaseEncoder):
    """The encoder as pythae wants it."""

    def __init__(self, *size):
        super().__init__()
        self.model = torch_model.Encoder(*size)

    def forward(self, x):
        z_mean, z_log_var = self.model(x)
        return ModelOutput(embedding=z_mean, log_covariance=z_log_var)


class Decoder(BaseDecoder):
    """The decoder as pythae wants it: its loss takes probabilities."""

    def __init__(self, *size):
        super().__init__()
        self.model = torch_model.Decoder(*size)

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(self.model(z)))


def make(options):
    """pythae's model."""
    torch.manual_seed(0)
    size = options.case, options.latent_dim
    config = VAEConfig(input_dim=(784,), latent_dim=options.latent_dim, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(*size), decoder=Decoder(*size))


class EnoughError(Exception):
    """Ends the training: the trainer has no other way to end before its last epoch."""


class Epochs(TrainingCallback):
    """Ends the clock's epochs; the loss is summed where the trainer has it as a number already."""

    def __init__(self, clock):
        self.clock = clock

    def on_log(self, training_config, logs, **kwargs):
        if self.clock.epoch(logs["train_epoch_loss"]):
            raise EnoughError


def main():
    """Trains by pythae's trainer."""
    chosen = options()
    logging.disable(logging.INFO)
    model, x = make(chosen), torch.from_numpy(images(chosen))
    clock = Clock(chosen, lambda: torch_model.weights(model.encoder.model, model.decoder.model))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=chosen.epochs,
            per_device_train_batch_size=chosen.batch,
            learning_rate=LEARNING_RATE,
            optimizer_cls="Adam",
            no_cuda=True,
        )
        data = BaseDataset(x, torch.zeros(len(x)))
        trainer = BaseTrainer(model, data, None, config, callbacks=[Epochs(clock)])
        with contextlib.suppress(EnoughError):
            trainer.train()
    clock.report()


if __name__ == "__main__":
    main()
