"""Checks golden vectors by the standard library alone, as docs/noise.md specifies them.

    python tests/golden/check.py keras_vae/normal_table.npy tests/golden/noise.json

Prints how many values of each kind agree; if some do not, it names up to three and ends with
status 1. Imports nothing of keras_vae: an implementation may start from it.
"""

import argparse
import hashlib
import json
import struct
import sys
from pathlib import Path

WORD = 2**32 - 1
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)


def threefry(k0, k1, c0, c1):
    k = (k0, k1, k0 ^ k1 ^ 0x1BD11BDA)
    x0, x1 = c0 + k0 & WORD, c1 + k1 & WORD
    for i in range(20):
        x0, r = x0 + x1 & WORD, ROTATIONS[i % 8]
        x1 = (x1 << r & WORD | x1 >> 32 - r) ^ x0
        if i % 4 == 3:
            s = (i + 1) // 4
            x0, x1 = x0 + k[s % 3] & WORD, x1 + k[(s + 1) % 3] + s & WORD
    return x0, x1


def words(seed, index, position):
    return threefry(seed & WORD, seed >> 32 & WORD, index & WORD, (index >> 32 << 20) + position)


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def uniform(word):
    return ((word >> 9) + 0.5) * 2**-23


def normal(table, word):
    return float32(float32(table[word & 0xFFFF] + table[word >> 16]) * float32(0.5**0.5))


def row(number, seed, index, size, start=0):
    """`size` numbers of the words of (seed, index), from position `start`."""
    pairs = (words(seed, index, start + j) for j in range((size + 1) // 2))
    return [number(word) for pair in pairs for word in pair][:size]


def example_seed(seed, index):
    low, high = words(seed, index, 2**20 - 1)
    return low | high << 32


def read_table(path):
    upper = struct.unpack("<32768f", Path(path).read_bytes()[128:])
    return [-x for x in reversed(upper)] + list(upper)


def hexadecimal(values):
    """Words, or the bits of float32 numbers."""
    return [f"{x:08x}" if isinstance(x, int) else struct.pack(">f", x).hex() for x in values]


def computed(table, golden):
    """(kind, what is asked, computed, expected) of all that the file holds."""

    def normals(*at):
        return row(lambda word: normal(table, word), *at)

    digest = hashlib.sha256(struct.pack("<65536f", *table)).hexdigest()
    yield "table_sha256", "", [digest], [golden["table_sha256"]]
    for i, bits in golden["table"].items():
        yield "table", i, [table[int(i)]], [bits]
    for e in golden["known"]:
        yield "known", e, threefry(*(int(word, 16) for word in e["key"] + e["counter"])), e["words"]
    for e in golden["vectors"]:
        pair = words(int(e["seed"]), int(e["index"]), e["position"])
        yield "words", e, pair, e["words"]
        yield "uniform", e, [uniform(word) for word in pair], e["uniform"]
        yield "normal", e, [normal(table, word) for word in pair], e["normal"]
    for e in golden["latent"]:
        size = len(e["epsilon"]) // e["count"]
        rows = (normals(int(e["seed"]), int(e["first"]) + i, size) for i in range(e["count"]))
        yield "latent", e, [x for row in rows for x in row], e["epsilon"]
    for e in golden["components"]:
        yield "components", e, row(uniform, int(e["seed"]), int(e["index"]), 1, 2**18), e["u"]
    for e in golden["events"]:
        u = row(uniform, int(e["seed"]), int(e["index"]), len(e["u"]), 2**19)
        yield "events", e, u, e["u"]
    for e in golden["draws"]:
        seed = example_seed(int(e["seed"]), int(e["example"]))
        yield "draws", e, normals(seed, int(e["draw"]), len(e["epsilon"])), e["epsilon"]
    for e in golden["fillings"]:
        seed = example_seed(int(e["seed"]), int(e["example"]))
        u, *u_of_x = e["u"]
        yield "fillings", e, row(uniform, seed, 0, 1, 2**18), [u]
        yield "fillings", e, row(uniform, seed, 0, len(u_of_x), 2**19), u_of_x


def main(table_path, vectors_path):
    agreed, wrong = {}, []
    golden = json.loads(Path(vectors_path).read_text())
    for kind, asked, got, expected in computed(read_table(table_path), golden):
        got = got if kind == "table_sha256" else hexadecimal(got)
        agreed[kind] = agreed.get(kind, 0) + sum(map(str.__eq__, got, expected))
        if got != expected:
            wrong.append(f"{kind} {asked}: got {got}, expected {expected}")
    print(json.dumps(agreed))
    print(*wrong[:3], sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage="check.py NORMAL_TABLE VECTORS")
    parser.add_argument("paths", nargs=2)
    try:
        sys.exit(main(*parser.parse_args().paths))
    except (OSError, ValueError, struct.error) as error:
        parser.exit(2, f"error: {error}\n")
