"""Application commands: what the bot registered, globally or for the server, and the routes for it.

https://discord.com/developers/docs/interactions/application-commands
"""

from typing import Any

from bot.playground import errors, rules
from bot.playground.bodies import CommandBody, read
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Json, State


class Commands:
    """Keeps commands by id; the same name and type in the same scope keep theirs."""

    def __init__(self, *, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        every = []
        for scope in ("/applications/{application}", "/applications/{application}/guilds/{guild}"):
            one = f"{scope}/commands/{{command}}"
            every += [
                Route("GET", f"{scope}/commands", self._list),
                Route("PUT", f"{scope}/commands", self._overwrite),
                Route("POST", f"{scope}/commands", self._create),
                Route("GET", one, self._get),
                Route("PATCH", one, self._edit),
                Route("DELETE", one, self._delete),
            ]
        return every

    def _scope(self, call: Call) -> str | None:
        """The guild id, or None for global ones. Raises DiscordError for somebody else's."""
        if call.params["application"] != self._state.application_id:
            raise errors.DiscordError(403, 50001, "Missing Access")
        guild = call.params.get("guild")
        if guild not in (None, self._state.guild_id):
            raise errors.DiscordError(403, 50001, "Missing Access")
        return guild

    def _in(self, guild: str | None) -> list[Json]:
        return [command for command in self._state.commands.values() if command.get("guild_id") == guild]

    def _list(self, call: Call) -> Answer:
        return 200, self._in(self._scope(call))

    def _overwrite(self, call: Call) -> Answer:
        guild = self._scope(call)
        rules.check_commands(read(list[CommandBody], call.body), bulk=True)
        before = self._in(guild)
        fresh = [self._full(command, guild) for command in call.body]
        for command in before:
            del self._state.commands[command["id"]]
        for command in fresh:
            self._put(command)
        return 200, fresh

    def _create(self, call: Call) -> Answer:
        guild = self._scope(call)
        rules.check_commands([read(CommandBody, call.body)], bulk=False)
        fresh = self._full(call.body, guild)
        known = fresh["id"] in self._state.commands
        self._put(fresh)
        return 200 if known else 201, fresh

    def _get(self, call: Call) -> Answer:
        return 200, self._find(call)

    def _edit(self, call: Call) -> Answer:
        before = self._find(call)
        if not isinstance(call.body, dict):
            read(CommandBody, call.body)
        merged = {**before, **call.body, "type": before["type"]}
        rules.check_commands([read(CommandBody, merged)], bulk=False)
        fresh = {**self._full(merged, before.get("guild_id")), "id": before["id"]}
        self._put(fresh)
        return 200, fresh

    def _delete(self, call: Call) -> Answer:
        del self._state.commands[self._find(call)["id"]]
        self._state.changes.bump()
        return 204, None

    def _find(self, call: Call) -> Json:
        guild = self._scope(call)
        command = self._state.commands.get(call.params["command"])
        if not command or command.get("guild_id") != guild:
            raise errors.unknown_command()
        return command

    def _put(self, command: Json) -> None:
        self._state.commands[command["id"]] = command
        self._state.changes.bump()

    def _full(self, sent: Json, guild: str | None) -> Json:
        """A command as Discord answers it, from a body that was checked."""
        kind = sent.get("type") or 1
        same = [old for old in self._in(guild) if (old["type"], old["name"]) == (kind, sent["name"])]
        permissions: Any = sent.get("default_member_permissions")
        command: Json = {
            "id": same[0]["id"] if same else self._state.snowflakes.next(),
            "application_id": self._state.application_id,
            "version": self._state.snowflakes.next(),
            "type": kind,
            "name": sent["name"],
            "name_localizations": sent.get("name_localizations"),
            "description": sent.get("description") or "",
            "description_localizations": sent.get("description_localizations"),
            "default_member_permissions": None if permissions is None else str(permissions),
            "dm_permission": sent.get("dm_permission") is not False,
            "nsfw": bool(sent.get("nsfw")),
            "contexts": sent.get("contexts"),
            "integration_types": sent.get("integration_types") or [0],
            "options": sent.get("options") or [],
        }
        return command | ({"guild_id": guild} if guild else {})
