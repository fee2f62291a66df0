"""Encoders and decoders: functional models, found by name."""

from keras_vae.architectures.conv import conv
from keras_vae.architectures.mlp import mlp
from keras_vae.architectures.resnet import resnet
from keras_vae.architectures.topdown import topdown, topdown_mlp
from keras_vae.lookup import named

ARCHITECTURES = {
    "conv": conv,
    "mlp": mlp,
    "resnet": resnet,
    "topdown": topdown,
    "topdown_mlp": topdown_mlp,
}


def get(identifier):
    """The architecture that a name stands for; a function is returned as it is.

    An architecture is a function `(input_shape, latent_dim, num_params, seed, **options)`
    that returns an encoder, `x → [z_mean, z_log_var]`, and a decoder, `z → x_params`. If its last
    layer with weights is called `x_params`, training begins where the likelihood says; see
    `heads.begin`.
    """
    return identifier if callable(identifier) else named("architecture", identifier, ARCHITECTURES)
