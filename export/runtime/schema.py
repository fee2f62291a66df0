"""JSON that a stranger wrote: read strictly, and checked by the part of JSON Schema that is used.

The schema says what may stand where, so it is the documentation and the check at once.
"""

import json
import math
import re
import reprlib
from typing import Any

KINDS = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float}
KINDS |= {"null": type(None), "boolean": bool}
RULES = {
    "type": lambda value, kinds: _is(value, *([kinds] if isinstance(kinds, str) else kinds)),
    "const": lambda value, only: type(value) is type(only) and value == only,
    "enum": lambda value, some: value in some,
    "minimum": lambda value, least: not _is(value, "number") or value >= least,
    "maximum": lambda value, most: not _is(value, "number") or value <= most,
    "maxLength": lambda value, most: not _is(value, "string") or len(value) <= most,
    "pattern": lambda value, text: not _is(value, "string") or re.fullmatch(text, value),
    "minItems": lambda value, least: not _is(value, "array") or len(value) >= least,
    "maxItems": lambda value, most: not _is(value, "array") or len(value) <= most,
    "maxProperties": lambda value, most: not _is(value, "object") or len(value) <= most,
}
"""What a keyword demands; patterns are of the whole text, from ^ to $."""


def parsed(data: str | bytes) -> Any:
    """Returns the value of JSON, text or bytes.

    Raises:
        ValueError: it is no JSON, a key stands twice, a number is not finite, or it is nested
            deeper than Python reads.

    Example:

    >>> parsed('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' stands twice
    """
    try:
        return json.loads(
            data, object_pairs_hook=_unique, parse_constant=_number, parse_float=_number
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check(
    value: Any, schema: dict[str, Any], place: str = "", root: dict[str, Any] | None = None
) -> None:
    """Refuses a value that a schema does not allow.

    Args:
        value: what `parsed` returned.
        schema: of draft 2020-12: `RULES`, `required`, `properties`, `additionalProperties`,
            `propertyNames`, `items`, `$ref` to `$defs`; notes are passed over.
        place: where the value stands, for the message.
        root: the schema that holds the `$defs`; `schema` if not given.

    Raises:
        ValueError: says where, what stands there, and which keyword forbids it.

    Example:

    >>> check({"count": 5}, {"properties": {"count": {"maximum": 4}}})
    Traceback (most recent call last):
    ValueError: count is 5, and the schema says: maximum 4
    """
    root = root or schema
    if "$ref" in schema:
        check(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], place, root)
    for keyword, wanted in schema.items():
        if keyword in RULES and not RULES[keyword](value, wanted):
            what = f"{place or 'it'} is {reprlib.repr(value)}"
            raise ValueError(f"{what}, and the schema says: {keyword} {wanted}")
    for name in schema.get("required", ()) if isinstance(value, dict) else ():
        if name not in value:
            raise ValueError(f"{f'{place}.{name}'.lstrip('.')} is missing")
    for name, inner, part in _parts(value, schema):
        if part:  # else anything may stand there, as deep as it likes
            check(inner, part, f"{place}.{name}".lstrip("."), root)


def _parts(value, schema):
    """Yields the name, the value and the schema of all that stands inside a value."""
    if isinstance(value, list) and "items" in schema:
        yield from ((number, item, schema["items"]) for number, item in enumerate(value))
    elif isinstance(value, dict):
        named, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for key, inner in value.items():
            name = reprlib.repr(key)[1:-1]
            yield name, key, schema.get("propertyNames", {})
            yield name, inner, named.get(key, others)


def _is(value, *kinds):
    if isinstance(value, bool):  # which Python takes for a whole number
        return "boolean" in kinds
    return any(isinstance(value, KINDS[kind]) for kind in kinds)


def _unique(pairs):
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {reprlib.repr(key)} stands twice")
        found[key] = value
    return found


def _number(text):
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"{reprlib.repr(text)} is no finite number")
