"""What looks at pictures: found where an operator puts it, and offered only where it is whole."""

from pathlib import Path

import pytest

from engine.models.companions import PHRASES_FOLDER, Companions
from engine.models.registry import DEMO_FOLDER, Registry
from engine.wire import Task


@pytest.fixture
def companions(tmp_path: Path) -> Companions:
    return Companions(clip=tmp_path / "clip", safety=tmp_path / "safety")


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def make_clip(folder: Path, *, writes: bool = False) -> Path:
    make(folder, "open_clip_model.safetensors")
    config = '{"model_cfg": {"multimodal_cfg": {}}}' if writes else '{"model_cfg": {}}'
    (folder / "open_clip_config.json").write_text(config)
    return folder


def test_a_models_own_clip_comes_before_the_operators(companions: Companions, tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert companions.ranker(model) is None
    second, first = make_clip(companions.clip / "vit-l"), make_clip(companions.clip / "vit-b")
    assert companions.ranker(model) == first != second
    own = make_clip(model / "clip")
    assert companions.ranker(model) == own


def test_a_clip_that_writes_describes_and_the_one_that_ranks_otherwise(
    companions: Companions, tmp_path: Path
) -> None:
    own = make_clip(tmp_path / "model" / "clip")
    make_clip(companions.clip / "a-vit")
    assert companions.describer(tmp_path / "model") == own
    writing = make_clip(companions.clip / "b-coca", writes=True)
    assert companions.describer(tmp_path / "model") == writing
    assert companions.ranker(tmp_path / "model") == own


def test_a_folder_of_pickles_is_no_clip(companions: Companions) -> None:
    make(companions.clip / "old", "open_clip_config.json", "open_clip_pytorch_model.bin")
    assert companions.ranker(Path("model")) is None


CHECKER = (
    "safety_checker/model.safetensors",
    "safety_checker/config.json",
    "feature_extractor/preprocessor_config.json",
)


def test_the_operators_safety_checker_comes_before_the_models_own(
    companions: Companions, tmp_path: Path
) -> None:
    model = make(tmp_path / "model", *CHECKER)
    assert companions.concept_checker(model) == model
    make(companions.safety, *CHECKER)
    assert companions.concept_checker(model) == companions.safety


@pytest.mark.parametrize("missing", [CHECKER[0], CHECKER[2]])
def test_half_a_safety_checker_is_none(companions: Companions, missing: str) -> None:
    make(companions.safety, *(name for name in CHECKER if name != missing))
    assert not companions.has_checker(Path("model"))


def test_words_check_only_where_a_clip_reads_them(companions: Companions) -> None:
    make(companions.safety, "unsafe.txt")
    assert not companions.has_checker(Path("model"))
    make_clip(companions.clip / "vit")
    assert companions.has_checker(Path("model"))


def test_an_operators_phrases_come_beside_those_that_ship_or_in_their_place(
    companions: Companions, tmp_path: Path
) -> None:
    ours = companions.phrases(tmp_path / "model")
    assert ours["subjects"] == PHRASES_FOLDER / "subjects.txt"
    make(companions.clip / "phrases", "artists.txt", "subjects.txt")
    assert companions.phrases(tmp_path / "model") == ours | {
        "artists": companions.clip / "phrases" / "artists.txt",
        "subjects": companions.clip / "phrases" / "subjects.txt",
    }


def test_the_demo_ranks_and_describes_by_itself_and_is_checked_by_nobody(companions: Companions) -> None:
    demo, _ = Registry(Path("none"), companions=companions).models()
    assert demo.ranked
    assert Task.DESCRIBE in demo.tasks
    assert not demo.checked
    assert companions.phrases(DEMO_FOLDER)["subjects"].parent == DEMO_FOLDER / "phrases"
