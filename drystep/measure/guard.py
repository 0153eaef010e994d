"""Stands between a parent and its child, so that neither the child nor what it starts outlives either of them.

`python guard.py FD COMMAND...` runs the command in a session of its own. FD is the reading end of a pipe whose other
end the parent alone holds: when that closes, however the parent ended, everything that the command started is killed.
When the command ends by itself, what it left behind is killed too, and the guard ends as the command did. A child
cannot do this for itself, since native code may hold the interpreter for seconds. Needs nothing but the standard
library, and POSIX; Linux alone finds processes that left the child's group.
"""

import ctypes
import os
import resource
import select
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""The pipe says when to end."""


def main() -> None:
    """Run the command of the arguments, and end as it does."""
    parent = int(sys.argv[1])
    os.set_inheritable(parent, False)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    _process_control(PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        _become(sys.argv[2:])
    for descriptor in (0, 1, 2):  # they are the child's: its parent is to see them close
        os.close(descriptor)
    status = None
    while status is None:
        ready, _, _ = select.select([parent, woken], [], [])
        if parent in ready:
            break
        os.read(woken, 1024)
        ended, found = os.waitpid(child, os.WNOHANG)
        status = found if ended else None
    _kill_all(child)
    _end_as(status)


def _become(command: list[str]) -> None:
    """Turn this fork into the command."""
    try:
        os.setsid()
        _process_control(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (*IGNORED, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.execv(command[0], command)
    finally:
        os._exit(127)


def _kill_all(child: int) -> None:
    """Kill the child's group, and whatever it started that left the group: those processes have become ours."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while True:
        for orphan in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as pids:  # noqa: PTH123  # pathlib takes long to import
            return [int(pid) for pid in pids.read().split()]
    except (OSError, ValueError):
        return []


def _end_as(status: int | None) -> None:
    """Exit with the child's status, or die of the signal that it died of."""
    if status is None:
        os._exit(1)
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the child has left its core, if any
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)


def _process_control(option: int, value: int) -> None:
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
