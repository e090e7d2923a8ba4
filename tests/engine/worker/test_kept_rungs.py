"""What was needed to draw is kept beside the models, for one device, one model and one size."""

from pathlib import Path

import pytest

from engine.worker.kept_rungs import FILE, KeptRungs
from engine.worker.ladder import NONE, Rung

RUNGS = frozenset({Rung.TILES, Rung.OFFLOAD})


def test_each_model_and_size_has_its_own(tmp_path: Path) -> None:
    kept = KeptRungs(tmp_path, "cuda")
    kept.note("abc", (512, 768), RUNGS)
    kept.note("abc", (512, 512), frozenset({Rung.TILES}))
    KeptRungs(tmp_path, "mps").note("abc", (512, 768), NONE)
    again = KeptRungs(tmp_path, "cuda")
    assert again.of("abc", (512, 768)) == RUNGS
    assert again.of("abc", (512, 512)) == {Rung.TILES}
    assert again.of("abc", (768, 512)) == again.of("xyz", (512, 768)) == NONE
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"cuda": 1}', '{"cuda": {"abc 8x8": 2}}', '{"cuda": {"abc 8x8": ["ladder"]}}']
)
def test_a_damaged_file_keeps_nothing_and_is_written_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    kept = KeptRungs(tmp_path, "cuda")
    assert kept.of("abc", (8, 8)) == NONE
    kept.note("abc", (8, 8), RUNGS)
    assert kept.of("abc", (8, 8)) == RUNGS


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    for kept in (KeptRungs(), KeptRungs(tmp_path / "missing", "cuda")):
        kept.note("abc", (8, 8), RUNGS)
        assert kept.of("abc", (8, 8)) == NONE
