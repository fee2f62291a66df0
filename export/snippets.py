"""Programs of the model card that run as they stand: Python, Node, a browser, C++."""

from string import Template

from export.runtime.conditions import in_turn, is_label
from export.runtime.manifest import covariates

COUNT = 16

PYTHON = Template("""
import numpy as np
import onnxruntime

sampler = onnxruntime.InferenceSession("$stem.onnx")
inputs = {"seed": 0, "first": 0, "count": $count$label}
inputs = {name: np.array(value, np.int64) for name, value in inputs.items()}
inputs["temperature"] = np.array(1, np.float32)$covariates
z, $x = sampler.run(["z", "$x"], inputs)  # $shapes
""")
PYTHON_PICTURE = Template("""
shades = $shades
with open("samples.$suffix", "wb") as file:  # one image under the other
    file.write(b"$head\\n" + np.round(255 * np.clip(shades, 0, 1)).astype(np.uint8).tobytes())
""")
PYTHON_TABLE = Template("""
np.savetxt("samples.csv", $x.reshape($count, -1), delimiter=",")
""")
PYTHON_SCORES = Template("""
generator = onnxruntime.InferenceSession("generator.onnx")
z, x = generator.run(["z", "x"], inputs)  # x as it is observed, with its noise
encoder = onnxruntime.InferenceSession("encoder.onnx")
z_mean, z_log_var = encoder.run(["z_mean", "z_log_var"], {"x": x})
scorer = onnxruntime.InferenceSession("scorer.onnx")
given = {"x": x, "num_samples": np.array(100), "seed": np.array(0)$labels}
given["index"] = np.arange($count)
elbo, log_likelihood = scorer.run(["elbo", "log_likelihood"], given)  # ($count,) each, in nats
""")
RUNTIME = Template("""
from keras_vae_runtime import OnnxVAE

vae = OnnxVAE(".")
x_hat = vae.sample($count, seed=0$label)
z_mean, z_log_var = vae.encode(x_hat)
""")
NODE = Template("""
import { writeFileSync } from "node:fs";
import * as ort from "onnxruntime-node";

$draw$write
""")
NODE_PICTURE = Template("""const shades = Uint8ClampedArray.from($x.data, $shade);
writeFileSync("samples.$suffix", Buffer.concat([Buffer.from("$head\\n"), Buffer.from(shades)]));""")
NODE_TABLE = Template("""const size = $x.data.length / $count, rows = [];
for (let i = 0; i < $count; i++) rows.push($x.data.slice(i * size, (i + 1) * size).join(","));
writeFileSync("samples.csv", rows.join("\\n") + "\\n");""")
DRAW = Template("""const sampler = await ort.InferenceSession.create("$stem.onnx");
const whole = (value) => new ort.Tensor("int64", BigInt64Array.of(value), []);
const { z, $x } = await sampler.run({
  seed: whole(0n), first: whole(0n), count: whole(${count}n),$label
  temperature: new ort.Tensor("float32", Float32Array.of(1), []),
});
""")
BROWSER = Template("""
<!doctype html>
<canvas width="$width" height="$height"></canvas><pre></pre>
<script type="module">
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";

$draw$write
</script>
""")
BROWSER_PICTURE = Template("""const shades = Uint8ClampedArray.from($x.data, $shade);
const image = new ImageData($width, $height);
image.data.forEach((_, i) => { image.data[i] = i % 4 === 3 ? 255 : shades[$place]; });
document.querySelector("canvas").getContext("2d").putImageData(image, 0, 0);""")
BROWSER_TABLE = Template("""const size = $x.data.length / $count, rows = [];
for (let i = 0; i < $count; i++) rows.push($x.data.slice(i * size, (i + 1) * size).join(","));
document.querySelector("pre").textContent = rows.join("\\n");""")
CPP = Template("""
#include <algorithm>
#include <cmath>
#include <fstream>
#include <openvino/openvino.hpp>

ov::Tensor whole(int64_t value) {
    ov::Tensor tensor(ov::element::i64, ov::Shape{});
    *tensor.data<int64_t>() = value;
    return tensor;
}

int main() {
    const auto exact = ov::hint::inference_precision(ov::element::f32);  // some CPUs take less
    ov::CompiledModel sampler = ov::Core().compile_model("$stem.onnx", "CPU", exact);
    ov::InferRequest draw = sampler.create_infer_request();
    ov::Tensor temperature(ov::element::f32, ov::Shape{});
    *temperature.data<float>() = 1;
    draw.set_tensor("seed", whole(0));
    draw.set_tensor("first", whole(0));
    draw.set_tensor("count", whole($count));$label
    draw.set_tensor("temperature", temperature);
    draw.infer();
    const ov::Tensor found = draw.get_tensor("$x");
    const float* $x = found.data<float>();
$write
}
""")
CPP_PICTURE = Template("""    std::ofstream file("samples.$suffix", std::ios::binary);
    file << "$head\\n";
    for (size_t i = 0; i < found.get_size(); ++i)
        file.put(std::lround(255 * std::clamp<float>($shade, 0, 1)));""")
CPP_TABLE = Template("""    const size_t size = found.get_size() / $count;
    std::ofstream file("samples.csv");
    for (size_t i = 0; i < found.get_size(); ++i)
        file << $x[i] << ((i + 1) % size ? ',' : '\\n');""")
