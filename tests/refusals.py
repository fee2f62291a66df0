"""What a refusal is."""

from contextlib import contextmanager

import pytest


@contextmanager
def refused(*words):
    """A ValueError of one line that holds all the words."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        yield
    for word in words:
        assert word in str(caught.value)
