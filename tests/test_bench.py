"""`make bench` as a whole: its minutes hold whatever its parts do, and each of them is heard of."""

from pathlib import Path

import pytest

from bench.__main__ import ALWAYS_THE_SAME, MINUTES, OVERHEAD, SERVING, Part, run
from bench.budget import Budget, OutOfTime

FOR_EVER = "import time; print('begun', flush=True); time.sleep(600)"


def program(folder: Path, text: str) -> tuple[str, ...]:
    file = folder / "part.py"
    file.write_text(text)
    return (str(file),)


def test_a_budget_has_parts_and_says_what_does_not_fit() -> None:
    now = 0.0
    budget = Budget(2, lambda: now)
    now = 60.0
    half = budget.part(0.5)
    assert (budget.left, half.left, half.minutes) == (60, 30, 0.5)
    half.check(30, "three pairs")
    with pytest.raises(
        OutOfTime, match=r"three pairs would take 31 s here, and 30 s are left of 0.5 minutes"
    ):
        half.check(31, "three pairs")


def test_a_part_is_told_its_share_of_what_is_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    part = Part("part", program(tmp_path, "import sys; print(sys.argv[1:])"), share=0.5)
    assert run(part, Budget(8, lambda: 0.0))[0] == "done"
    assert "['--minutes', '4.00']" in capfd.readouterr().out


def test_a_part_that_takes_too_long_is_ended_without_a_traceback_and_what_it_said_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    end, seconds = run(Part("part", program(tmp_path, FOR_EVER), at_most_s=2.0), Budget(8))
    assert end.startswith("ended after 2 s")
    assert seconds < 60
    said = capfd.readouterr()
    assert "begun" in said.out
    assert said.err == ""


def test_a_part_that_misses_its_goal_is_told(tmp_path: Path) -> None:
    part = Part("part", program(tmp_path, "raise SystemExit(1)"), at_most_s=60)
    assert run(part, Budget(8))[0] != "done"


def test_a_part_may_be_a_module(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(Part("part", ("-m", "json.tool", "--help"), at_most_s=60), Budget(8))[0] == "done"
    assert "json.tool" in capfd.readouterr().out


def test_the_limits_of_the_parts_leave_minutes_for_those_that_can_do_more_or_less() -> None:
    assert sum(part.at_most_s or 0 for part in ALWAYS_THE_SAME) <= 0.85 * 60 * MINUTES
    assert MINUTES < 10
    assert {OVERHEAD.share, SERVING.share} == {0.3, 1.0}


def test_every_part_is_a_program_that_is_there() -> None:
    for part in (*ALWAYS_THE_SAME, OVERHEAD, SERVING):
        name = part.words[-1].replace(".", "/") if part.words[0] == "-m" else part.words[0]
        assert any(Path(place).exists() for place in (name, f"{name}.py", f"{name}/__main__.py")), name
