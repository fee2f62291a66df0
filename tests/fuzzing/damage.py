"""Ways to damage a file: its bytes, or one value in JSON."""

import copy
import json

NASTY = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 10**400, -(2**63) - 1, 0.5, 1e308),
    *(float("nan"), float("inf"), "", "0", "1e9", "a" * 5000, "\x00", "\ud800", "../../etc/passwd"),
    *([], {}, [[]], [None], {"": None}, [0] * 1000, [10**9, 10**9]),
)


def damaged_bytes(rng, data):
    """Returns other bytes than `data`: cut, flipped, repeated, overwritten, or with more inside."""
    ways = (_cut, _flip, _overwrite, _repeat, _insert, _swap, _empty)
    for _ in range(100):
        changed = ways[rng.integers(len(ways))](rng, bytearray(data))
        if changed != data:
            return bytes(changed)
    return b""


def damaged_json(rng, text):
    """Returns JSON text with one value replaced or removed, seldom something that is no JSON."""
    if rng.random() < 0.05:
        return damaged_bytes(rng, text.encode()).decode("utf-8", "surrogateescape")
    value = copy.deepcopy(json.loads(text))
    places = list(_places(value))
    holder, key = places[rng.integers(len(places))]
    way = rng.random()
    if way < 0.1 and isinstance(holder, dict):
        del holder[key]
    elif way < 0.15:
        holder[key] = "\ue000"  # replaced in the text, since no encoder nests so deeply
        return json.dumps(value).replace('"\\ue000"', "[" * 100_000 + "]" * 100_000)
    elif way < 0.25:
        holder[key] = copy.deepcopy(_leaf(rng, places))
    elif way < 0.35 and isinstance(holder[key], int | float):
        holder[key] = type(holder[key])(holder[key] * rng.choice([2, 10, 1000, 10**6, -1]))
    else:
        holder[key] = NASTY[rng.integers(len(NASTY))]
    return json.dumps(value)


def _places(value):
    """Every (container, key) of a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _leaf(rng, places):
    holder, key = places[rng.integers(len(places))]
    return holder[key]


def _span(rng, data, longest=64):
    start = int(rng.integers(max(1, len(data))))
    return start, start + int(rng.integers(1, longest))


def _cut(rng, data):
    return data[: int(rng.integers(max(1, len(data))))]


def _flip(rng, data):
    for _ in range(int(rng.integers(1, 9)) if data else 0):
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(rng, data):
    start, end = _span(rng, data)
    data[start:end] = bytes([int(rng.choice([0, 0x7F, 0x80, 0xFF]))]) * len(data[start:end])
    return data


def _repeat(rng, data):
    start, end = _span(rng, data, 4096)
    data[start:start] = data[start:end]
    return data


def _insert(rng, data):
    start, end = _span(rng, data)
    data[start:start] = rng.bytes(end - start)
    return data


def _swap(rng, data):
    (a, b), (c, d) = sorted([_span(rng, data), _span(rng, data)])
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _empty(rng, data):
    return b""
