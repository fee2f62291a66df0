"""The untrained models of the parts that sample and export."""

from benchmarks.harness import Contender, run_once
from benchmarks.speed.common import BUILD, contender


def written(*cases, onnx=True, torch=False):
    """Has the models of `contenders.bundles` written; the folder that they are in.

    Args:
        cases: names of models.
        onnx: whether their bundles are exported too.
        torch: whether PyTorch's decoder.pt is written too.

    Raises:
        RuntimeError: one could not be written.
    """
    flags = ("--onnx",) if onnx else ()
    makers = [contender("models", "bundles", BUILD, *cases, *flags)]
    if torch:
        makers.append(Contender("decoders", "benchmarks.contenders.torch_decoder", (BUILD, *cases)))
    for maker in makers:
        if "failed" in (done := run_once(maker)):
            raise RuntimeError(f"the {maker.name} could not be made: {done['failed']}")
    return BUILD
