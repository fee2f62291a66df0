"""Writes noise.json: values that an implementation of the noise can check itself by.

    python tests/golden/make.py

Words and the bits of float32 numbers stand as hexadecimal, seeds and indices as decimal strings,
since JSON's numbers end at 2^53 in many languages.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from keras_vae import noise

SEEDS = (0, 1, -1, 7, 2**31 - 1, 2**31, 2**32, 2**63 - 1, -(2**63), 0x0123456789ABCDEF)
INDICES = (0, 1, 63, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**44 - 1)
POSITIONS = (0, 1, 2**18, 2**19, 2**20 - 1)
CHOSEN = (0, 1, 32767, 32768, 32798, 36817, 54049, 65535)  # of the table; three are hard to round

# Random123, tests/kat_vectors, threefry2x32 with 20 rounds.
KNOWN = [
    {"key": ["00000000"] * 2, "counter": ["00000000"] * 2, "words": ["6b200159", "99ba4efe"]},
    {"key": ["ffffffff"] * 2, "counter": ["ffffffff"] * 2, "words": ["1cb996fc", "bb002be7"]},
    {
        "key": ["13198a2e", "03707344"],
        "counter": ["243f6a88", "85a308d3"],
        "words": ["c4923a9c", "483df7a0"],
    },
]


def hexadecimal(values):
    """The bits of uint32 or float32 numbers."""
    return [f"{int(bits):08x}" for bits in np.ravel(values).view(np.uint32)]


def vectors():
    """One entry for each seed, index and position."""
    return [
        {
            "seed": str(seed),
            "index": str(index),
            "position": position,
            "words": hexadecimal(noise.words(seed, index, position)),
            "uniform": hexadecimal(noise.uniform(seed, index, position)),
            "normal": hexadecimal(noise.normal(seed, index, position)),
        }
        for seed in SEEDS
        for index in INDICES
        for position in POSITIONS
    ]


def draws():
    """One entry for each seed, example and draw: three numbers of its noise."""
    return [
        {
            "seed": str(seed),
            "example": str(example),
            "draw": str(draw),
            "epsilon": hexadecimal(noise.draws(seed, [example], draw, 1, 3)),
        }
        for seed in SEEDS
        for example in (0, 1, 2**32)
        for draw in (0, 1, 4999, 2**32)
    ]


def components():
    """One entry for each seed and index: the number that chooses a mixture component."""
    return [
        {
            "seed": str(seed),
            "index": str(index),
            "u": hexadecimal(noise.component(seed, index, 1)),
        }
        for seed in SEEDS
        for index in INDICES
    ]


def events():
    """One entry for each seed and index: the first five numbers that x is drawn by."""
    return [
        {
            "seed": str(seed),
            "index": str(index),
            "u": hexadecimal(noise.event(seed, index, 1, (5,))),
        }
        for seed in SEEDS
        for index in INDICES
    ]


def latent():
    """Rows of noise of odd and even sizes, for each seed, across 2^32 and up to the last index."""
    return [
        {
            "seed": str(seed),
            "first": str(first),
            "count": 3,
            "epsilon": hexadecimal(noise.latent(seed, first, 3, latent_dim)),
        }
        for seed in SEEDS
        for first, latent_dim in ((0, 1), (2**32 - 1, 2), (2**33 + 5, 5), (2**44 - 3, 3))
    ]


def fillings():
    """One entry for each seed and example: the u that chooses a draw of z, and three for x."""
    return [
        {
            "seed": str(seed),
            "example": str(example),
            "u": hexadecimal(np.hstack([u, *u_of_x])),
        }
        for seed in SEEDS
        for example in (0, 1, 2**32)
        for u, u_of_x in [noise.filling(seed, [example], (3,))]
    ]


def golden():
    """What noise.json holds."""
    table = noise.table()
    return {
        "table_sha256": hashlib.sha256(table.astype("<f4").tobytes()).hexdigest(),
        "table": {str(i): hexadecimal(table[i])[0] for i in CHOSEN},
        "known": KNOWN,
        "vectors": vectors(),
        "latent": latent(),
        "components": components(),
        "events": events(),
        "draws": draws(),
        "fillings": fillings(),
    }


def text(sections):
    """JSON, one entry a line, so that a change is seen."""
    return "{" + ",\n".join(f"{json.dumps(k)}: {_lines(v)}" for k, v in sections.items()) + "}\n"


def _lines(section):
    if not isinstance(section, list):
        return json.dumps(section)
    return "[\n" + ",\n".join(map(json.dumps, section)) + "\n]"


if __name__ == "__main__":
    Path(__file__).with_name("noise.json").write_text(text(golden()))
