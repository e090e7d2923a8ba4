"""How long the page takes to show a channel of 2,000 messages, and to show what is typed while others write.

A person notices a wait of a second before a page, and a tenth of one behind a key.
"""

import asyncio
import contextlib
import statistics
import sys
import time

from playwright.async_api import Browser, Page

from bot.playground.client import Person
from bot.playground.server import Playground
from tests.page.browser import DESKTOP, launched
from tests.page.chat import Chat
from tests.programs import NO_CHROMIUM, find_chromium

MESSAGES = 2000
TYPED = "a hamster with a brush, in oil, on canvas"
RENDER_S, KEY_S = 2.0, 0.1
# From the key until the frame after it was painted.
PAINTED = (
    "() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
)


async def main() -> int:
    path = find_chromium()
    if not path:
        sys.stdout.write(f"{NO_CHROMIUM}\n")
        return 1
    playground = Playground()
    base = await playground.start()
    async with launched(path) as browser, Person(base, user="bob") as bob:
        empty = await first_render(browser, base, newest="Welcome to")
        for number in range(MESSAGES):
            await bob.say(f"message number {number}, **with** some `marks` and <@{playground.state.bot.id}>")
        full = await first_render(browser, base, newest=f"message number {MESSAGES - 1},")
        quiet = await keys(browser, base)
        writing = asyncio.create_task(keep_writing(bob), name="somebody writes")
        busy = await keys(browser, base)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing  # raises where nobody wrote
    await playground.stop()
    sys.stdout.write(
        f"the page with {MESSAGES} messages: shown after {full:.2f} s (goal {RENDER_S:g} s; empty {empty:.2f} s); "
        f"a key is shown after p50 {1000 * statistics.median(quiet):.0f} ms, p99 {1000 * last(quiet):.0f} ms, "
        f"while up to 20 messages a second arrive p50 {1000 * statistics.median(busy):.0f} ms, "
        f"p99 {1000 * last(busy):.0f} ms (goal {1000 * KEY_S:g} ms)\n"
    )
    return 0 if full <= RENDER_S and max(last(quiet), last(busy)) <= KEY_S else 1


async def first_render(browser: Browser, base: str, newest: str) -> float:
    """Seconds from opening the page until this can be read and something can be typed."""
    page = await browser.new_page(viewport=DESKTOP)
    began = time.monotonic()
    await page.goto(base)
    await page.get_by_text(newest).last.wait_for()
    await Chat(page).composer.wait_for()
    took = time.monotonic() - began
    await page.close()
    return took


async def keys(browser: Browser, base: str) -> list[float]:
    """Seconds from each key until it is on the screen."""
    page = await browser.new_page(viewport=DESKTOP)
    await page.goto(base)
    await Chat(page).composer.focus()
    waits = [await key(page, letter) for letter in TYPED * 3]
    await page.close()
    return waits


async def key(page: Page, letter: str) -> float:
    began = time.monotonic()
    await page.keyboard.type(letter)
    await page.evaluate(PAINTED)
    return time.monotonic() - began


async def keep_writing(person: Person) -> None:
    while True:
        await person.say("meanwhile")
        await asyncio.sleep(0.05)


def last(waits: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(waits, n=100)[98]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
