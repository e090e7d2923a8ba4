"""From a slash command to a posted picture, and on from there."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.playground.client import Json, Person
from bot.trial import buttons, follow, is_final, is_posted, job_id
from tests.flows.conftest import DEADLINE_S, QUICK, SLOW, drawing

pytestmark = [pytest.mark.flow, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def alice(shared_alice: Person) -> Person:
    return shared_alice


@pytest.fixture
def bob(shared_bob: Person) -> Person:
    return shared_bob


async def posted(person: Person, options: dict[str, object], **files: tuple[str, bytes]) -> Json:
    asked = await person.slash("imagine", options, files=files)
    message = await person.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(message), message["content"]
    return message


async def picture(person: Person, message: Json, index: int = 0) -> Image.Image:
    return Image.open(io.BytesIO(await person.download(message["attachments"][index]["url"])))


async def test_a_typed_command_becomes_a_posted_picture_with_its_story(alice: Person, tmp_path: Path) -> None:
    asked = await alice.enter("/imagine prompt:a hamster with a brush steps:20 seed:42 size:512x512")
    shown = await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    assert [button["label"] for button in buttons(shown)] == ["Cancel"]
    outcome = await follow(alice, asked, out=tmp_path, timeout=DEADLINE_S)
    assert outcome.state == "posted"
    assert outcome.job
    assert outcome.seconds.acknowledged is not None
    assert outcome.seconds.acknowledged < 3
    assert "seed 42" in outcome.text
    assert "demo" in outcome.text  # nobody is to believe that this is all that Darkroom can do
    with Image.open(outcome.files[0]) as drawn:
        assert drawn.size == (512, 512)
        assert drawn.info["parameters"].startswith("a hamster with a brush\nSteps: 20, Sampler: DPM++ 2M")


async def test_four_pictures_arrive_in_one_message_described_for_those_who_cannot_see_them(
    alice: Person,
) -> None:
    message = await posted(alice, QUICK | {"count": 4})
    assert len(message["attachments"]) == 4
    assert all("a quick hamster" in each["description"] for each in message["attachments"])
    assert len({(await picture(alice, message, n)).tobytes() for n in range(4)}) == 4
    shown = [button["label"] for button in buttons(message)]
    each_picture = [f"{letter}{number}" for letter in "VU" for number in (1, 2, 3, 4)]
    assert shown == ["Again", "Edit", *each_picture, "Delete"]


async def test_a_picture_to_start_from_is_followed(alice: Person) -> None:
    navy = png(Image.new("RGB", (300, 200), "navy"))
    message = await posted(alice, QUICK | {"strength": 0.5}, image=("navy.png", navy))
    drawn = await picture(alice, message)
    assert drawn.width > drawn.height
    assert "Denoising strength: 0.5" in drawn.info["parameters"]


async def test_again_draws_another_and_a_variation_starts_from_the_picture(alice: Person) -> None:
    first = await posted(alice, QUICK)
    for label in ("Again", "Variation"):
        pressed = await alice.press(first, label)
        second = await alice.wait_message(pressed, is_final, timeout=DEADLINE_S)
        assert is_posted(second), second["content"]
        assert job_id(second) != job_id(first)
        drawn = await picture(alice, second)
        assert ("Denoising strength" in drawn.info["parameters"]) is (label == "Variation")


async def test_a_cancelled_drawing_stops_and_says_so(alice: Person, bob: Person) -> None:
    asked = await alice.slash("imagine", SLOW | {"steps": 150})
    message = await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    await bob.press(message, "Cancel")
    await bob.wait_channel(lambda seen: "Only who asked" in seen[-1]["content"], timeout=DEADLINE_S)
    await alice.press(message, "Cancel")
    ended = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert not is_posted(ended)
    assert "ancelled" in ended["content"]


async def test_a_deleted_picture_is_gone_from_the_channel_and_the_history(alice: Person) -> None:
    message = await posted(alice, QUICK | {"prompt": "a hamster to forget"})
    await alice.press(message, "Delete")
    await alice.wait_channel(
        lambda seen: message["id"] not in {each["id"] for each in seen}, timeout=DEADLINE_S
    )
    asked = await alice.slash("history")
    answer = await alice.wait_message(asked, timeout=DEADLINE_S)
    assert "a hamster to forget" not in str(answer)


async def test_history_shows_own_pictures_to_their_owner_alone(alice: Person, bob: Person) -> None:
    await posted(alice, QUICK)
    of_alice = await alice.wait_message(await alice.slash("history"), timeout=DEADLINE_S)
    of_bob = await bob.wait_message(await bob.slash("history"), timeout=DEADLINE_S)
    assert "a quick hamster" in str(of_alice)
    assert "a quick hamster" not in str(of_bob)
    assert of_alice["id"] not in {message["id"] for message in await bob.messages()}


async def test_queue_and_help_answer_while_a_picture_is_drawn(alice: Person) -> None:
    asked = await alice.slash("imagine", SLOW)
    await alice.wait_message(asked, drawing, timeout=DEADLINE_S)
    queue = await alice.wait_message(await alice.slash("queue"), timeout=DEADLINE_S)
    assert "a slow hamster" in queue["content"]
    text = await alice.wait_message(await alice.slash("help"), timeout=DEADLINE_S)
    assert "/imagine" in str(text)


async def test_menus_are_filled_from_what_the_engine_offers(alice: Person) -> None:
    models = await alice.autocomplete("imagine", "model", "dem", prompt="x")
    assert [choice["value"] for choice in models] == ["demo"]  # not the one that only enlarges
    samplers = await alice.autocomplete("imagine", "sampler", "dpm", prompt="x")
    assert {"dpmpp_2m", "dpmpp_2m_sde"} <= {choice["value"] for choice in samplers}


async def test_a_picture_is_described_upscaled_extended_and_drawn_with_other_words(alice: Person) -> None:
    first = await posted(alice, QUICK)
    before = await picture(alice, first)
    larger = await alice.wait_message(await alice.press(first, "Upscale"), is_final, timeout=DEADLINE_S)
    assert (await picture(alice, larger)).size == (2 * before.width, 2 * before.height)
    wider = await alice.wait_message(await alice.press(first, "▶"), is_final, timeout=DEADLINE_S)
    assert (await picture(alice, wider)).width > before.width
    opened = await alice.wait(await alice.press(first, "Edit"), lambda seen: seen.modal is not None)
    sent = await alice.submit(opened, {"prompt": "a quick cat", "negative_prompt": ""})
    other = await alice.wait_message(sent, is_final, timeout=DEADLINE_S)
    assert "a quick cat" in other["content"]
    assert is_posted(other)
    data = await alice.download(first["attachments"][0]["url"])
    asked = await alice.slash("describe", files={"image": ("first.png", data)})
    told = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert re.search(r"\n> `\w+", told["content"])


async def test_with_words_a_picture_is_drawn_anew_four_times_as_large(alice: Person) -> None:
    small = {"image": ("small.png", png(Image.new("RGB", (64, 48), "navy")))}
    asked = await alice.slash("upscale", {"prompt": "a blue background"}, files=small)
    message = await alice.wait_message(asked, is_final, timeout=DEADLINE_S)
    assert is_posted(message), message["content"]
    assert "demo" in message["content"]
    large = await picture(alice, message)
    assert large.size == (256, 192)
    assert np.abs(np.asarray(large.convert("RGB")).mean(axis=(0, 1)) - (0, 0, 128)).max() < 12


async def test_only_what_is_white_in_a_mask_is_drawn_anew(alice: Person) -> None:
    navy, mask = Image.new("RGB", (128, 128), "navy"), Image.new("L", (128, 128), 0)
    mask.paste(255, (64, 0, 128, 128))
    message = await posted(alice, QUICK, image=("navy.png", png(navy)), mask=("mask.png", png(mask)))
    drawn = await picture(alice, message)
    assert drawn.size == (128, 128)
    assert drawn.crop((0, 0, 48, 128)).tobytes() == navy.crop((0, 0, 48, 128)).tobytes()
    assert drawn.crop((80, 0, 128, 128)).tobytes() != navy.crop((80, 0, 128, 128)).tobytes()


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
