"""How much work a call is, counted and not timed; and property tests that a busy machine does not fail."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, settings

# The same examples every time, however long each takes.
STEADY = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def lines_run(call: Callable[[], object]) -> int:
    """The lines of Python that a call executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        del frame, argument
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def assert_linear(call: Callable[[str], object], pattern: str) -> None:
    """Four times the text is at most four times the work, and a little."""
    short, long = pattern * 100, pattern * 400
    assert lines_run(lambda: call(long)) <= 4.2 * lines_run(lambda: call(short)) + 100
