"""Nothing damaged is accepted as a row of an array."""

from tests.fuzzing import arrays


def test_a_damaged_partial_array_is_finished_as_it_should_be_or_refused():
    assert not arrays.run(300).faults
