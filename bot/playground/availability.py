"""Which commands Discord's client offers to whom and where, and by whose installation they run.

https://discord.com/developers/docs/interactions/application-commands#contexts
"""

from bot.playground.guilds import Channel, User
from bot.playground.permissions import Permissions
from bot.playground.state import Json, State

GUILD_INSTALL, USER_INSTALL = 0, 1
IN_GUILD, WITH_THE_BOT, ELSEWHERE = 0, 1, 2  # contexts
ROLE, USER, CHANNEL = 1, 2, 3  # what a command permission is for


def registered(channel: Channel, state: State) -> dict[str, Json]:
    """The commands that exist here, by id: global ones, and those of this server."""
    here = (None, channel.guild.id if channel.guild else "")
    return {id: command for id, command in state.commands.items() if command.get("guild_id") in here}


def owners(command: Json | None, user: User, channel: Channel, state: State) -> dict[str, str]:
    """Who authorized the application here: {"0": server, "1": person}. "0" is "0" in direct messages with the bot.

    Where a command supports both installations and both are there, both are named. `command` is None for what
    came from an ordinary message of the bot.
    """
    supported = command["integration_types"] if command else [GUILD_INSTALL]
    found: dict[str, str] = {}
    if GUILD_INSTALL in supported and (place := _installed(user, channel, state)):
        found["0"] = place
    if USER_INSTALL in supported and user.id in state.installs and "guild_id" not in (command or {}):
        found["1"] = user.id
    return found


def _installed(user: User, channel: Channel, state: State) -> str | None:
    if channel.guild:
        return channel.guild.id if state.bot in channel.guild else None
    return "0" if state.bot in channel.people and state.shared(user) else None


def refusal(command: Json, user: User, channel: Channel, state: State) -> str | None:
    """Why the client does not offer this command here; None where it does."""
    name = command["name"]
    if command["nsfw"] and channel.guild and not channel.age_restricted:
        return f"{name} works only in age-restricted channels."
    by = owners(command, user, channel, state)
    if not by or not _in_context(command, channel, state):
        return f"{name} is not available in {channel.name}."
    # what a server's administrators decide is only about what they installed
    if channel.guild and "0" in by and not _permitted(command, user, channel, state):
        return f"{user.name} may not use {name} in {channel.name}."
    return None


def _in_context(command: Json, channel: Channel, state: State) -> bool:
    context = IN_GUILD if channel.guild else WITH_THE_BOT if state.bot in channel.people else ELSEWHERE
    if context != IN_GUILD and ("guild_id" in command or not command["dm_permission"]):
        return False
    return command["contexts"] is None or context in command["contexts"]


def _permitted(command: Json, user: User, channel: Channel, state: State) -> bool:
    """The permission to use commands here, then the server's own settings, then the command's default."""
    assert channel.guild  # only servers have such settings
    granted = channel.permissions(user)
    if Permissions.ADMINISTRATOR in granted:
        return True
    if Permissions.USE_APPLICATION_COMMANDS not in granted:
        return False
    settings = state.command_permissions.get((channel.guild.id, command["id"]), [])
    if not _channel_allowed(settings, channel):
        return False
    own = _member_allowed(settings, user, channel)
    if own is not None:
        return own
    default = command["default_member_permissions"]
    if default is None:
        return True
    wanted = Permissions(int(default))
    return bool(wanted) and wanted in granted  # "0" is for administrators only


def _channel_allowed(settings: list[Json], channel: Channel) -> bool:
    """This channel's setting, else that of all channels, whose id is the server's less one."""
    assert channel.guild
    place = channel.thread.parent.id if channel.thread else channel.id
    by_id = {each["id"]: each["permission"] for each in settings if each["type"] == CHANNEL}
    allowed: bool = by_id.get(place, by_id.get(str(int(channel.guild.id) - 1), True))
    return allowed


def _member_allowed(settings: list[Json], user: User, channel: Channel) -> bool | None:
    """The person's own setting, else their roles' (one that allows is enough), else everybody's, else None."""
    assert channel.guild
    roles = channel.guild.members[user.id].roles
    for kind, ids in ((USER, [user.id]), (ROLE, roles), (ROLE, [channel.guild.id])):
        found = [each["permission"] for each in settings if each["type"] == kind and each["id"] in ids]
        if found:
            return any(found)
    return None
