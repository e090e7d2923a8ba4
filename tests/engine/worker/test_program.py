"""The worker as a program of its own."""

import subprocess

import pytest

from engine import child

pytestmark = pytest.mark.flow

DEADLINE_S = 240


def test_a_front_that_is_gone_before_it_says_anything_leaves_no_worker_behind() -> None:
    ended = subprocess.run(
        child.WORKER,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
