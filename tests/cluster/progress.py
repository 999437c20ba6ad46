"""Progress lines and waiting: what is built or started, and how long it took.

Lines go to standard error, so that `kubeconfig` and `tools` print nothing but their answer.
Waiting is always for a condition with a deadline, never for a span of time.
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager


def say(text: str) -> None:
    """Print one progress line at once, also when the output is a pipe."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def timed(done: str, *, doing: str | None = None) -> Generator[None]:
    """Say `doing` before, and `done in N s` after the block; a failing block says no time."""
    if doing is not None:
        say(f"{doing} ...")
    started = time.monotonic()
    yield
    say(f"{done} in {time.monotonic() - started:.1f} s")


def wait_until(probe: Callable[[], bool], *, seconds: float, pause: float = 0.1) -> bool:
    """Ask `probe` until it says yes; False when `seconds` passed without one."""
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
