"""Pictures, where a test looks at them: all others leave an empty file in their place."""

from contextlib import contextmanager

import pytest

from keras_vae import plotting

SAVE = plotting.save


@contextmanager
def drawn():
    """A context, or the decorator of a test, in which the commands draw pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plotting, "save", SAVE)
        yield
