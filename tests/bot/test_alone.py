"""Two bots on one folder would carry the same jobs."""

import os
from pathlib import Path

import pytest

from bot.alone import alone
from bot.errors import Misconfigured


def test_a_second_bot_on_the_same_folder_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "data"),
        pytest.raises(Misconfigured, match=f"process {os.getpid()}"),
        alone(tmp_path / "data"),
    ):
        pass


def test_the_folder_is_free_again_afterwards_and_closed_to_others(tmp_path: Path) -> None:
    for _ in range(2):
        with alone(tmp_path / "data"):
            assert (tmp_path / "data").stat().st_mode & 0o077 == 0
