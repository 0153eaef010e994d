"""Children are ended with their family alone."""

import threading

import psutil
import pytest

from drystep.measure.failure import ChildError
from drystep.measure.family import Family
from drystep.measure.parent import Child

FAULTY = "tests.drystep.measure.faulty:Faulty"


def test_a_family_that_closes_ends_its_children_and_no_others() -> None:
    ours, theirs = Family(), Family()
    with theirs.joined(), Child(FAULTY, {}, 60) as stranger:
        with ours.joined(), Child(FAULTY, {}, 60) as child:
            pid = child.call("pid")
            ours.close()
            assert not psutil.pid_exists(pid)
            with Child(FAULTY, {}, 60) as late, pytest.raises(ChildError):
                late.call("pid")
        assert psutil.pid_exists(stranger.call("pid"))


def test_a_thread_that_joined_no_family_keeps_its_children() -> None:
    family = Family()
    children: list[Child] = []
    with family.joined():
        thread = threading.Thread(target=lambda: children.append(Child(FAULTY, {}, 60)))
        thread.start()
        thread.join()
    family.close()
    with children[0] as child:
        assert psutil.pid_exists(child.call("pid"))
