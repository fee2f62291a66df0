"""The bundle by onnxruntime: `OnnxVAE.sample`, or a plain session with onnxruntime's own threads.

`--plain`: of sampler.onnx; `--decoder`: of decoder.onnx, fed with z that is there already.
"""

import numpy as np

from benchmarks.contenders.sample_clock import LATENT_DIM, options, report
from export.runtime import OnnxVAE
from export.runtime.pool import cores
from export.runtime.sessions import onnxruntime


def main():
    """Samples one way."""
    chosen = options("--plain", "--decoder")
    report(chosen, plain if chosen.plain else decoder if chosen.decoder else package)


def package(case, folder):
    """The package's own runtime, with its defaults."""
    return OnnxVAE(folder / "onnx").sample


def plain(case, folder):
    """One run of sampler.onnx for all images."""
    run = session(folder / "onnx" / "sampler.onnx").run
    return lambda count: run(["x_hat"], request(count))[0]


def decoder(case, folder):
    """One run of decoder.onnx for all images."""
    run = session(folder / "onnx" / "decoder.onnx").run
    z = np.random.default_rng(0).standard_normal((1024, LATENT_DIM[case]), "float32")
    return lambda count: run(None, {"z": z[:count]})[0]


def session(path):
    """With a thread for each core: by itself onnxruntime takes those too that it may not use."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def request(count):
    """What sampler.onnx is fed."""
    whole = {"seed": 0, "first": 0, "count": count}
    feeds = {name: np.array(value, np.int64) for name, value in whole.items()}
    return feeds | {"temperature": np.array(1, np.float32)}


if __name__ == "__main__":
    main()
