"""Top-down hierarchies: several groups of latents, of maps or of vectors."""

import math

import keras
from keras import layers

from keras_vae.architectures.conv import check_image, crop
from keras_vae.architectures.groups import Group, Net, Start
from keras_vae.architectures.heads import Seeded, check_shape, flatten
from keras_vae.architectures.resnet import sizes_of
from keras_vae.distributions.base import check_count


def topdown(
    input_shape,
    latent_dim,
    num_params=None,
    seed=None,
    num_groups=None,
    width=32,
    depth=1,
    activation="silu",
    num_classes=None,
):
    """Returns an encoder and a decoder with a hierarchy of latents, z_1 above z_2 above z_3, ….

    The image is halved, rounding up, until height and width are at most 8, as by `resnet`. From
    the coarsest size down to the image, the decoder has groups of latents, maps of that size, each
    of which depends on those before it, p(z_l | z_<l); the posterior q(z_l | x, z_<l) sees what
    the encoder says of x at that size too. z is all of them in one vector, in the unit of their
    priors, so that its own prior is N(0, I): see `groups.Group`.

    Args:
        input_shape: shape of one image, `(height, width, channels)`.
        latent_dim: numbers in each group at each position of its map; z has those of all.
        num_params: raw decoder outputs on the last axis; the likelihood says. None: as x has.
        seed: integer seed of the initial weights.
        num_groups: how many groups there are at each size, the coarsest first; None: two, and one
            at the next size if there is one.
        width: channels at the size of the image; half as large ones have twice as many, at most 4.
        depth: blocks at each size, beside those of the groups.
        activation: of the hidden layers.
        num_classes: how many labels there are, if the decoder is to be given one beside z.

    Returns:
        `encoder`: `(B, *input_shape)` → what it says of x at each size that has groups, the
        coarsest first, and
        `decoder`: `(B, vae.latent_dim)` and, with `num_classes`, `(B, num_classes)` → `x_params`.

    Raises:
        ValueError: a size is not a whole number of at least 1, the input is no image, or
            `num_groups` names more sizes than the image has.

    Example:

    >>> encoder, decoder = topdown((28, 28, 1), latent_dim=2, num_groups=(2, 1), width=8)
    >>> decoder.input_shape  # 2 · 7 · 7 · 2 + 14 · 14 · 2
    (None, 588)

    Reference: Sønderby et al., Ladder Variational Autoencoders, 2016, section 2; Child, Very Deep
    VAEs, 2021, section 3.
    """
    input_shape = check_shape(input_shape, latent_dim)
    check_image("topdown", input_shape)
    sizes = sizes_of(input_shape)
    num_groups = (2, 1)[: len(sizes)] if num_groups is None else num_groups
    num_groups = checked_counts(num_groups, [f"{height}x{w}" for height, w in reversed(sizes)])
    net = Net(2, activation, Seeded(seed))
    channels = [check_count("width", width) * min(2**i, 4) for i in range(len(sizes))]
    blocks = range(check_count("depth", depth))

    x = keras.Input(input_shape, name="x")
    h, features = net.layer(width)(x), []
    for i, n in enumerate(channels):
        if i:
            h = net.layer(n, strides=2)(h)
        for _ in blocks:
            h = net.block(h)
        features.append(h)
    used = [i for i in reversed(range(len(sizes))) if num_groups[len(sizes) - 1 - i]]
    encoder = keras.Model(x, [features[i] for i in used], name="encoder")

    stages, begin = [Start((*sizes[-1], channels[-1]))], 0
    for i in reversed(range(len(sizes))):
        shape = (*sizes[i], channels[i])
        for _ in range(num_groups[len(sizes) - 1 - i]):
            group = Group(shape, latent_dim, begin, used.index(i), activation, net.seeded.next())
            stages.append(group)
            begin += group.size
        h = inside = keras.Input(shape)
        for _ in blocks:
            h = net.block(h)
        if i:
            h = layers.UpSampling2D(2, data_format="channels_last")(net.layer(channels[i - 1])(h))
            stages.append(keras.Model(inside, crop(h, sizes[i - 1]), name=f"up_{i}"))
    inside, h = with_label(inside, h, num_classes, net)
    last = net.layer(num_params or input_shape[-1], dtype="float32", name="x_params")
    stages.append(keras.Model(inside, last(net.activated(h)), name="head"))
    return encoder, chained(stages, begin, num_classes)


