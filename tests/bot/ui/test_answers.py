"""What becomes of a command that is under way when the bot stops."""

import logging
from typing import Any

import aiohttp
import pytest
from discord import app_commands

from bot.errors import Refused
from bot.ui.answers import answer_error


class Unanswerable:
    """An interaction whose connection to Discord is closed."""

    command = None

    @property
    def response(self) -> Any:
        raise RuntimeError("Session is closed")


@app_commands.command(name="imagine")
async def imagine(_: Any) -> None:
    """Draw."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Session is closed"),
        aiohttp.ClientConnectionError("Connector is closed"),
        app_commands.CommandInvokeError(imagine, RuntimeError("Session is closed")),
    ],
)
async def test_a_command_that_the_end_of_the_bot_cuts_off_is_one_line_in_the_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    interaction: Any = Unanswerable()
    with caplog.at_level(logging.WARNING):
        await answer_error(interaction, error)
    assert [(record.message, record.exc_info) for record in caplog.records] == [
        ("an interaction was not answered, since the bot is stopping", None)
    ]


async def test_a_refusal_that_comes_too_late_to_be_shown_is_one_line_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    interaction: Any = Unanswerable()
    with caplog.at_level(logging.WARNING):
        await answer_error(interaction, Refused("You already have 3 pictures waiting."))
    assert [record.message for record in caplog.records] == [
        "a refusal could not be shown: Session is closed"
    ]
