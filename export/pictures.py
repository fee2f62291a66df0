"""samples.png of a bundle, where its examples have a picture."""

from export import runtime
from keras_vae.plotting import gallery, save, suited


def write(vae, path):
    """Writes a picture of samples, of images as `python -m export.runtime` does.

    Args:
        vae: an `export.runtime.OnnxVAE`.
        path: the file.

    Returns:
        Whether there is a picture.
    """
    if len(vae.input_shape) == 3:
        runtime.write(gallery(vae), path)
        return True
    figures = suited(vae)
    figure = figures and figures.samples()
    if figure:
        save(figure, path)
    return bool(figure)
