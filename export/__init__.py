"""From a trained VAE to files that anyone can run: ONNX, a manifest, a model card, a picture.

Importing `export` costs nothing; import the part that is needed, such as `export.runtime`,
which loads numpy and onnxruntime alone. Whatever imports onnxruntime imports `export` first.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as the runtime does, which works alone too
