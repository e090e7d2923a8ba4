"""Takes the pictures in this folder anew: `make screenshots`. The real bot and engine, and Chromium.

The demo model draws, as in `make try`.
"""

import asyncio
import io
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, expect

from bot.playground.client import Person
from bot.trial import Trial, is_final, start_trial
from tests.page.browser import DESKTOP, PHONE, launched
from tests.page.chat import Chat
from tests.programs import NO_CHROMIUM, find_chromium

FOLDER = Path(__file__).parent
LARGEST = 300 * 1024  # bytes of one picture
DRAWN_S = 120.0
QUIET = {"DARKROOM_LOG__LEVEL": "ERROR", "DARKROOM_DISCORD__EDIT_EVERY_S": "0.3"}


async def main() -> int:
    path = find_chromium()
    if not path:
        sys.stdout.write(f"{NO_CHROMIUM}\n")
        return 1
    with tempfile.TemporaryDirectory() as data:
        async with start_trial(data=Path(data), models=Path(data) / "models", environment=QUIET) as trial:
            await trial.ready()
            await talk(trial)
            async with launched(path) as browser:
                for take in (conversation, command, progress, developer, phone):
                    await shoot(trial, browser, take)
    return 0


async def talk(trial: Trial) -> None:
    """A conversation to look at."""
    async with Person(trial.playground.base, user="bob") as bob, Person(trial.playground.base) as alice:
        await bob.say("Has anybody tried the **new model** yet?")
        await alice.say("Let us see what it makes of a hamster.")
        await drawn(alice, {"prompt": "a hamster with a brush", "seed": 7, "count": 2})
        await bob.say("Ready to paint. My turn:")
        await drawn(bob, {"prompt": "a bird sitting on a tree branch in the countryside", "seed": 11})


async def drawn(person: Person, options: dict[str, object]) -> None:
    asked = await person.slash("imagine", options)
    await person.wait_message(asked, is_final, timeout=DRAWN_S)


async def shoot(trial: Trial, browser: Browser, take: Callable[[Chat], Awaitable[None]]) -> None:
    """One picture, named after what it shows."""
    small = take is phone
    context = await browser.new_context(
        viewport=PHONE if small else DESKTOP,
        has_touch=small,
        is_mobile=small,
        color_scheme="light" if take is command else "dark",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(trial.playground.base)
    chat = Chat(page)
    await expect(chat.messages.get_by_role("img").last).to_have_js_property("complete", True)
    await take(chat)
    await save(page, FOLDER / f"{take.__name__}.png")
    await context.close()


async def conversation(chat: Chat) -> None:
    await expect(chat.message("a bird sitting on a tree branch")).to_be_in_viewport()


async def command(chat: Chat) -> None:
    await chat.begin("imagine")
    await chat.page.keyboard.type("a hamster with a brush")
    await chat.add_option("steps", "30")
    await chat.add_option("size")
    await expect(chat.offers.get_by_role("option").first).to_be_visible()


async def progress(chat: Chat) -> None:
    await chat.begin("imagine")
    await chat.page.keyboard.type("a fox in the snow")
    await chat.add_option("steps", "100")
    await chat.send()
    half_way = re.compile(r"step [4-9]\d of")
    await expect(chat.message("a fox in the snow")).to_contain_text(half_way, timeout=1000 * DRAWN_S)


async def developer(chat: Chat) -> None:
    await chat.page.get_by_role("button", name="Developer panel").click()
    row = (
        chat.page.get_by_role("list", name="Traffic")
        .get_by_role("listitem")
        .filter(has_text="INTERACTION_CREATE")
    )
    await row.last.locator("summary").click()
    await row.last.scroll_into_view_if_needed()


async def phone(chat: Chat) -> None:
    await expect(chat.messages.last).to_be_in_viewport()


async def save(page: Page, path: Path) -> None:
    screenshot = await page.screenshot()
    size = await asyncio.to_thread(write, screenshot, path)
    sys.stdout.write(f"{path.name}: {size // 1024} KiB\n")
    if size > LARGEST:
        raise SystemExit(f"{path.name} may have at most {LARGEST // 1024} KiB.")


def write(screenshot: bytes, path: Path) -> int:
    """Keep it with a palette of 256 colours: text stays sharp, files small. Its size in bytes."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
