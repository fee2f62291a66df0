"""Some of the damaged data files; `python -m tests.fuzzing data` opens thousands."""

from tests.fuzzing import data


def test_damaged_data_are_refused_in_one_line_or_are_data():
    outcome = data.run(300)
    assert not outcome.faults, "\n\n".join(outcome.faults)
