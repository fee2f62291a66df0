"""What each test costs: `make test` leaves those that cost much to `make test-all`.

    python -m pytest --all -n 2 --dist loadfile --measure tests/costs.txt

The cost of a test is the CPU time of its own code and its share of the fixtures that it has in
common with others, their child processes included. The file has a line for each test of more than
half a second, the most expensive first. A new test is not in it, and so runs in `make test`.
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest

COSTS = Path(__file__).with_suffix(".txt")
WRITTEN = 0.5
"""In seconds of one core: what costs less has no line."""
MOST = 0.7
"""What costs more is left to `make test-all`."""
KEPT = {
    "tests/export/test_bundle.py::test_manifest_holds_the_learned_scale_and_the_metrics",
    "tests/export/test_convert.py::test_any_data_shape_converts_and_agrees[bernoulli-shape0]",
    "tests/export/test_generator.py::test_it_draws_what_keras_draws_in_any_split[bernoulli]",
    "tests/export/test_sampler.py::test_every_prior_passes_the_gate_and_works_alone"
    "[mixture_of_normals]",
    "tests/export/test_topdown.py::test_z_is_the_noise_to_the_bit",
    "tests/test_anomaly.py::test_a_bundle_decides_as_keras_does[binary]",
    "tests/test_distribution_strategy.py::test_the_summed_gradient_equals_that_of_one_device"
    "[plain-even]",
    "tests/test_estimators.py::test_iwae_trains[doubly_reparameterized]",
    "tests/test_fit_prior.py::test_the_latents_are_more_likely_and_nothing_else_changes"
    "[mixture_of_normals]",
    "tests/test_in_place.py::test_the_weights_are_those_of_the_loop_of_keras[compiled-elbo]",
    "tests/test_prior_weight.py::test_a_first_fit_warms_a_learned_prior_up_and_no_other_does[vamp]",
    "tests/test_priors.py::test_trains_saves_and_loads[flow]",
    "tests/test_quadrature.py::test_the_estimate_is_the_integral[mixture_of_normals-2]",
    "tests/test_resume.py::test_a_signal_saves_the_last_epoch_and_says_how_to_go_on[SIGTERM]",
    "tests/test_resume.py::test_the_record_repeats_the_training",
    "tests/test_streaming.py::test_a_streamed_fit_is_that_of_the_array[files]",
    "tests/test_table_commands.py::test_sample_writes_rows_of_the_table",
    "tests/test_topdown.py::test_it_trains[elbo]",
    "tests/test_vae.py::test_fit_takes_every_form_of_data_and_they_agree[array]",
    "tests/test_vae.py::test_the_loss_is_the_sum_of_its_terms_and_falls",
}
"""What costs more and runs all the same: each shows that a part works."""


def left_out():
    """The names of the tests that `make test` leaves out, by their file."""
    lines = (line.split(maxsplit=1) for line in COSTS.read_text(encoding="utf-8").splitlines())
    return {name for cost, name in lines if float(cost) > MOST} - KEPT


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
