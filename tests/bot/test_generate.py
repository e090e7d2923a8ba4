"""Where the pictures of the command line go."""

from pathlib import Path

import pytest

from bot.errors import Refused
from bot.generate import new_paths, write


def test_two_commands_at_the_same_moment_get_different_names(tmp_path: Path) -> None:
    assert new_paths(tmp_path, 1) == [tmp_path / "darkroom-1.png"]
    assert new_paths(tmp_path, 2) == [tmp_path / "darkroom-2-0.png", tmp_path / "darkroom-2-1.png"]
    assert new_paths(tmp_path, 1) == [tmp_path / "darkroom-3.png"]


def test_a_name_that_somebody_takes_first_is_left_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "darkroom-1.png").touch()
    found = iter([tmp_path / "darkroom-1.png", tmp_path / "darkroom-2.png"])
    monkeypatch.setattr("bot.generate.unused_name", lambda _: next(found))
    assert new_paths(tmp_path, 1) == [tmp_path / "darkroom-2.png"]


def test_a_picture_that_cannot_be_written_leaves_nothing_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = new_paths(tmp_path, 1)

    def full(aside: Path, _: bytes) -> None:
        aside.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Refused, match=r"out: .*darkroom-1\.png cannot be written: No space left on device\."):
        write(path, b"picture")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    for data in (b"old", b"new"):
        write(path, data)
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]
