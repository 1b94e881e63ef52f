from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_STEPS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}


@pytest.fixture
def killed_everywhere() -> Callable[[Callable[[], object]], Iterator[int]]:
    """Does something again and again, each time killed (SIGKILL) one step on files further; yields
    after each kill, so that what is left can be looked at."""

    def kills(work: Callable[[], object]) -> Iterator[int]:
        for last in range(1, 500):
            pid = os.fork()
            if not pid:
                _work(work, last)
            status = os.waitpid(pid, 0)[1]
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0
                assert last > 3, "nothing was written"
                return
            yield last
        raise AssertionError("no end to it")

    return kills


def _work(work: Callable[[], object], last: int) -> None:
    taken = 0

    def step(event: str, args: tuple[object, ...]) -> None:
        nonlocal taken
        if event in _STEPS:
            taken += 1
            if taken == last:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        sys.addaudithook(step)
        work()
        code = 0
    finally:
        os._exit(code)
