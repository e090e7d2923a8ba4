"""Training pictures and their captions: the same from the same seed, and the held-out ones never among them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.demo.training.backdrops import draw_backdrop
from engine.demo.training.captions import caption, with_article
from engine.demo.training.evaluation import background_colour
from engine.demo.training.glyphs import FontMissing, Glyphs
from engine.demo.training.layouts import layout_of
from engine.demo.training.scenes import LAYOUTS, PICTURE, PLAIN_STYLES, Scene, sample_scene
from engine.demo.training.styles import PIXEL, apply_style
from engine.demo.vocabulary import COLOURS, KINDS, PLACES, STYLES, known_words, plural
from engine.models.card import words_of


def random(*seed: int) -> np.random.Generator:
    return np.random.default_rng(list(seed))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(random(1, number)) for number in range(400)]


def test_the_same_seed_gives_the_same_scene_and_caption(scenes: list[Scene]) -> None:
    assert [sample_scene(random(1, number)) for number in range(50)] == scenes[:50]
    assert caption(scenes[0], random(2)) == caption(scenes[0], random(2))


def test_layouts_come_as_often_as_they_should() -> None:
    assert sum(LAYOUTS.values()) == pytest.approx(1)


def test_combinations_for_the_evaluation_are_never_trained(scenes: list[Scene]) -> None:
    assert not any(scene.held_out for scene in scenes)
    asked = [sample_scene(random(3, number), held_out=True) for number in range(50)]
    assert all(scene.held_out for scene in asked)
    trained = {(frozenset(scene.kinds), scene.backdrop) for scene in scenes}
    assert not trained & {(frozenset(scene.kinds), scene.backdrop) for scene in asked}


def test_captions_use_no_word_that_the_card_would_call_unknown(scenes: list[Scene]) -> None:
    known = known_words()
    said = {
        word for number, scene in enumerate(scenes) for word in words_of(caption(scene, random(4, number)))
    }
    assert said <= known


def test_a_caption_says_what_the_scene_shows() -> None:
    cat, dog = KINDS[1], KINDS[2]
    scene = Scene(layout_of("left of", random(0)), (cat, dog), "blue", None)
    for number in range(30):
        said = caption(scene, random(number))
        assert any(name in said for name in cat.names)
        assert any(name in said for name in dog.names)
        assert "blue" in said
        first, second = (min(said.find(n) for n in kind.names if n in said) for kind in (cat, dog))
        assert first < second


def test_three_things_stand_from_left_to_right_in_the_order_in_which_they_are_named() -> None:
    cat, dog, bird = (next(kind for kind in KINDS if kind.name == name) for name in ("cat", "dog", "bird"))
    scene = Scene(layout_of("three", random(0)), (cat, dog, bird), None, None)
    for number in range(30):
        said = caption(scene, random(number))
        places = [min(said.find(name) for name in kind.names if name in said) for kind in scene.kinds]
        assert places == sorted(places)
    left, middle, right = scene.layout.things
    assert left.x + left.size / 2 < middle.x < right.x - right.size / 2
    assert left.x - left.size / 2 > -PICTURE / 2
    assert right.x + right.size / 2 < PICTURE / 2


def test_styles_that_leave_no_backdrop_do_not_speak_of_one(scenes: list[Scene]) -> None:
    plain = [scene for scene in scenes if scene.style in PLAIN_STYLES and scene.layout.name != "landscape"]
    assert plain
    assert all(scene.backdrop is None for scene in plain)


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [
        ("cat", "a cat"),
        ("apple", "an apple"),
        ("unicorn", "a unicorn"),
        ("ufo", "a ufo"),
        ("8-bit", "an 8-bit"),
        ("umbrella", "an umbrella"),
    ],
)
def test_the_article_follows_the_sound(noun: str, phrase: str) -> None:
    assert with_article(noun) == phrase


def test_plurals() -> None:
    assert [plural(name) for name in ("cat", "mouse", "ice cream", "police officer", "puppy")] == [
        "cats",
        "mice",
        "ice creams",
        "police officers",
        "puppies",
    ]


@pytest.mark.parametrize("name", [*COLOURS, *PLACES, None])
def test_backdrops_have_their_size_and_colours_can_be_told_apart(name: str | None) -> None:
    picture = draw_backdrop(name, 256, random(5))
    assert picture.size == (256, 256)
    if name in COLOURS:
        assert background_colour(picture) == name


@pytest.mark.parametrize("style", STYLES)
def test_a_style_changes_the_picture_and_keeps_its_size(style: str) -> None:
    picture = draw_backdrop("beach", 288, random(6))
    styled = apply_style(style, picture, random(6))
    assert (styled.size, styled.mode) == (picture.size, "RGB")
    assert np.abs(np.asarray(styled, float) - np.asarray(picture, float)).mean() > 1


def test_pixel_art_has_blocks_of_one_latent_cell() -> None:
    noise = Image.fromarray(random(7).integers(0, 256, (288, 288, 3), np.uint8))
    blocks = np.asarray(apply_style("pixel art", noise, random(7))).reshape(36, PIXEL, 36, PIXEL, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_an_oil_painting_has_its_colours_in_strokes_even_where_the_picture_is_flat() -> None:
    flat = Image.new("RGB", (288, 288), (200, 120, 40))
    painted = np.asarray(apply_style("oil painting", flat, random(8)), float)
    assert np.abs(painted.mean(axis=(0, 1)) - (200, 120, 40)).max() < 4
    assert painted.std(axis=(0, 1)).min() > 6
    assert np.abs(np.diff(painted, axis=0)).mean() < 6  # within a stroke nothing changes


def test_every_kind_has_names_of_its_own() -> None:
    names = [name for kind in KINDS for name in kind.names]
    assert len(KINDS) >= 150
    assert len(set(names)) == len(names)
    assert len({kind.glyph for kind in KINDS}) == len(KINDS)


def test_a_missing_font_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FontMissing, match="apt install fonts-noto-color-emoji"):
        Glyphs(tmp_path / "none.ttf")
