"""Data for training: named sets, files of arrays, sparse rows or tables, folders of images.

>>> from keras_vae import datasets
>>> digits = datasets.load("digits")
>>> digits.x_train.shape, digits.x_test.shape
((1438, 8, 8, 1), (359, 8, 8, 1))
"""

from keras_vae.datasets.binarization import DynamicBinarization, binarize
from keras_vae.datasets.dataset import Dataset
from keras_vae.datasets.loading import NAMES, load

__all__ = ["NAMES", "Dataset", "DynamicBinarization", "binarize", "load"]
