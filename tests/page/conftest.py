"""The page, a playground, and the sample bot in it, all judged as everywhere."""

from tests.page.browser import browser, open_page
from tests.playground.conftest import alice, bob, bot, clock, picture, playground, start_bot
from tests.playground.judges import judges

__all__ = [
    "alice",
    "bob",
    "bot",
    "browser",
    "clock",
    "judges",
    "open_page",
    "picture",
    "playground",
    "start_bot",
]
