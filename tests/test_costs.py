"""What `make test` leaves out: how costs are shared, and that the list and its exceptions agree."""

from types import SimpleNamespace

from tests import costs


def test_what_is_kept_would_be_left_out():
    named = {line.split(maxsplit=1)[1] for line in costs.COSTS.read_text("utf-8").splitlines()}
    assert named >= costs.KEPT
    assert not costs.left_out() & costs.KEPT


def test_a_fixture_is_paid_by_all_who_use_it(tmp_path):
    def report(name, own, shared=()):
        cost = ("cost", (own, shared, ["f.py::model"] if name != "c" else []))
        return SimpleNamespace(nodeid=name, when="teardown", user_properties=[cost])

    bill = costs.Bill(tmp_path / "costs.txt")
    for one in (report("a", 1.0, [("f.py::model", 4.0)]), report("b", 0.0), report("c", 0.2)):
        bill.pytest_runtest_logreport(one)
    bill.pytest_sessionfinish()
    assert bill.path.read_text() == "3.0 a\n2.0 b\n"
