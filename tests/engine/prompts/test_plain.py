import pytest

from engine.prompts.plain import plain


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a cat", "a cat"),
        ("a (red:1.3) [cat] ((on)) a  table", "a red cat on a table"),
        (r"a cat \(animal\)", "a cat (animal)"),
        ("[dog:cat:0.5] in a hat", "cat in a hat"),
        ("a cat AND a dog :0.5", "a cat, a dog"),
        ("a cat BREAK in the snow", "a cat in the snow"),
        ("a cat <lora:grain:0.8>", "a cat"),
        ("", ""),
        ("((a", "a"),
    ],
)
def test_a_prompt_as_plain_words(prompt: str, words: str) -> None:
    assert plain(prompt) == words
