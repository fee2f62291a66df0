"""Writes noise.json: values that an implementation of the noise can check itself by.

    python tests/golden/make.py

Words and the bits of float32 numbers stand as hexadecimal, seeds and indices as decimal strings,
since JSON's numbers end at 2^53 in many languages.
"""

import json
from pathlib import Path

import numpy as np

from keras_vae import noise

SEEDS = (0, 1, -1, 7, 2**31 - 1, 2**31, 2**32, 2**63 - 1, -(2**63), 0x0123456789ABCDEF)
INDICES = (0, 1, 63, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**44 - 1)
POSITIONS = (0, 1, 2**18, 2**19, 2**20 - 1)
CHOSEN = (0, 1, 32767, 32768, 32798, 34611, 40000, 65535)  # of the table; three are hard to round


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


def lines(entries):
    """JSON, one entry a line, so that a change is seen."""
    return ",\n".join(json.dumps(entry) for entry in entries)


if __name__ == "__main__":
    table = noise.table()
    chosen = {str(i): hexadecimal(table[i])[0] for i in CHOSEN}
    text = (
        f'{{"table": {json.dumps(chosen)},\n"vectors": [\n{lines(vectors())}\n],\n'
        f'"draws": [\n{lines(draws())}\n],\n"components": [\n{lines(components())}\n],\n'
        f'"events": [\n{lines(events())}\n]}}\n'
    )
    Path(__file__).with_name("noise.json").write_text(text)