COMPILE = """
pip install openvino
dir=$(python -c "import openvino; print(openvino.__path__[0])")
g++ -std=c++17 -isystem "$dir/include" draw.cpp "$dir"/libs/libopenvino.so.* \\
  -Wl,-rpath,"$dir/libs" -o draw
"""


def programs(manifest):
    """The programs by name, as text: `python`, `scores` (perhaps None), `node` and so on.

    Each draws the same 16 samples, and writes images as one picture (of the formats PGM and PPM,
    which need no library), and all else as rows of numbers.

    Args:
        manifest: what manifest.json holds.
    """
    facts, kind = _facts(manifest), "PICTURE" if affine(manifest) else "TABLE"
    parts = {name: globals()[f"{name}_{kind}"] for name in ("PYTHON", "NODE", "BROWSER", "CPP")}
    told = covariates(manifest)
    one = is_label(told)
    y = in_turn(told, [0])[0].tolist() if told and not one else []
    listed, size = ", ".join(map(repr, y)), len(y)

    def fill(template, label="", some="", **more):
        """The template with a label: a whole number, or some numbers for its covariates."""
        label = (label if one else some) if told else ""
        return template.substitute(facts, label=label, **more).strip("\n")

    new = f'new ort.Tensor("float32", Float32Array.of({listed}), [{size}])'
    draw = fill(DRAW, " label: whole(0n),", f"\n  label: {new},")
    node, browser = (
        parts[name].substitute(facts, **_shade(manifest, "js")) for name in ("NODE", "BROWSER")
    )
    some = (
        f"\n    ov::Tensor label(ov::element::f32, {{{size}}});\n"
        f"    std::copy_n(std::vector<float>{{{listed}}}.data(), {size}, label.data<float>());\n"
        '    draw.set_tensor("label", label);'
    )
    cpp = parts["CPP"].substitute(facts, **_shade(manifest, "cpp"))
    scored = "generator.onnx" in manifest["files"] and "scorer.onnx" in manifest["files"]
    every = f"np.zeros({COUNT}, np.int64)" if one else f"np.float32({COUNT} * [[{listed}]])"
    labels = f', "label": {every}' if told else ""
    given = f'\ninputs["label"] = np.array([{listed}], np.float32)' if y else ""
    return {
        "python": fill(PYTHON, ', "label": 0', covariates=given) + "\n\n" + fill(parts["PYTHON"]),
        "scores": fill(PYTHON_SCORES, labels=labels) if scored else None,
        "runtime": fill(RUNTIME, ", label=0", f", label=[{listed}]"),
        "node": fill(NODE, draw=draw + "\n", write=node),
        "browser": fill(BROWSER, draw=draw + "\n", write=browser),
        "cpp": fill(CPP, '\n    draw.set_tensor("label", whole(0));', some, write=cpp),
        "compile": COMPILE.strip("\n"),
    }


def affine(manifest):
    """Location and scale of each channel, by which images become shades from 0 to 1.

    None, if x is no image of one or three channels, or has another scale at each pixel.

    Example:

    >>> affine({"input_shape": [8, 8, 1], "preprocessing": {"location": 0.0, "scale": [[[255]]]}})
    ([0.0], [255])
    """
    shape = manifest["input_shape"]
    if len(shape) != 3 or shape[-1] not in (1, 3):
        return None
    told = manifest.get("preprocessing", {"location": 0.0, "scale": 1.0})
    found = [_flat(told[name]) for name in ("location", "scale")]
    return tuple(found) if all(len(values) in (1, shape[-1]) for values in found) else None


def _flat(nested):
    if not isinstance(nested, list):
        return [nested]
    return [value for part in nested for value in _flat(part)]


def _facts(manifest):
    """What the templates need to know of the model."""
    shape = tuple(manifest["input_shape"])
    stem, x = ("generator", "x") if "columns" in manifest else ("sampler", "x_hat")
    facts = {"count": COUNT, "stem": stem, "x": x}
    facts["shapes"] = f"{(COUNT, manifest['latent_dim'])}, {(COUNT, *shape)}"
    if not affine(manifest):
        return {**facts, "width": 1, "height": 1, "place": ""}
    height, width, channels = shape
    return {
        **facts,
        "width": width,
        "height": COUNT * height,
        "suffix": "pgm" if channels == 1 else "ppm",
        "head": f"P{5 if channels == 1 else 6} {width} {COUNT * height} 255",
        "place": "i >> 2" if channels == 1 else "3 * (i >> 2) + (i % 4)",
        "shades": _shades(manifest, x),
    }


def _shades(manifest, x):
    """The shades in NumPy, from 0 to 1."""
    location, scale = affine(manifest)
    return x if (location, scale) == ([0.0], [1.0]) else f"({x} - {location}) / {scale}"


def _shade(manifest, language):
    """One shade: in JavaScript from 0 to 255, a function; in C++ an expression, from 0 to 1."""
    if not affine(manifest):
        return {}
    (location, scale), x = affine(manifest), _facts(manifest)["x"]
    value = f"{x}[i]" if language == "cpp" else "v"
    if (location, scale) != ([0.0], [1.0]):
        value = f"({value} - {_at(location, language)}) / {_at(scale, language)}"
    return {"shade": value if language == "cpp" else f"(v, i) => 255 * {value}"}


def _at(values, language):
    """The value of the channel of place i."""
    if len(values) == 1:
        return f"{values[0]!r}"
    listed = ", ".join(map(repr, values))
    array = f"std::vector<float>{{{listed}}}" if language == "cpp" else f"[{listed}]"
    return f"{array}[i % {len(values)}]"
