"""Programs that are no Python packages: tests that need one run where it is there.

DARKROOM_REQUIRE names those that must be there, separated by commas, as in .ci/run: then their absence fails.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

DISCORD_JS = Path(__file__).parent / "playground" / "discord_js"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_CHROMIUM = "Chromium is not installed: apt-get install chromium"


def node() -> str:
    """The path of Node.js, with discord.js installed for it. Skips or fails without."""
    path = shutil.which("node")
    if not path:
        _missing("node", "Node.js 18 or newer is not installed: apt-get install nodejs npm")
    if not (DISCORD_JS / "node_modules" / "discord.js").exists():
        _missing("node", "discord.js is not installed: npm ci --prefix tests/playground/discord_js")
    return path


def chromium() -> str:
    """The path of Chromium. Skips or fails without."""
    return find_chromium() or _missing("chromium", NO_CHROMIUM)


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def _missing(program: str, how: str) -> NoReturn:
    if program in os.environ.get("DARKROOM_REQUIRE", "").split(","):
        pytest.fail(how)
    pytest.skip(how)
