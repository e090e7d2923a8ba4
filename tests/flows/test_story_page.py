"""The whole story in a browser: the page in Chromium, the real bot and the real engine."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from bot.trial import Trial
from tests.flows.conftest import DEADLINE_S
from tests.page.chat import Chat

pytestmark = pytest.mark.flow

DRAWN_MS = 1000 * DEADLINE_S
STEP = re.compile(r"step (\d+)")


async def test_from_opening_the_page_to_a_picture_and_on_from_there(
    trial: Trial, open_page: Callable[..., Awaitable[Page]], tmp_path: Path
) -> None:
    navy = tmp_path / "navy.png"
    Image.new("RGB", (300, 200), "navy").save(navy)
    chat = Chat(await open_page(trial.playground.base))

    await chat.begin("imagine")
    await chat.page.keyboard.type("a hamster with a brush")
    await chat.add_option("steps", "40")
    await chat.add_option("seed", "7")
    await chat.add_option("size")
    await chat.pick("landscape 320x224")
    await chat.add_option("strength", "0.9")
    await chat.add_option("image")
    await chat.attach("image", navy)
    await chat.send()

    drawing = chat.messages.last
    await expect(drawing).to_contain_text(STEP, timeout=DRAWN_MS)
    first = await drawing.inner_text()
    await expect(drawing).not_to_have_text(first, use_inner_text=True, timeout=DRAWN_MS)
    again = drawing.get_by_role("button", name="Again")
    await expect(again).to_be_visible(timeout=DRAWN_MS)
    await shows_a_picture(chat, "a hamster with a brush")
    await expect(drawing).to_contain_text("seed 7")

    await again.click()
    await expect(chat.messages.get_by_role("button", name="Again")).to_have_count(2, timeout=DRAWN_MS)
    await shows_a_picture(chat, "a hamster with a brush")

    await chat.begin("imagine")
    await chat.page.keyboard.type("a slow hamster")
    await chat.add_option("steps", "150")
    await chat.send()
    slow = chat.messages.last
    await expect(slow).to_contain_text(STEP, timeout=DRAWN_MS)
    await slow.get_by_role("button", name="Cancel").click()
    await expect(slow).to_contain_text("ancelled", timeout=DRAWN_MS)
    await expect(slow.get_by_role("button", name="Cancel")).to_have_count(0)

    before = await chat.texts()
    await chat.page.reload()
    await expect(chat.messages).to_have_count(len(before))
    assert await chat.texts() == before
    await shows_a_picture(chat, "a hamster with a brush")


async def shows_a_picture(chat: Chat, alternative: str) -> None:
    """The newest picture is there and not only its frame, and is described."""
    picture = chat.messages.get_by_role("img", name=alternative).last
    await expect(picture).to_be_visible(timeout=DRAWN_MS)
    await expect(picture).to_have_js_property("complete", True, timeout=DRAWN_MS)
    assert await picture.evaluate("image => image.naturalWidth") > 0
