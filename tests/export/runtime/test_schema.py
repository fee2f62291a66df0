"""manifest.schema.json is the truth: what is written fits, and all that is written is described."""

import json

import pytest

import keras_vae
from export import bundle as bundles
from export.runtime import manifest, schema

CHECKED = {*schema.RULES, "required", "properties", "additionalProperties", "propertyNames"}
CHECKED |= {"items", "$ref"}
NOTES = {"$schema", "$defs", "title", "description"}


def schemas(part):
    """A schema and all that it is made of."""
    yield part
    for keyword in ("properties", "$defs"):
        for inner in part.get(keyword, {}).values():
            yield from schemas(inner)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if keyword in part:
            yield from schemas(part[keyword])


def test_every_keyword_is_checked():
    used = {keyword for part in schemas(manifest.SCHEMA) for keyword in part}
    assert used <= CHECKED | NOTES
    assert {part["$ref"] for part in schemas(manifest.SCHEMA) if "$ref" in part} == {
        f"#/$defs/{name}" for name in manifest.SCHEMA["$defs"]
    }
    patterns = [part["pattern"] for part in schemas(manifest.SCHEMA) if "pattern" in part]
    assert all(pattern[0] == "^" and pattern[-1] == "$" for pattern in patterns)


def test_every_size_has_a_bound():
    """What the runtime reads; the numbers of a report are printed alone."""
    read = manifest.SCHEMA["properties"] | {"validation": {}, "precisions": {}}
    for part in (part for name in read for part in schemas(read[name])):
        kinds = part.get("type", ())
        assert "integer" not in kinds or {"minimum", "maximum"} <= part.keys()
        assert kinds != "array" or "maxItems" in part


def undescribed(value, part):
    """The keys of a value that its schema does not name."""
    if "$ref" in part:
        part = manifest.SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
    for key, inner in value.items() if isinstance(value, dict) and "properties" in part else ():
        if key in part["properties"]:
            yield from undescribed(inner, part["properties"][key])
        else:
            yield key
    if isinstance(value, dict) and "additionalProperties" in part:
        for inner in value.values():
            yield from undescribed(inner, part["additionalProperties"])


OPTIONS = {
    "plain": {},
    "conditional, with a learned prior": {"num_classes": 3, "prior": "mixture_of_normals"},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_written_is_described(name, tmp_path):
    vae = keras_vae.VAE.from_architecture("mlp", (4,), 2, hidden=(), **OPTIONS[name])
    test = {"elbo": -1.5, "standard_error": 0.1}
    metrics = {"data": "digits", "binarize": None, "test": test}
    detector = keras_vae.anomaly.Detector(vae, 3.5, 0.05, 100, 359, data="digits")
    bundles.write(vae, tmp_path / "bundle", metrics=metrics, detector=detector)
    told = json.loads((tmp_path / "bundle" / "manifest.json").read_bytes())
    schema.check(told, manifest.SCHEMA)
    assert not list(undescribed(told, manifest.SCHEMA))


WRONG = {
    "type": ({"type": ["integer", "null"]}, 1, [None, 3], [True, 1.5, "1", [], {}]),
    "const": ({"const": 1}, 1, [], [True, 2, None, "1"]),
    "enum": ({"enum": [None, "a"]}, "a", [None], ["b", 0, [], {}]),
    "minimum": ({"minimum": 2}, 2, [2.5, "1", None], [1, -(10**400), 1.9]),
    "maximum": ({"maximum": 2}, 2, [1.5, "3", None], [3, 10**400, 2.1]),
    "maxLength": ({"maxLength": 2}, "ab", ["", [1, 2, 3], 123], ["abc"]),
    "pattern": ({"pattern": "^a+$"}, "aa", [1, None], ["", "b", "aab", "aa\n"]),
    "minItems": ({"minItems": 1}, [1], ["", {}], [[]]),
    "maxItems": ({"maxItems": 1}, [1], ["abc", {"a": 1, "b": 2}], [[1, 2]]),
    "maxProperties": ({"maxProperties": 1}, {"a": 1}, [[1, 2]], [{"a": 1, "b": 2}]),
    "required": ({"required": ["a"]}, {"a": None}, [[], 1], [{}, {"b": 1}]),
    "items": ({"items": {"maximum": 1}}, [0, 1], [[], 2], [[0, 2]]),
    "properties": ({"properties": {"a": {"maximum": 1}}}, {"a": 1}, [{"b": 2}], [{"a": 2}]),
    "additionalProperties": (
        {"properties": {"a": {}}, "additionalProperties": {"maximum": 1}},
        *({"b": 1}, [{"a": 2}], [{"b": 2}]),
    ),
    "propertyNames": ({"propertyNames": {"maxLength": 1}}, {"a": 1}, [["ab"]], [{"ab": 1}]),
    "$ref": ({"$ref": "#/$defs/x", "$defs": {"x": {"maximum": 1}}}, 1, ["2"], [2]),
}


@pytest.mark.parametrize("keyword", sorted(CHECKED))
def test_a_keyword_means_what_json_schema_says(keyword):
    """By its specification, section 6 of the validation vocabulary and 10 of the core."""
    part, right, passed, refused = WRONG[keyword]
    for value in (right, *passed):
        schema.check(value, part)
    for value in refused:
        with pytest.raises(ValueError, match=r"and the schema says|is missing"):
            schema.check(value, part)


def test_what_nothing_is_said_of_may_be_nested_as_deep_as_python_reads():
    value = schema.parsed('{"a":' * 900 + "1" + "}" * 900)
    schema.check({"config": value}, {"properties": {"config": {}}})
    layer = {"class_name": "Normal", "support": "numbers", "config": value}
    schema.check(
        layer, {**manifest.SCHEMA["properties"]["likelihood"], "$defs": manifest.SCHEMA["$defs"]}
    )
