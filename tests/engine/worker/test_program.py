"""The worker as a program of its own."""

import subprocess

import pytest

from engine import child, frames
from engine.config import Settings
from engine.program import worker_arguments

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


def test_a_first_line_that_is_no_begin_frame_ends_it_in_one_sentence() -> None:
    assert _answer(b"garbage\n") == (
        1,
        b"The first line on stdin is no begin frame; the worker is started by `python -m engine`.\n",
    )


def test_a_device_that_is_not_there_ends_it_in_one_sentence() -> None:
    """And at once: while it took its libraries apart the front killed it, and suspected the machine's memory."""
    settings = Settings.model_validate({"engine": {"device": "cuda:99", "sign": False}})
    begin = frames.encode(frames.Begin(arguments=tuple(worker_arguments(settings))))
    code, said = _answer(begin)
    assert code == 1
    assert said.startswith(b"engine.device is 'cuda:99', but this machine has ")
    assert len(said.splitlines()) == 1


def _answer(said: bytes) -> tuple[int, bytes]:
    ended = subprocess.run(child.WORKER, input=said, capture_output=True, timeout=DEADLINE_S, check=False)
    return ended.returncode, ended.stderr
