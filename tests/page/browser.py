"""The page in the Chromium of this machine, driven by Playwright, by what a person can see and reach.

A page that complains fails its test: errors in its console, requests that fail, anything asked from elsewhere.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, ViewportSize, async_playwright

from tests.programs import chromium

# What Chromium would otherwise do on its own: look for a GPU, for updates, and for its maker's servers.
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
)
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 780}
DEADLINE_MS = 15_000

OpenPage = Callable[..., Awaitable[Page]]


@asynccontextmanager
async def launched(path: str) -> AsyncIterator[Browser]:
    """The Chromium at this path, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with launched(chromium()) as browser:
        yield browser


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Opens `base`, as a person on a desk or on a phone, who likes it dark or light."""
    complaints: list[str] = []

    async def open_page(base: str, *, place: str = "", phone: bool = False, scheme: str = "dark") -> Page:
        context = await browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            has_touch=phone,
            is_mobile=phone,
            color_scheme="light" if scheme == "light" else "dark",
            reduced_motion="reduce",
        )
        context.set_default_timeout(DEADLINE_MS)
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base)
        page = await context.new_page()
        _listen(page, urlsplit(base).netloc, complaints)
        await page.goto(f"{base}/{place}")
        return page

    yield open_page
    if complaints:
        pytest.fail("The page complained:\n" + "\n".join(complaints))


def _listen(page: Page, home: str, complaints: list[str]) -> None:
    def on_console(message: ConsoleMessage) -> None:
        # A refusal is an answer with status 422, which the console lists as an error of the network.
        if message.type in ("error", "warning") and "status of 422" not in message.text:
            complaints.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != home:
            complaints.append(f"asked elsewhere: {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", on_request)
