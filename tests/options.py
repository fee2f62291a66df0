"""The page of all options of all commands, as their parsers have them.

`python -m tests.options` writes docs/reference/options.md, and a test compares it.
"""

import argparse

import export.cli
import export.explore.cli
import export.runtime.cli
import export.triton
import keras_vae.cli
from tests.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "options.md"
HEAD = """# Options of the commands

Each command says this by `--help`; what they are for stands in [the command line](../commands.md).
This page is written by `python -m tests.options`, from the parsers themselves.
"""
OTHERS = {
    "python -m export": export.cli,
    "python -m export.runtime": export.runtime.cli,
    "python -m export.explore": export.explore.cli,
    "python -m export.triton": export.triton,
}


def parsers():
    """The parsers of all commands, by what is typed."""
    top = keras_vae.cli.parser()
    (commands,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    yield from ((f"python -m keras_vae {name}", each) for name, each in commands.choices.items())
    yield from ((typed, module._parser()) for typed, module in OTHERS.items())


def page():
    """The page as Markdown: a table for each command."""
    return HEAD + "".join(f"\n## {typed}\n\n{table(parser)}" for typed, parser in parsers())


def table(parser):
    """The arguments of a parser, a row each."""
    rows = [row(parser, a) for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    return "| option | is |\n|---|---|\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def row(parser, action):
    """An argument, what it takes, and what it is, with the default if the help says so."""
    choices = f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper()
    taken = "" if action.nargs == 0 else action.metavar or choices
    name = " ".join(word for word in (*action.option_strings[:1], taken) if word)
    told = " ".join(parser._get_formatter()._expand_help(action).split()) if action.help else ""
    told += " (required)" if action.required and action.option_strings else ""
    return f"`{name}`", told.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
