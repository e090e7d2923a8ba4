"""Application commands: what the bot registered, globally or for the server, and the routes for it.

https://discord.com/developers/docs/interactions/application-commands
"""

from collections import defaultdict
from typing import Any

from bot.playground import errors, localizations
from bot.playground.bodies import read, without_nulls
from bot.playground.command_bodies import CommandBody
from bot.playground.command_rules import COMMANDS, check_commands
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Json, State

CREATES, DAY_S = 200, 24 * 3600.0  # of a scope; changes of known commands do not count


class Commands:
    """Keeps commands by id; the same name and type in the same scope keep theirs."""

    def __init__(self, *, state: State) -> None:
        self._state = state
        self._created: defaultdict[str | None, list[float]] = defaultdict(list)  # when, by scope

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
        settings = "/applications/{application}/guilds/{guild}/commands"
        return [
            Route("GET", f"{settings}/permissions", self._all_permissions),
            Route("GET", f"{settings}/{{command}}/permissions", self._permissions),
            Route("PUT", f"{settings}/{{command}}/permissions", self._set_permissions),
            *every,
        ]

    def _scope(self, call: Call) -> str | None:
        """The guild id, or None for global ones. Raises DiscordError for somebody else's."""
        if call.params["application"] != self._state.application_id:
            raise errors.missing_access()
        if "guild" not in call.params:
            return None
        guild = self._state.guilds.get(call.params["guild"])
        if not guild or self._state.bot not in guild:
            raise errors.missing_access()
        return guild.id

    def _in(self, guild: str | None) -> list[Json]:
        return [command for command in self._state.commands.values() if command.get("guild_id") == guild]

    def _list(self, call: Call) -> Answer:
        """Without translations, unless `with_localizations` asks for them."""
        found = self._in(self._scope(call))
        if call.query.get("with_localizations", "").lower() in ("1", "true"):
            return 200, found
        return 200, localizations.without(found)

    def _overwrite(self, call: Call) -> Answer:
        guild = self._scope(call)
        check_commands(read(list[CommandBody], call.body), bulk=True)
        before = self._in(guild)
        fresh = [self._full(command, guild) for command in call.body]
        self._count(guild, fresh)
        for command in before:
            del self._state.commands[command["id"]]
        for command in fresh:
            self._put(command)
        return 200, fresh

    def _create(self, call: Call) -> Answer:
        guild = self._scope(call)
        check_commands([read(CommandBody, call.body)], bulk=False)
        fresh = self._full(call.body, guild)
        known = fresh["id"] in self._state.commands
        others = [each for each in self._in(guild) if each["type"] == fresh["type"]]
        if not known and len(others) >= (limit := COMMANDS[fresh["type"]]):
            raise errors.too_many_commands(limit)
        self._count(guild, [fresh])
        self._put(fresh)
        return 200 if known else 201, fresh

    def _get(self, call: Call) -> Answer:
        return 200, self._find(call)

    def _edit(self, call: Call) -> Answer:
        before = self._find(call)
        if not isinstance(call.body, dict):
            read(CommandBody, call.body)
        merged = {**before, **call.body, "type": before["type"]}
        check_commands([read(CommandBody, merged)], bulk=False)
        fresh = self._full(merged, before.get("guild_id"))
        if fresh["id"] in self._state.commands and fresh["id"] != before["id"]:
            said = "Application command names must be unique"
            wrong = errors.FieldError(("name",), "APPLICATION_COMMANDS_DUPLICATE_NAME", said)
            raise errors.invalid_form([wrong])
        fresh["id"] = before["id"]
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

    def _all_permissions(self, call: Call) -> Answer:
        """What administrators set for single commands; those without settings are not listed."""
        guild = self._scope(call)
        found = [(here, id) for here, id in self._state.command_permissions if here == guild]
        return 200, [self._settings(*each) for each in found]

    def _permissions(self, call: Call) -> Answer:
        guild, id = self._scope(call), call.params["command"]
        if not guild or (guild, id) not in self._state.command_permissions:
            raise errors.unknown_command_permissions()
        return 200, self._settings(guild, id)

    def _set_permissions(self, call: Call) -> Answer:
        """It takes a person's token, which a bot has not."""
        self._scope(call)
        raise errors.not_for_bots()

    def _settings(self, guild: str, id: str) -> Json:
        settings = self._state.command_permissions[guild, id]
        application = self._state.application_id
        return {"id": id, "application_id": application, "guild_id": guild, "permissions": settings}

    def _count(self, guild: str | None, fresh: list[Json]) -> None:
        """Raises DiscordError 30034 for the 201st creation within a day."""
        now = self._state.clock.now()
        recent = [at for at in self._created[guild] if at > now - DAY_S]
        recent += [now for command in fresh if command["id"] not in self._state.commands]
        if len(recent) > CREATES:
            raise errors.too_many_creates(CREATES)
        self._created[guild] = recent

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
            "default_member_permissions": None if permissions is None else _permissions(str(permissions)),
            "dm_permission": sent.get("dm_permission") is not False,
            "nsfw": bool(sent.get("nsfw")),
            # both only for global commands: those of a server are of that server's installation
            "contexts": None if guild else sent.get("contexts"),
            "integration_types": [0] if guild else sent.get("integration_types") or [0, 1],
            "options": without_nulls(sent.get("options")) or [],
        }
        return command | ({"guild_id": guild} if guild else {})


def _permissions(sent: str) -> str:
    """Raises DiscordError 50035 for what is no number of permissions."""
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 20):
        said = f'Value "{sent}" is not a number of permissions.'
        wrong = errors.FieldError(("default_member_permissions",), "NUMBER_TYPE_COERCE", said)
        raise errors.invalid_form([wrong])
    return sent
