"""What Griffe is told of the docstrings: lines from `>>>` to the next empty one are code."""

import re

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Has doctests shown as code, which Markdown would join to a paragraph."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            text = obj.docstring.value
            obj.docstring.value = DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
