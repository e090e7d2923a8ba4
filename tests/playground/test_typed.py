"""A typed line is cut as Discord cuts it."""

from pathlib import Path

import pytest

from bot.playground.errors import NotPossible
from bot.playground.typed import parse
from tests.playground.conftest import COMMANDS

OFFERED = [{"id": str(n), "type": 1, "options": [], **command} for n, command in enumerate(COMMANDS)]


def test_values_may_contain_spaces_and_end_at_the_next_option() -> None:
    typed = parse("/imagine prompt:a big hamster, 4k steps:20", OFFERED)
    assert (typed.command, typed.options) == ("imagine", {"prompt": "a big hamster, 4k", "steps": "20"})


def test_a_file_is_a_path_after_an_at_sign() -> None:
    typed = parse("/imagine prompt: a cat image:@/tmp/my pictures/a.png", OFFERED)
    assert typed.files == {"image": Path("/tmp/my pictures/a.png")}


def test_text_before_the_first_name_belongs_to_the_first_option() -> None:
    assert parse("/imagine a hamster steps:9", OFFERED).options == {"prompt": "a hamster", "steps": "9"}


def test_only_known_names_at_a_word_begin_an_option() -> None:
    typed = parse("/imagine prompt:style:anime (steps:wood) footsteps:loud", OFFERED)
    assert typed.options == {"prompt": "style:anime (steps:wood) footsteps:loud"}


def test_a_subcommand_is_part_of_the_command() -> None:
    typed = parse("/gallery show page:2", OFFERED)
    assert (typed.command, typed.options) == ("gallery show", {"page": "2"})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "A command begins with a slash"),
        ("imagine prompt:x", "A command begins with a slash"),
        ("/", "A command begins with a slash"),
        ("/paint x", "There is no command called 'paint' here."),
        ("/gallery", "/gallery needs a subcommand: show."),
        ("/here now", "/here takes no options; you gave 'now'."),
        ("/imagine prompt:a prompt:b", "prompt was given twice."),
        ("/imagine a cat prompt:b", "prompt was given twice."),
        ("/imagine prompt:x image:a.png", "image takes a file: @ and its path; you gave 'a.png'."),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_with_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(NotPossible) as refused:
        parse(line, OFFERED)
    assert str(refused.value).startswith(sentence)