def topdown_mlp(
    input_shape,
    latent_dim,
    num_params=None,
    seed=None,
    num_groups=(2,),
    width=200,
    depth=1,
    activation="relu",
    num_classes=None,
):
    """Returns an encoder and a decoder of dense layers with a hierarchy of latents, all vectors.

    As `topdown`, for examples of any shape: each group is a vector of `latent_dim` numbers.

    Args:
        input_shape: shape of one example.
        latent_dim: numbers in each group; z has those of all.
        num_params, seed, activation, num_classes: as in `topdown`.
        num_groups: how many groups there are, as a tuple of one number.
        width: units of each hidden layer.
        depth: residual blocks of the encoder, and of the decoder after the groups.

    Raises:
        ValueError: a size is not a whole number of at least 1.

    Example:

    >>> encoder, decoder = topdown_mlp((28, 28, 1), latent_dim=20, num_groups=(3,))
    >>> decoder.input_shape
    (None, 60)
    """
    *space, channels = input_shape = check_shape(input_shape, latent_dim)
    (count,) = checked_counts(num_groups, ["a vector"])
    net = Net(0, activation, Seeded(seed))
    blocks = range(check_count("depth", depth))
    shape = (check_count("width", width),)

    x = keras.Input(input_shape, name="x")
    h = net.layer(width)(flatten(x))
    for _ in blocks:
        h = net.block(h)
    encoder = keras.Model(x, [h], name="encoder")

    groups = [
        Group(shape, latent_dim, i * latent_dim, 0, activation, net.seeded.next())
        for i in range(count)
    ]
    h = inside = keras.Input(shape)
    for _ in blocks:
        h = net.block(h)
    inside, h = with_label(inside, h, num_classes, net)
    output_shape = (*space, num_params or channels)
    last = net.layer(math.prod(output_shape), dtype="float32", name="x_params")
    h = layers.Reshape(output_shape, dtype="float32")(last(net.activated(h)))
    head = keras.Model(inside, h, name="head")
    return encoder, chained([Start(shape), *groups, head], count * latent_dim, num_classes)


def checked_counts(num_groups, sizes):
    """`num_groups` with zeros for the sizes that it does not name, or a `ValueError`."""
    counts = tuple(num_groups) if isinstance(num_groups, list | tuple) else (num_groups,)
    if not all(isinstance(n, int) and n >= 0 for n in counts) or sum(counts) < 1:
        raise ValueError(
            "num_groups must be the numbers of groups of latents at each size, the coarsest first, "
            f"such as (2, 1), with at least one group, got {num_groups!r}"
        )
    if len(counts) > len(sizes):
        raise ValueError(
            f"num_groups must name at most {len(sizes)} sizes, those of this example being "
            f"{', '.join(sizes)}, got {num_groups!r}"
        )
    return counts + (0,) * (len(sizes) - len(counts))


def with_label(inside, h, num_classes, net):
    """The inputs of a head, and its state with the label in it, if it has one."""
    if num_classes is None:
        return inside, h
    label = keras.Input((check_count("num_classes", num_classes),), name="label")
    row = net.seeded(layers.Dense, h.shape[-1])(label)
    row = layers.Reshape((*(1 for _ in h.shape[2:]), h.shape[-1]))(row)
    return [inside, label], layers.Add()([h, row])


def chained(stages, latent_dim, num_classes):
    """The decoder: z, and perhaps a label, through the stages one after the other."""
    z = keras.Input((latent_dim,), name="z")
    label = [] if num_classes is None else [keras.Input((num_classes,), name="label")]
    start, *middle, head = stages
    h = start(z)
    for stage in middle:
        h = stage([h, z]) if isinstance(stage, Group) else stage(h)
    return keras.Model(
        [z, *label] if label else z, head([h, *label] if label else h), name="decoder"
    )
