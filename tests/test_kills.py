"""A process that is killed at any of its steps leaves the old or the new, never neither."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path):
    command = [sys.executable, "-m", "tests.fuzzing.steps", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    killed = [int(count) for count in re.findall(r"killed at (\d+) steps", run.stdout)]
    assert len(killed) == 12
    assert min(killed) > 5
