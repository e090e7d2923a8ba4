"""Modals with every kind of field: what the bot may open, and what it gets when a person sends it."""

from typing import Any

import pytest

from bot.playground.client import Interaction, Json, NotPossible, Person
from bot.playground.server import Playground
from tests.playground.conftest import Api, Asked


def label(component: Json, text: str = "Field") -> Json:
    return {"type": 18, "label": text, "component": component}


def options(*names: str) -> list[Json]:
    return [{"label": name, "value": name} for name in names]


def modal(*components: Json) -> Json:
    return {"title": "Form", "custom_id": "form", "components": list(components)}


class Form:
    """Opens modals for alice, and gives what the bot is told when she sends one."""

    def __init__(self, api: Api, alice: Person, playground: Playground) -> None:
        self._api = api
        self._alice = alice
        self._playground = playground

    async def open(self, *components: Json) -> tuple[int, Json, Interaction]:
        """The status and the answer to the callback, and what alice did."""
        act = await self._alice.slash("imagine", {"prompt": "a hamster"})
        status, answer = await Asked(self._api, self._playground, act.id).callback(9, modal(*components))
        return status, answer, act

    async def send(
        self, component: Json, value: Any = None, files: dict[str, tuple[str, bytes]] | None = None
    ) -> tuple[Json, Json]:
        """The field's answer and `resolved`."""
        status, _, opener = await self.open(label(component))
        assert status == 200
        values = {} if value is None else {component["custom_id"]: value}
        sent = await self._alice.submit(opener, values, files=files)
        act = next(each for each in self._playground.state.interactions.values() if each.id == sent.id)
        (frame,) = act.data["components"]
        assert (frame["type"], frame["component"]["type"]) == (18, component["type"])
        return frame["component"], act.data.get("resolved", {})


@pytest.fixture
def form(api: Api, alice: Person, playground: Playground, commands: list[Json]) -> Form:
    del commands
    return Form(api, alice, playground)


TEXT = {"type": 4, "custom_id": "f", "style": 1}
RADIO = {"type": 21, "custom_id": "f", "options": options("a", "b")}
GROUP = {"type": 22, "custom_id": "f", "options": options("a", "b", "c")}
CHECKBOX = {"type": 23, "custom_id": "f"}
SELECT = {"type": 3, "custom_id": "f", "options": options("a", "b", "c"), "max_values": 2}
UPLOAD = {"type": 19, "custom_id": "f", "max_values": 2}


@pytest.mark.parametrize(
    ("component", "given", "told"),
    [
        (TEXT, "hello", {"value": "hello"}),
        ({**TEXT, "value": "as before"}, None, {"value": "as before"}),
        ({**TEXT, "required": False}, None, {"value": ""}),
        (RADIO, "b", {"value": "b"}),
        ({**RADIO, "required": False}, None, {"value": None}),
        ({**RADIO, "options": [*options("a"), {**options("b")[0], "default": True}]}, None, {"value": "b"}),
        (GROUP, ["a", "c"], {"values": ["a", "c"]}),
        ({**GROUP, "required": False, "min_values": 0}, None, {"values": []}),
        (CHECKBOX, True, {"value": True}),
        (CHECKBOX, None, {"value": False}),
        ({**CHECKBOX, "default": True}, None, {"value": True}),
        (SELECT, ["a", "b"], {"values": ["a", "b"]}),
        ({**SELECT, "required": False}, None, {"values": []}),
    ],
)
async def test_a_field_is_answered_as_discord_answers_it(
    form: Form, component: Json, given: Any, told: Json
) -> None:
    answer, _ = await form.send(component, given)
    assert {name: answer[name] for name in told} == told
    assert answer["custom_id"] == "f"
    assert isinstance(answer["id"], int)


async def test_chosen_people_roles_and_channels_come_with_their_objects(
    form: Form, playground: Playground
) -> None:
    state = playground.state
    bobs, general = state.people["bob"].id, next(iter(state.channels))
    for kind, given, id, where in (
        (5, "bob", bobs, "users"),
        (6, "@everyone", state.guild_id, "roles"),
        (7, "bob", bobs, "users"),
        (7, "@everyone", state.guild_id, "roles"),
        (8, "general", general, "channels"),
    ):
        answer, resolved = await form.send({"type": kind, "custom_id": "f"}, [given])
        assert (answer["values"], list(resolved[where])) == ([id], [id])


