"""Wildcards are chosen by the seed, written out, and bounded."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts.limits import MAX_NESTING
from engine.prompts.wildcards import WildcardFolder, Words, choose, words_of
from engine.wire import MAX_PROMPT_CHARS, GenerationRequest, Sampler
from tests.engine.prompts.effort import STEADY, assert_linear

FILES = {
    "animal": ("cat", "dog"),
    "nested": ("a {red|blue} __animal__",),
    "endless": ("x __endless__ __endless__",),
    "sea-side_2": ("beach",),
}
PIECES = st.sampled_from(
    ["{", "}", "|", "[", "]", "\\", "a", "__animal__", "__endless__", "__", "_", "{a|b}"]
)


def lines(name: str) -> tuple[str, ...]:
    return FILES.get(name, ())


def chosen(text: str, seed: int = 0) -> str:
    return choose(text, random=Random(seed), lines=lines)


def ask(**changes: object) -> GenerationRequest:
    fields: dict[str, object] = {"model": "m", "prompt": "", "width": 64, "height": 64, "steps": 1}
    fields |= {"guidance_scale": 7.0, "sampler": Sampler.EULER, "seed": 0}
    return GenerationRequest.model_validate(fields | changes)


def test_each_option_is_chosen_about_as_often() -> None:
    counts = Counter(chosen("{a|b|}", seed) for seed in range(300))
    assert set(counts) == {"a", "b", ""}
    assert min(counts.values()) > 60


def test_choices_nest_and_files_may_name_files() -> None:
    assert {chosen("{a|{b|c} d}", seed) for seed in range(40)} == {"a", "b d", "c d"}
    assert {chosen("__nested__!", seed) for seed in range(40)} == {
        f"a {colour} {animal}!" for colour in ("red", "blue") for animal in ("cat", "dog")
    }
    assert chosen("__sea-side_2__") == "beach"


def test_a_bar_in_square_brackets_is_left_to_the_schedule() -> None:
    assert {chosen("{[a|b]|c}", seed) for seed in range(20)} == {"[a|b]", "c"}
    assert chosen("[a|b]") == "[a|b]"


@pytest.mark.parametrize(
    "text", ["{a}", "{", "a|b}", "{a|b", r"\{a|b\}", "__nobody__", "__", "{a [b}", "____"]
)
def test_what_is_not_well_formed_is_text(text: str) -> None:
    assert chosen(text) == text


def test_image_i_gets_the_words_of_seed_plus_i() -> None:
    request = ask(prompt="{a|b|c|d|e|f}", negative_prompt="__animal__", seed=2**32 - 2, count=4)
    drawn = [words_of(request, index, lines=lines) for index in range(4)]
    alone = [
        words_of(ask(prompt=request.prompt, negative_prompt="__animal__", seed=seed), 0, lines=lines)
        for seed in (2**32 - 2, 2**32 - 1, 0, 1)
    ]
    assert drawn == alone
    assert len(set(drawn)) > 1


def test_the_choice_of_a_seed_never_changes() -> None:
    request = ask(prompt="{a|b|c|d|e|f} {1|2|3|4|5|6}", negative_prompt="{a|b|c|d|e|f}", seed=42)
    assert words_of(request, 0, lines=lines) == Words("d 1", "b")


def test_words_that_were_chosen_draw_the_same_again() -> None:
    words = words_of(ask(prompt=r"{a|b} \{c|d\} {e}"), 0, lines=lines)
    assert words_of(ask(prompt=words.prompt), 0, lines=lines) == words


def test_a_file_has_an_option_a_line_and_its_name_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "animal.txt").write_text("# animals\ncat\n\n  dog \n")
    (tmp_path / "secret.txt").write_text("secret")
    folder = WildcardFolder(tmp_path)
    assert folder.lines("animal") == ("cat", "dog")
    assert folder.lines("nobody") == ()
    inner = WildcardFolder(tmp_path / "inner")
    for text in ("__../secret__", "__/etc/passwd__", "__secret__"):
        assert choose(text, random=Random(0), lines=inner.lines) == text


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    file, folder = tmp_path / "animal.txt", WildcardFolder(tmp_path)
    file.write_text("cat")
    before = folder.lines("animal")
    assert folder.lines("animal") is before
    file.write_text("hamster")
    assert folder.lines("animal") == ("hamster",)
    file.unlink()
    assert folder.lines("animal") == ()


def test_a_file_that_names_itself_comes_to_an_end() -> None:
    assert len(chosen("__endless__ " * 10)) <= 2 * MAX_PROMPT_CHARS


def test_the_deepest_choice_of_all_is_made() -> None:
    class First(Random):
        def random(self) -> float:
            return 0.0

    line = "{" * MAX_NESTING + "__deep__" + "|x}" * MAX_NESTING
    assert choose(line, random=First(), lines={"deep": (line,)}.__getitem__) == "__deep__"


def test_braces_deeper_than_the_cap_are_text() -> None:
    deep = "{" * (MAX_NESTING + 3) + "a" + "}" * (MAX_NESTING + 3)
    assert chosen(deep) == deep


@STEADY
@given(st.text() | st.lists(PIECES, max_size=60).map("".join), st.integers(0, 9))
def test_any_text_can_be_chosen_from(text: str, seed: int) -> None:
    assert len(chosen(text, seed)) <= len(text) + MAX_PROMPT_CHARS


@pytest.mark.parametrize(
    "pattern", ["{", "}", "{a|", "{[", "{[}", "[", "|", "_", "__a", "__a.", "{a|b}", "\\"]
)
def test_work_grows_with_the_length_and_no_faster(pattern: str) -> None:
    assert_linear(chosen, pattern)
