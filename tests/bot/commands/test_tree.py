"""All commands at once: what Discord demands of them, and that docs/commands.md tells the truth."""

import re
from pathlib import Path

import discord
import pytest
from discord import app_commands

from bot.__main__ import COMMANDS
from bot.client import AnyCommand, Darkroom
from bot.ui.buttons import result_view, waiting_view
from engine.wire import MAX_COUNT, MAX_GUIDANCE, MAX_PROMPT_CHARS, MAX_SEED, MAX_STEPS, Task
from tests.bot.samples import job

DOCUMENT = Path(__file__).parents[3] / "docs" / "commands.md"


@pytest.fixture
async def client() -> Darkroom:
    return Darkroom(commands=COMMANDS, items=())


def test_names_are_unique_and_legal() -> None:
    names = [command.qualified_name for command in COMMANDS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_-]{1,32}", name) for name in names)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_everything_is_described_in_at_most_a_hundred_characters(command: AnyCommand) -> None:
    described = [command.description, *(str(option.description) for option in command.parameters)]
    assert all(3 < len(text) <= 100 for text in described)  # discord.py puts "…" where there is none
    assert len(command.parameters) <= 25


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
async def test_every_command_works_in_servers_in_private_and_by_user_install(
    command: AnyCommand, client: Darkroom
) -> None:
    sent = command.to_dict(client.tree)
    assert sent["integration_types"] == [0, 1]
    assert sent["contexts"] == [0, 1, 2]


def test_the_clients_limits_are_the_contracts() -> None:
    imagine = next(command for command in COMMANDS if command.name == "imagine")
    ranges = {option.name: (option.min_value, option.max_value) for option in imagine.parameters}
    assert ranges["prompt"] == (1, MAX_PROMPT_CHARS)
    assert ranges["steps"] == (1, MAX_STEPS)
    assert ranges["count"] == (1, MAX_COUNT)
    assert ranges["seed"] == (0, MAX_SEED)
    assert ranges["guidance"] == (0, MAX_GUIDANCE)
    assert ranges["strength"] == (0.05, 1)


async def test_the_client_asks_for_no_privileged_intent_and_pings_nobody(client: Darkroom) -> None:
    assert client.intents == discord.Intents(guilds=True)
    assert client.allowed_mentions is not None
    assert client.allowed_mentions.to_dict() == discord.AllowedMentions.none().to_dict()
    assert isinstance(client.tree, app_commands.CommandTree)


def test_the_document_lists_every_command_with_every_option_in_order() -> None:
    sections = re.split(r"^## ", DOCUMENT.read_text(), flags=re.MULTILINE)
    documented = {
        section.split("\n", 1)[0].removeprefix("/"): re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
        for section in sections
        if section.startswith("/")
    }
    assert documented == {
        command.name: [option.name for option in command.parameters] for command in COMMANDS
    }


async def test_the_document_lists_every_button() -> None:
    section = DOCUMENT.read_text().split("## Buttons")[1]
    documented = set(re.findall(r"^\| \*\*([^*]+)\*\*", section, re.MULTILINE))
    described = result_view(job(task=Task.DESCRIBE))
    views = [waiting_view(job()), result_view(job()), result_view(job(count=MAX_COUNT)), described]
    labels = {
        button["label"] for view in views for row in view.to_components() for button in row["components"]
    }
    several = {f"{letter}{number}" for letter in "VU" for number in (2, 3, 4)}
    assert documented | several == labels | {"Newer", "Older"}