async def test_uploaded_files_come_as_ephemeral_attachments(form: Form, picture: bytes) -> None:
    files = {"f": ("one.png", picture), "f[1]": ("two.png", picture)}
    answer, resolved = await form.send(UPLOAD, files=files)
    attachments = [resolved["attachments"][id] for id in answer["values"]]
    assert [each["filename"] for each in attachments] == ["one.png", "two.png"]
    assert all(each["ephemeral"] for each in attachments)


@pytest.mark.parametrize(
    ("component", "given", "sentence"),
    [
        (TEXT, None, "Field is required"),
        ({**TEXT, "max_length": 3}, "long", "Field must have at most 3 characters; you gave 4"),
        ({**TEXT, "min_length": 5}, "long", "Field must have at least 5 characters; you gave 4"),
        (RADIO, None, "Field is required"),
        (RADIO, "z", "Field must be one of a, b; you chose 'z'"),
        (GROUP, ["z"], "Field must be one of a, b, c; you chose 'z'"),
        ({**GROUP, "min_values": 2}, ["a"], "Field takes 2 to 3; you gave 1"),
        (SELECT, ["a", "b", "c"], "f takes 1 to 2 choices; you made 3"),
        (UPLOAD, None, "Field is required"),
        ({"type": 5, "custom_id": "f"}, [{}], "there is no '{}' to choose"),
        (GROUP, {"a": 1}, "you chose {'a': 1}"),
    ],
)
async def test_what_the_client_would_not_send_is_a_sentence(
    form: Form, component: Json, given: Any, sentence: str
) -> None:
    with pytest.raises(NotPossible, match=sentence):
        await form.send(component, given)


async def test_too_many_files_are_a_sentence(form: Form, picture: bytes) -> None:
    files = {f"f[{number}]": (f"{number}.png", picture) for number in range(3)}
    with pytest.raises(NotPossible, match="takes 1 to 2; you gave 3"):
        await form.send(UPLOAD, files=files)


async def test_texts_and_the_older_rows_are_part_of_a_form(form: Form) -> None:
    row = {"type": 1, "components": [{**TEXT, "label": "Old", "required": False}]}
    status, _, _ = await form.open({"type": 10, "content": "Read this"}, row)
    assert status == 200


WRONG: dict[str, Json] = {
    "0.component.options": label({"type": 21, "custom_id": "f", "options": options("a")}),
    "0.component.options.1.value": label({**RADIO, "options": options("a", "a")}),
    "0.component.max_values": label({**GROUP, "max_values": 11}),
    "0.component.min_values": label({**UPLOAD, "min_values": 0}),
    "0.component.disabled": label({**SELECT, "disabled": True}),
    "0.component.style": label({"type": 4, "custom_id": "f"}),
    "0.component.placeholder": label({**TEXT, "placeholder": "x" * 101}),
    "0.component.min_length": label({**TEXT, "min_length": 9, "max_length": 8}),
    "0.component.custom_id": label({"type": 23}),
    "0.component.type": label({"type": 2, "custom_id": "f", "style": 1}),
    "0.component": {"type": 18, "label": "x"},
    "0.label": label(TEXT, "x" * 46),
    "0.type": {"type": 17, "components": [{"type": 10, "content": "x"}]},
    "0.components.0.type": {"type": 1, "components": [RADIO]},
}


@pytest.mark.parametrize("place", WRONG)
async def test_a_form_that_breaks_a_rule_is_refused_with_its_place(form: Form, place: str) -> None:
    status, answer, _ = await form.open(WRONG[place])
    assert (status, answer["code"]) == (400, 50035)
    errors = answer["errors"]["data"]["components"]
    for part in place.split("."):
        errors = errors[part]
    assert errors["_errors"]


async def test_more_than_5_fields_are_refused(form: Form) -> None:
    status, answer, _ = await form.open(*[label({**TEXT, "custom_id": f"f{n}"}) for n in range(6)])
    assert (status, list(answer["errors"]["data"])) == (400, ["components"])


async def test_two_fields_cannot_share_an_id(form: Form) -> None:
    status, answer, _ = await form.open(label(TEXT), label(TEXT))
    found = answer["errors"]["data"]["components"]["1"]["component"]["custom_id"]["_errors"]
    assert (status, found[0]["code"]) == (400, "COMPONENT_CUSTOM_ID_DUPLICATED")
