"""Some of the damaged bundles that `python -m tests.fuzzing bundles` opens, and its eyes."""

import os
import signal

import pytest

from tests.fuzzing import bundles
from tests.fuzzing.child import Child


@pytest.mark.parametrize("count", [60, 300])
def test_a_damaged_bundle_is_refused_in_one_line_or_harmless(exported, count):
    outcome = bundles.run(count, seed=1, whole=exported.parent)
    assert not outcome.faults
    assert outcome.refused > count / 2
    assert outcome.accepted > count / 20


def test_what_is_accepted_and_should_not_be_is_a_fault(exported, monkeypatch):
    monkeypatch.setattr(bundles, "WAYS", [lambda rng, folder: None])
    (fault,) = bundles.run(1, whole=exported.parent).faults
    assert "was accepted" in fault


def test_a_crash_is_one_fault_and_the_campaign_goes_on(exported, monkeypatch):
    use = Child.use

    def killed(self, folder):
        use(self, folder)
        os.kill(self.process.pid, signal.SIGSEGV)
        use(self, folder)

    monkeypatch.setattr(Child, "use", killed)
    monkeypatch.setattr(bundles, "WAYS", [lambda rng, folder: True])
    faults = bundles.run(2, whole=exported.parent).faults
    assert ["the process died: -11" in fault for fault in faults] == [True, True]
