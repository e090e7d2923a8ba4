"""CLIP beside the device: scores, phrases and captions, by the demo's own CLIP and an untrained CoCa."""

import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
import torch
from PIL import Image

from engine.clip import Clip, load_clip
from engine.demo.vocabulary import COLOURS
from engine.errors import Refusal
from engine.models.card import Card, words_of
from engine.models.companions import PHRASES_FOLDER, Companions
from engine.models.loading import ModelBroken
from engine.models.registry import DEMO_FOLDER
from engine.tasks.describe import ORDER, Captions, Phrases, describe_file, read_phrases
from tests.engine.tiny_judges import make_coca

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip(DEMO_FOLDER / "clip")


@pytest.fixture(scope="module")
def coca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip") / "coca"
    make_coca(folder)
    return folder


def flat(colour: str, size: tuple[int, int] = (96, 64)) -> Pixels:
    return np.asarray(Image.new("RGB", size, COLOURS[colour]))


def test_scores_are_the_cosines_of_open_clip(clip: Clip) -> None:
    place = f"local-dir:{DEMO_FOLDER / 'clip'}"
    network, _, preprocess = open_clip.create_model_and_transforms(place)
    tokenizer = open_clip.get_tokenizer(place)
    texts = ["a hamster", "a blue background", "a very long text " * 60]
    with torch.inference_mode():
        picture = network.eval().encode_image(preprocess(Image.fromarray(flat("blue")))[None])
        cosines = torch.nn.functional.cosine_similarity(picture, network.encode_text(tokenizer(texts)))
    assert clip.scores(flat("blue"), texts) == pytest.approx(cosines.tolist(), abs=1e-5)


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow"])
def test_a_picture_is_nearest_to_its_own_colour(clip: Clip, colour: str) -> None:
    names = ["red", "green", "blue", "yellow"]
    scores = clip.scores(flat(colour), [f"a {name} background" for name in names])
    assert names[scores.index(max(scores))] == colour


def test_a_damaged_clip_is_named_and_its_path_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(DEMO_FOLDER / "clip", folder)
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelBroken) as broken:
        load_clip(folder)
    assert str(broken.value) == "The CLIP 'clip' is damaged: it could not be loaded."


def test_a_clip_without_numbers_gives_no_score(clip: Clip) -> None:
    broken = Clip(NotNumbers(), clip._preprocess, clip._tokenizer, writes=False)
    with pytest.raises(ModelBroken, match="no numbers"):
        broken.scores(flat("red"), ["a cat"])


class NotNumbers:
    def encode_image(self, pixels: torch.Tensor, *, normalize: bool) -> torch.Tensor:
        assert normalize
        return torch.full((len(pixels), 4), torch.nan)

    def encode_text(self, tokens: torch.Tensor, *, normalize: bool) -> torch.Tensor:
        assert normalize
        return torch.ones(len(tokens), 4)


def test_a_picture_is_described_by_the_phrases_that_bring_the_whole_nearer(clip: Clip) -> None:
    lists = {
        "styles": ("oil painting", "pixel art"),
        "subjects": ("red background", "blue background"),
        "empty": (),
    }
    text = Phrases(clip, lists).describe(flat("red"))
    assert "red background" in text
    assert "blue" not in text
    first, *others = text.split(", ")
    assert first in lists["subjects"]  # what it is comes before how it looks
    nearer = clip.scores(flat("red"), [", ".join([first, *others][:n]) for n in range(1, len(others) + 2)])
    assert nearer == sorted(nearer)


def test_the_same_picture_has_the_same_description(clip: Clip) -> None:
    lists = read_phrases(Companions(clip=Path("none"), safety=Path("none")).phrases(DEMO_FOLDER))
    describer = Phrases(clip, lists)
    assert describer.describe(flat("blue")) == describer.describe(flat("blue"))
    assert "blue background" in describer.describe(flat("blue"))


def test_without_phrases_nothing_is_described(clip: Clip) -> None:
    with pytest.raises(Refusal) as refused:
        Phrases(clip, {"subjects": ()}).describe(flat("red"))
    assert refused.value.body.code == "clip_missing"


def test_a_coca_writes_its_own_text_and_always_the_same(coca: Path, tmp_path: Path) -> None:
    describer = Captions(load_clip(coca))
    Image.fromarray(flat("red")).save(tmp_path / "red.png")
    text = describe_file(describer, tmp_path / "red.png")
    assert text
    assert text == describe_file(describer, tmp_path / "red.png") == " ".join(text.split())
    assert not any(mark in text for mark in ("<start_of_text>", "<end_of_text>"))
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert describer.describe(noise) != text  # it looks at the picture


def test_the_likeliest_token_follows_as_in_the_networks_own_forward_pass(coca: Path) -> None:
    network, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{coca}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{coca}")
    seen, text = preprocess(Image.fromarray(flat("red")))[None], [tokenizer.sot_token_id]
    with torch.inference_mode():
        for _ in range(4):
            logits = network.eval()(seen, torch.tensor([text]), output_labels=False)["logits"]
            text.append(int(logits[0, -1].argmax()))
    expected = " ".join(tokenizer.decode(text[1:]).split())
    assert load_clip(coca).caption(flat("red")).startswith(expected)


def test_a_coca_also_compares_pictures_with_words(coca: Path) -> None:
    (score,) = load_clip(coca).scores(flat("red"), ["a cat"])
    assert -1 <= score <= 1


def test_the_phrases_that_ship_are_lists_of_different_lines() -> None:
    lists = read_phrases({file.stem: file for file in PHRASES_FOLDER.glob("*.txt")})
    assert set(lists) == set(ORDER)
    for phrases in lists.values():
        assert len(phrases) >= 30
        assert len(set(phrases)) == len(phrases)


def test_the_demos_phrases_are_words_that_it_knows() -> None:
    card = Card.model_validate(json.loads((DEMO_FOLDER / "darkroom.json").read_text()))
    assert card.vocabulary is not None
    lists = read_phrases({file.stem: file for file in (DEMO_FOLDER / "phrases").glob("*.txt")})
    assert set(lists) == {"subjects", "places", "styles"}
    words = {word for phrases in lists.values() for phrase in phrases for word in words_of(phrase)}
    assert words <= card.vocabulary.words


def test_a_list_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# a comment\n\n  one thing \nanother\n")
    lists = read_phrases({"a": tmp_path / "a.txt", "b": tmp_path / "missing.txt"})
    assert lists == {"a": ("one thing", "another"), "b": ()}
