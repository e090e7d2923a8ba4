"""The Discord client: what it asks of the gateway, and what it does before it connects."""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import discord
from discord import app_commands

from bot.catalogue import Catalogue
from bot.errors import Misconfigured
from bot.history.files import PictureFiles
from bot.history.store import History
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.ports import Engine
from bot.ui.answers import answer_error
from bot.ui.debounce import Debounce

log = logging.getLogger(__name__)

SYNCED = "commands_synced"
AnyCommand = app_commands.Command[Any, ..., Any]
AnyItem = type[discord.ui.DynamicItem[discord.ui.Item[Any]]]
OnForm = Callable[[discord.Interaction["Darkroom"]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The parts that commands and buttons work with."""

    dispatcher: Dispatcher
    history: History
    files: PictureFiles
    engine: Engine
    catalogue: Catalogue
    debounce: Debounce
    clock: Callable[[], datetime]


class Tree(app_commands.CommandTree["Darkroom"]):
    """The slash commands. What goes wrong in one is answered in words."""

    async def on_error(
        self, interaction: discord.Interaction["Darkroom"], error: app_commands.AppCommandError
    ) -> None:
        await answer_error(interaction, error)


class Darkroom(discord.Client):
    """One bot user. `desk` is set by the composition root before `start`.

    Slash commands need no privileged intent; `guilds` is what discord.py needs to know its servers.
    No message and no member is cached. Nothing in a message may ping anybody, since prompts are a
    stranger's text. `on_form` gets every form that is sent: views of earlier processes know none of theirs.
    """

    desk: Desk

    def __init__(
        self,
        *,
        commands: Sequence[AnyCommand],
        items: Sequence[AnyItem],
        sync_guilds: Sequence[int] = (),
        on_form: OnForm | None = None,
    ) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            max_ratelimit_timeout=30.0,  # seconds; longer waits become errors that delivery retries
        )
        self.tree = Tree(
            self,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
        )
        for command in commands:
            self.tree.add_command(command)
        self.commands = tuple(commands)
        self._items = items
        self._sync_guilds = sync_guilds
        self._on_form = on_form

    async def setup_hook(self) -> None:
        """After login, before the gateway: buttons of earlier processes work, and commands are in step."""
        self.add_dynamic_items(*self._items)
        await self.sync_commands()

    async def on_interaction(self, interaction: discord.Interaction["Darkroom"]) -> None:
        """discord.py calls this for every interaction; it takes care of commands and buttons itself."""
        if interaction.type is discord.InteractionType.modal_submit and self._on_form is not None:
            await self._on_form(interaction)

    async def sync_commands(self) -> bool:
        """Send the commands to Discord where they changed since they were last sent; True if they were.

        Discord allows 200 creations a day, so a restart alone must not send them.
        Raises Misconfigured where the bot is in none of the servers named in the settings.
        """
        digest = self._digest()
        if await self.desk.history.setting("bot", 0, SYNCED) == digest:
            return False
        if not self._sync_guilds:
            await self.tree.sync()
        for guild_id in self._sync_guilds:
            await self._sync_to(discord.Object(guild_id))
        await self.desk.history.set_setting("bot", 0, SYNCED, digest)
        log.info("the commands were sent to Discord")
        return True

    async def _sync_to(self, guild: discord.Object) -> None:
        self.tree.copy_global_to(guild=guild)
        try:
            await self.tree.sync(guild=guild)
        except discord.Forbidden:
            raise Misconfigured(
                f"discord.sync_guilds: the bot is not in the server {guild.id}, or was invited without the "
                "scope applications.commands."
            ) from None

    def _digest(self) -> str:
        """A hash of everything that decides what Discord was sent, the application included."""
        commands = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        sent = [self.application_id, sorted(self._sync_guilds), commands]
        return hashlib.sha256(json.dumps(sent, sort_keys=True, default=str).encode()).hexdigest()
