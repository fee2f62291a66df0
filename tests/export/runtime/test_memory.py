"""Requests that memory would not hold are refused in time, with the way out."""

import math

import numpy as np
import pytest

from export.runtime import memory

WAY_OUT = r"sample_stream .*--out samples\.npy"


def test_sample_that_would_not_fit_is_refused_and_the_stream_is_not(onnx_vae, monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: 100 * 64 * 4)
    with pytest.raises(ValueError, match="95 samples take .*" + WAY_OUT):
        onnx_vae.sample(95)
    assert len(onnx_vae.sample(85)) == 85
    assert sum(len(part) for part in onnx_vae.sample_stream(1000)) == 1000


def test_what_numpy_cannot_allocate_is_refused_likewise(onnx_vae, monkeypatch):
    monkeypatch.setattr(memory, "total", lambda: math.inf)
    with pytest.raises(ValueError, match=WAY_OUT):
        onnx_vae.sample(2**44)


def test_total_is_the_memory_of_the_machine_or_less():
    x = np.ones(1000)
    assert x.nbytes < memory.total() <= memory._physical() < math.inf


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/", {"memory.max": "7000"}, 7000),
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": "8000"}, 8000),
        ("0::/a", {"a/memory.max": "max"}, math.inf),
        ("0::/not/here", {}, math.inf),
        ("4:memory:/a", {"memory/a/memory.limit_in_bytes": "9000"}, 9000),
        ("4:cpu:/a\n3:hugetlb,memory:/", {"memory/memory.limit_in_bytes": "6000"}, 6000),
    ],
)
def test_limit_of_a_cgroup_counts(tmp_path, monkeypatch, membership, files, limit):
    (tmp_path / "self").write_text(membership + "\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "MEMBERSHIP", tmp_path / "self")
    assert memory.total.__wrapped__() == min(limit, memory._physical())
