"""The bundle by OpenVINO, in float32: sampler.onnx, or `--decoder`: decoder.onnx fed with z."""

import numpy as np
import openvino

from benchmarks.contenders.sample_clock import LATENT_DIM, options, report


def main():
    """Samples one way."""
    chosen = options("--decoder")
    report(chosen, decoder if chosen.decoder else sampler)


def sampler(case, folder):
    """One inference of sampler.onnx for all images."""
    infer, temperature = compiled(folder / "onnx" / "sampler.onnx"), np.array(1, np.float32)
    zero = np.array(0, np.int64)

    def sample(count):
        count = np.array(count, np.int64)
        feeds = {"seed": zero, "first": zero, "count": count, "temperature": temperature}
        return infer(feeds)["x_hat"]

    return sample


def decoder(case, folder):
    """One inference of decoder.onnx for all images."""
    infer = compiled(folder / "onnx" / "decoder.onnx")
    z = np.random.default_rng(0).standard_normal((1024, LATENT_DIM[case]), "float32")
    return lambda count: infer({"z": z[:count]})[0]


def compiled(path):
    """For the CPU; some would take bfloat16 by themselves."""
    return openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


if __name__ == "__main__":
    main()
