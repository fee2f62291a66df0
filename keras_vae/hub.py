"""Bundles on the Hugging Face Hub: `push` puts one there, `load` gives it back as an `OnnxVAE`.

Both are those of `export.hub`, which loads no Keras: import them from there where it is not needed.
"""

from export.hub import load, push

__all__ = ["load", "push"]
