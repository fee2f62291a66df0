"""Damaged inputs: `python -m tests.fuzzing` opens thousands; the tests, some of each kind."""
