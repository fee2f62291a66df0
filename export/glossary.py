"""What the inputs and outputs of a bundle's files are, for whoever never heard of Keras."""

WHOLE = ("seed", "first", "count", "label", "num_samples", "index")
"""The int64 ones; all others are float32."""

MEANINGS = {
    "seed": ("which samples, or whose noise", "−2^63 to 2^63 − 1"),
    "first": ("the number of the first sample of the seed", "0 to 2^44 − 1"),
    "count": ("how many samples", "0 and more; first + count is 2^44 at most"),
    "temperature": (
        "the standard deviation of the noise: less is more typical",
        "≥ 0; 1 is the model",
    ),
    "label": ("what the example is, of a conditional model", "{label}"),
    "x": ("{x}", "{support}"),
    "x_hat": ("the mean of x given z, what the model makes of z", "as `x`, with all between"),
    "z": ("the latent, all that the model knows of one example", "real numbers, mostly −3 to 3"),
    "z_mean": ("the mean of z given x", "real numbers"),
    "z_log_var": ("the logarithm of the variance of z given x", "real numbers"),
    "z_correlation": ("how the dimensions of z given x depend on one another", "real numbers"),
    "num_samples": ("draws of z for each example: more is more exact", "1 to 2^31 − 1"),
    "index": (
        "whose noise an example gets: 0, 1, 2, … for a data set; one index for all makes the score "
        "a function of `x` alone, for ranking",
        "0 to 2^44 − 1",
    ),
    "elbo": ("the evidence lower bound of log p(x)", "nats"),
    "reconstruction_loss": ("minus its first term, the mean of log p(x given z)", "nats"),
    "kl_loss": ("minus its second term, what z tells of x", "nats, mostly ≥ 0"),
    "log_likelihood": ("log p(x), estimated: the higher, the more usual x is", "nats"),
    "element_log_prob": ("the terms of log p(x given z) by element: where x is strange", "nats"),
    "x_filled": ("x with its gaps filled by a draw", "as `x`"),
}
"""What each is, and its values, with their unit."""


QUANTIZE = (
    "Quantized by onnxruntime's `quantize_dynamic`, the files still draw the same z. "
    "`quantize_static`, and any quantizer of a graph that was simplified first "
    "(`quant_pre_process`), would move it by some hundredths: give them `nodes_to_exclude`, the "
    "nodes whose names begin with `noise/`, `prior/` and `outputs/`; and simplify nothing that is "
    "then quantized statically."
)


def table(manifest):
    """A line for each input and output of the files: its type, what it is, and its values.

    Args:
        manifest: what manifest.json holds.
    """
    held = {
        name for file in manifest["files"].values() for name in (*file["inputs"], *file["outputs"])
    }
    known = manifest.get("num_classes")
    whole = WHOLE if known else [name for name in WHOLE if name != "label"]
    facts = {
        "label": f"0 to {known - 1}" if known else "a number for each covariate, see below",
        "x": _example(manifest),
        "support": _support(manifest),
    }
    lines = [
        f"| `{name}` | {'int64' if name in whole else 'float32'} | {what.format_map(facts)} "
        f"| {values.format_map(facts)} |"
        for name, (what, values) in MEANINGS.items()
        if name in held
    ]
    return "\n".join(["| name | type | what it is | values |", "|---|---|---|---|", *lines])


def _example(manifest):
    """What x is, by its axes."""
    shape = manifest["input_shape"]
    if "columns" in manifest:
        return "one row of the table: a number for each column that is no label, in their order"
    if len(shape) != 3:
        return f"one example, {shape[0]} numbers" if len(shape) == 1 else "one example"
    colours = {1: ", grey", 3: ": red, green, blue"}.get(shape[-1], "")
    return (
        f"one image, (height, width, channels): {shape[0]} rows from the top, {shape[1]} pixels "
        f"from the left, {shape[2]} channel{'s'[: shape[2] - 1]}{colours}"
    )


def _support(manifest):
    support = manifest["likelihood"]["support"]
    if "columns" in manifest:
        return "by the columns; NaN is a gap"
    unit = "in its own unit" if "preprocessing" in manifest else "scaled as the training data"
    return f"{support}, {unit}"


def notes(manifest):
    """What must be known besides.

    Args:
        manifest: what manifest.json holds.
    """
    draws = (
        "`x_hat` is a mean, smoother than data; `x` of `generator.onnx` is drawn from p(x|z), and "
        "looks like data, noise included. "
        if "generator.onnx" in manifest["files"]
        else "`x_hat` is a mean, smoother than data. "
    )
    return (
        f"{draws}Sample i of a seed is always the same one: drawn alone (`first` i, `count` 1), in "
        "a batch, or by another runtime. The same `index` and `seed` give the same score again, "
        "whatever stands beside the example.\n\n"
        f"{_picture(manifest)}{_elsewhere(manifest['likelihood']['support'])}\n\n{QUANTIZE}"
    )


def _picture(manifest):
    """How x becomes shades, where it is an image."""
    if "columns" in manifest or len(manifest["input_shape"]) != 3:
        return ""
    unit = "x" if "preprocessing" not in manifest else "(x - location) / scale"
    told = "" if unit == "x" else ", with the `preprocessing` of manifest.json"
    return f"A pixel is black where {unit} is 0 and white where it is 1{told}. "


def _elsewhere(support):
    if support == "any finite number":
        return (
            "x may hold any finite number, so data in another unit, as pixels from 0 to 255 given "
            "to a model of 0 to 1, are no error: they score very low."
        )
    return f"x must be {support}; elsewhere the scores are minus infinity."
