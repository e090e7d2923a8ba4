"""Tests on several cores say what they say on one."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

TESTS = """
import os, sys, warnings
import pytest

def test_it_is_a_worker_in_development_mode():
    assert os.environ["PYTEST_XDIST_WORKER"] == "gw0" and sys.flags.dev_mode

def test_a_warning_is_an_error():
    with pytest.raises(UserWarning):
        warnings.warn("beware")

def test_what_nobody_closed_is_an_error():
    open(os.devnull)

def test_that_lacks_a_program():
    pytest.skip("no such program: apt-get install it")
"""


def test_workers_run_in_development_mode_with_warnings_as_errors_and_tell_what_was_skipped(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_inside.py").write_text(TESTS)
    told = subprocess.run(
        [
            *(sys.executable, "-X", "dev", "-m", "pytest", "-rs", "-n", "1", "-p", "no:cacheprovider"),
            *("-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    ).stdout
    assert "1 failed, 2 passed, 1 skipped" in told
    assert "PytestUnraisableExceptionWarning" in told
    assert re.search(r"SKIPPED \[1\] .*test_inside\.py:\d+: no such program: apt-get install it", told)


def test_make_test_runs_on_all_cores_and_pytest_on_one() -> None:
    in_parallel = "-n logical --dist loadfile"
    assert f"ALL_CORES := {in_parallel}" in (ROOT / "Makefile").read_text()
    assert f"`{in_parallel}`" in (ROOT / "CONTRIBUTING.md").read_text()
    assert "logical" not in (ROOT / "pyproject.toml").read_text()
