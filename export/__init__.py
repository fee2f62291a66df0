"""From a trained VAE to files that anyone can run: ONNX, a manifest, a model card, a picture.

Importing `export` costs nothing; import the part that is needed, such as `export.runtime`,
which loads numpy and onnxruntime alone.
"""
