"""Sample an exported VAE with numpy and onnxruntime, and nothing else.

This folder imports nothing of its own project, so it can be copied beside a bundle and used alone.

    python -m export.runtime BUNDLE --count 64 --seed 0 --out samples.png
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before onnxruntime, which phones home

from .manifest import FORMAT, FORMAT_VERSION, METADATA
from .pictures import grid, write
from .vae import OnnxVAE

__all__ = ["FORMAT", "FORMAT_VERSION", "METADATA", "OnnxVAE", "grid", "write"]
