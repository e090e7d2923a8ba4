from pathlib import Path

import pytest

from bot.controls import ControlChoice, chosen, parse
from bot.errors import Refused
from engine.wire import Capabilities, Control, ControlInfo, ControlKind, Preprocess

CAPABILITIES = Capabilities(
    boot_id="b",
    device="cpu",
    models=(),
    samplers=(),
    schedules=(),
    controls=(ControlInfo(name="Canny", kind=ControlKind.CONTROLNET, family="sd1"),),
)


def test_a_control_is_a_name_a_file_and_settings() -> None:
    choice = parse("canny=my, picture=1.png,weight=0.8,end=0.6,preprocess=Canny")
    assert choice == ControlChoice(
        name="canny",
        picture=Path("my, picture=1.png"),
        settings={"weight": "0.8", "end": "0.6", "preprocess": "Canny"},
    )
    assert chosen([choice], CAPABILITIES) == (
        Control(name="Canny", weight=0.8, end=0.6, preprocess=Preprocess.CANNY),
    )


def test_without_settings_a_control_has_those_of_the_wire() -> None:
    assert chosen([parse("Canny=a.png")], CAPABILITIES) == (Control(name="Canny"),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("canny", "control must be NAME=FILE, such as canny=edges.png"),
        ("=a.png", "control must be NAME=FILE, such as canny=edges.png"),
        ("canny=", "control must be NAME=FILE, such as canny=edges.png"),
        ("canny=a.png,end=1,end=0.5", "control: end was given twice."),
        ("pose=a.png", "There is no control called 'pose'. Known: Canny."),
        ("canny=a.png,weight=3", "control: weight must be a number between 0 and 2; it was '3'."),
        ("canny=a.png,start=early", "control: start must be a number between 0 and 1; it was 'early'."),
        ("canny=a.png,end=nan", "control: end must be a number between 0 and 1; it was 'nan'."),
        (
            "canny=a.png,preprocess=hed",
            "control: preprocess must be one of none, canny, scribble, invert; it was 'hed'.",
        ),
    ],
)
def test_what_is_wrong_with_a_control_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        chosen([parse(text)], CAPABILITIES)
    assert str(refused.value).startswith(sentence)


def test_more_controls_than_the_engine_takes_are_refused() -> None:
    with pytest.raises(Refused, match="at most 3 controls; there were 4"):
        chosen([parse("canny=a.png")] * 4, CAPABILITIES)


def test_an_engine_without_controls_says_so() -> None:
    with pytest.raises(Refused, match="This engine has none"):
        chosen([parse("canny=a.png")], CAPABILITIES.model_copy(update={"controls": ()}))
