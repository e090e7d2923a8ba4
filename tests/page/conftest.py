"""The page, a playground, and the sample bot in it, all judged as everywhere."""

from tests.page.browser import browser, open_page
from tests.playground.conftest import (
    alice,
    api,
    ask,
    bob,
    bot,
    clock,
    commands,
    picture,
    playground,
    start_bot,
)
from tests.playground.judges import judges

__all__ = [
    "alice",
    "api",
    "ask",
    "bob",
    "bot",
    "browser",
    "clock",
    "commands",
    "judges",
    "open_page",
    "picture",
    "playground",
    "start_bot",
]
