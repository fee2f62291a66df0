"""What the commands do: train, evaluate, sample, plot."""

from keras_vae.commands.evaluating import evaluate
from keras_vae.commands.pictures import plot, sample
from keras_vae.commands.training import train

__all__ = ["evaluate", "plot", "sample", "train"]
