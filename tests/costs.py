"""What each test costs: `make test` leaves those that cost much to `make test-all`.

    python -m pytest --all -n 2 --dist loadfile --measure tests/costs.txt

The cost of a test is the CPU time of its own code and its share of the fixtures that it has in
common with others, their child processes included. The file has a line for each test of more than
half a second, the most expensive first. A new test is not in it, and so runs in `make test`.
"""

import os
from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

COSTS = Path(__file__).with_suffix(".txt")
WRITTEN = 0.5
"""In seconds of one core: what costs less has no line."""
MOST = 1.0
"""What costs more is left to `make test-all`."""
KEPT = ()
"""Patterns of tests that cost more, and run all the same: each shows that a part works."""


def left_out():
    """The names of the tests that `make test` leaves out, by their file."""
    lines = (line.split(" ", 1) for line in COSTS.read_text(encoding="utf-8").splitlines())
    costly = [name for cost, name in lines if float(cost) > MOST]
    return {name for name in costly if not any(fnmatchcase(name, kept) for kept in KEPT)}


def spent():
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Meter:
    """Where tests run: what each takes, and the fixtures within it, sent along with its report."""

    def __init__(self):
        self.begin, self.shared = 0.0, []
        self.inner = [0.0]  # what was taken by fixtures inside the one that is being set up

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        begin = spent()
        self.inner.append(0.0)
        try:
            return (yield)
        finally:
            took, within = spent() - begin, self.inner.pop()
            self.inner[-1] += took
            if fixturedef.scope != "function":
                self.shared.append((label(fixturedef), took - within))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self):
        self.begin, self.shared, self.inner = spent(), [], [0.0]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if report.when == "teardown":
            own = spent() - self.begin - sum(took for _, took in self.shared)
            known = item._fixtureinfo.name2fixturedefs.values()
            used = [label(fixtures[-1]) for fixtures in known if fixtures[-1].scope != "function"]
            report.user_properties.append(("cost", (own, self.shared, used)))
        return report


def label(fixturedef):
    return f"{fixturedef.baseid}::{fixturedef.argname}"


class Bill:
    """Where reports come together: adds up what they tell, and writes the file in the end."""

    def __init__(self, path):
        self.path, self.own = Path(path), {}
        self.fixtures, self.users = defaultdict(float), defaultdict(list)

    def pytest_runtest_logreport(self, report):
        for name, (own, shared, used) in report.user_properties:
            if name != "cost" or report.when != "teardown":
                continue
            self.own[report.nodeid] = own
            for fixture, took in shared:
                self.fixtures[fixture] += took
            for fixture in used:
                self.users[fixture].append(report.nodeid)

    def costs(self):
        costs = dict(self.own)
        for fixture, users in self.users.items():
            for user in users:
                costs[user] += self.fixtures[fixture] / len(users)
        return costs

    def pytest_sessionfinish(self):
        costs = sorted(self.costs().items(), key=lambda named: (-named[1], named[0]))
        lines = [f"{cost:.1f} {name}\n" for name, cost in costs if cost >= WRITTEN]
        self.path.write_text("".join(lines), encoding="utf-8")
