"""The latent explorer: one page that draws, encodes and walks, by onnxruntime-web, in the browser.

    python -m export.explore BUNDLE             # serves it on the loopback address
    python -m export.explore BUNDLE --out DIR   # writes it, to be hosted anywhere

It loads neither Keras nor TensorFlow, and the page asks no other host for anything.
"""
