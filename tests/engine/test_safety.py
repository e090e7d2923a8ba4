"""The safety checkers: as strict as diffusers', and closed where they fail."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPImageProcessor

from engine.clip import load_clip
from engine.errors import Refusal
from engine.images.veil import COLOURS, veiled
from engine.models.registry import DEMO_FOLDER
from engine.safety import WordChecker, load_concept_checker, verdict_of
from engine.wire import SafetyVerdict
from tests.engine.tiny_judges import make_safety_checker

Pixels = npt.NDArray[np.uint8]


def pictures(count: int = 24) -> list[Pixels]:
    """Flat, noisy and striped ones, of several shapes."""
    random = np.random.default_rng(7)
    shapes = [(48, 48), (64, 40), (33, 90)]
    noise = [random.integers(0, 256, (*shapes[n % 3], 3), dtype=np.uint8) for n in range(count)]
    return [each if n % 2 else (each // 8 * n).astype(np.uint8) for n, each in enumerate(noise)]


class Fixed:
    """A checker that always says the same."""

    def __init__(self, score: float) -> None:
        self.score = score

    def check(self, pixels: Pixels) -> SafetyVerdict:
        del pixels
        return SafetyVerdict(flagged=self.score > 0, score=self.score)


class Broken:
    def check(self, pixels: Pixels) -> SafetyVerdict:
        raise RuntimeError(f"out of memory at 0x7f00dead, {pixels.shape}")


def by_diffusers(folder: Path, picture: Pixels) -> bool:
    checker = StableDiffusionSafetyChecker.from_pretrained(folder / "safety_checker").eval()
    extractor = CLIPImageProcessor.from_pretrained(folder / "feature_extractor")
    seen = extractor(Image.fromarray(picture), return_tensors="pt")
    _, flagged = checker(images=[picture.astype(np.float32) / 255], clip_input=seen.pixel_values)
    return bool(flagged[0])


def cosines(folder: Path) -> list[float]:
    """The score of each picture where every limit is zero: its largest cosine."""
    make_safety_checker(folder, limit=0.0)
    checker = load_concept_checker(folder)
    return sorted(checker.check(picture).score for picture in pictures())


def test_verdicts_equal_those_of_diffusers_checker_flagged_and_not(tmp_path: Path) -> None:
    found = cosines(tmp_path / "open")
    make_safety_checker(tmp_path / "half", limit=found[len(found) // 2])  # some are over it, some are not
    ours = load_concept_checker(tmp_path / "half")
    verdicts = [ours.check(picture) for picture in pictures()]
    assert [each.flagged for each in verdicts] == [
        by_diffusers(tmp_path / "half", picture) for picture in pictures()
    ]
    assert {each.flagged for each in verdicts} == {True, False}
    assert all(each.flagged == (each.score > 0) for each in verdicts)
    assert {each.concept for each in verdicts} <= {f"concept {number}" for number in range(1, 18)}


def test_special_care_lowers_the_other_limits_as_in_diffusers(tmp_path: Path) -> None:
    found = cosines(tmp_path / "open")
    limit = found[len(found) // 2]
    make_safety_checker(tmp_path, limit=limit + 0.005)
    before = load_concept_checker(tmp_path).check(pictures()[0])
    weights = StableDiffusionSafetyChecker.from_pretrained(tmp_path / "safety_checker")
    weights.special_care_embeds_weights.data.fill_(-1.0)
    weights.save_pretrained(tmp_path / "safety_checker")
    careful = load_concept_checker(tmp_path)
    assert careful.check(pictures()[0]).score == pytest.approx(before.score + 0.01, abs=2e-3)
    flags = [careful.check(picture).flagged for picture in pictures()]
    assert flags == [by_diffusers(tmp_path, picture) for picture in pictures()]


def test_an_operators_words_flag_what_is_nearer_to_them() -> None:
    clip = load_clip(DEMO_FOLDER / "clip")
    blue = np.full((64, 64, 3), (54, 110, 222), np.uint8)
    words = {"unsafe": ["a blue background"], "safe": ["a red background", "a green background"]}
    verdict = WordChecker(clip, **words).check(blue)
    assert verdict.flagged
    assert verdict.concept == "a blue background"
    red = np.full((64, 64, 3), (222, 48, 48), np.uint8)
    assert not WordChecker(clip, **words).check(red).flagged


def test_the_worst_of_several_verdicts_counts() -> None:
    picture = pictures(1)[0]
    assert verdict_of([Fixed(-0.2), Fixed(0.1), Fixed(0.05)], picture).score == 0.1
    assert not verdict_of([Fixed(-0.2), Fixed(0.0)], picture).flagged


@pytest.mark.parametrize("checkers", [[], [Broken()], [Fixed(-1.0), Broken()], [Fixed(float("nan"))]])
def test_a_checker_that_is_missing_raises_or_gives_no_number_refuses_the_picture(
    checkers: list[Fixed | Broken],
) -> None:
    with pytest.raises(Refusal) as refused:
        verdict_of(checkers, pictures(1)[0])
    assert refused.value.body.code == "safety_unavailable"
    assert "0x7f" not in refused.value.body.message


def test_damaged_weights_are_a_refusal_and_not_a_verdict(tmp_path: Path) -> None:
    make_safety_checker(tmp_path, limit=0.2)
    weights = tmp_path / "safety_checker" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(Refusal) as refused:
        load_concept_checker(tmp_path)
    assert refused.value.body.code == "safety_unavailable"


def test_weights_that_are_not_numbers_refuse_every_picture(tmp_path: Path) -> None:
    make_safety_checker(tmp_path, limit=0.2)
    checker = StableDiffusionSafetyChecker.from_pretrained(tmp_path / "safety_checker")
    checker.visual_projection.weight.data.fill_(torch.nan)
    checker.save_pretrained(tmp_path / "safety_checker")
    with pytest.raises(Refusal):
        verdict_of([load_concept_checker(tmp_path)], pictures(1)[0])


def test_a_veil_keeps_the_size_and_nothing_of_the_shapes() -> None:
    dots = np.indices((96, 160)).sum(axis=0) % 2 * 255
    picture = Image.fromarray(np.repeat(dots[..., None], 3, axis=2).astype(np.uint8))
    hidden = np.asarray(veiled(picture), int)
    assert hidden.shape == (96, 160, 3)
    assert np.ptp(hidden) <= 2
    edge = Image.new("RGB", (160, 96))
    edge.paste("white", (80, 0, 160, 96))
    steps = np.abs(np.diff(np.asarray(veiled(edge), int)[48, :, 0]))
    assert steps.max() < 255 * COLOURS / 80
