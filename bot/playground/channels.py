"""Channel routes: reading, changing and deleting channels, overwrites, and opening direct messages.

https://discord.com/developers/docs/resources/channel
"""

from typing import Annotated

from pydantic import Field

from bot.playground import errors, shapes
from bot.playground.access import Access
from bot.playground.bodies import Body, Snowflake, read, up_to
from bot.playground.guilds import Channel, Guild
from bot.playground.permissions import Overwrite, OverwriteType, Permissions
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import State
from bot.playground.threads import Threads
from bot.playground.world import World


class ChannelBody(Body):
    """Changes of a text channel."""

    name: Annotated[str, up_to(100, at_least=1)] | None = None
    topic: Annotated[str, up_to(1024)] | None = None
    nsfw: bool | None = None


class OverwriteBody(Body):
    type: Annotated[int, Field(ge=0, le=1)]
    allow: Snowflake | None = None
    deny: Snowflake | None = None


class Channels:
    """What the bot may do with channels themselves."""

    def __init__(self, *, state: State, access: Access, world: World, threads: Threads) -> None:
        self._state = state
        self._access = access
        self._world = world
        self._threads = threads

    def routes(self) -> list[Route]:
        one, overwrite = "/channels/{channel}", "/channels/{channel}/permissions/{overwrite}"
        return [
            Route("GET", one, self._get),
            Route("PATCH", one, self._edit),
            Route("DELETE", one, self._delete),
            Route("PUT", overwrite, self._set_overwrite),
            Route("DELETE", overwrite, self._remove_overwrite),
            Route("POST", f"{one}/typing", self._typing),
            Route("POST", "/users/@me/channels", self._open_dm),
        ]

    def _get(self, call: Call) -> Answer:
        return 200, shapes.channel(self._access.channel(call))

    def _edit(self, call: Call) -> Answer:
        channel = self._access.channel(call)
        if channel.thread:
            return 200, shapes.channel(self._threads.edit(channel, call.body))
        self._in_server(channel)
        self._access.channel(call, Permissions.MANAGE_CHANNELS)
        changes = read(ChannelBody, call.body).model_dump(exclude_unset=True)
        kept = {name: value for name, value in changes.items() if value is not None or name == "topic"}
        return 200, shapes.channel(self._world.change_channel(channel, **kept))

    def _delete(self, call: Call) -> Answer:
        """Direct messages are only closed: they are there again with the next one."""
        channel = self._access.channel(call)
        if not channel.guild:
            return 200, shapes.channel(channel)
        needed = Permissions.MANAGE_THREADS if channel.thread else Permissions.MANAGE_CHANNELS
        self._access.channel(call, needed)
        shape = shapes.channel(channel)
        self._world.delete_channel(channel)
        return 200, shape

    def _set_overwrite(self, call: Call) -> Answer:
        """Only what the bot itself may do here can be allowed or denied."""
        channel = self._access.channel(call, Permissions.MANAGE_ROLES)
        guild = self._in_server(channel)
        body = read(OverwriteBody, call.body)
        id = call.params["overwrite"]
        known = guild.roles if body.type == OverwriteType.ROLE else guild.members
        if id not in known:
            raise errors.unknown_overwrite()
        allow, deny = _flags("allow", body.allow), _flags("deny", body.deny)
        if (allow | deny) not in channel.permissions(self._state.bot):
            raise errors.missing_permissions()
        overwrite = Overwrite(id=id, type=OverwriteType(body.type), allow=allow, deny=deny)
        self._world.set_overwrite(channel, overwrite)
        return 204, None

    def _remove_overwrite(self, call: Call) -> Answer:
        channel = self._access.channel(call, Permissions.MANAGE_ROLES)
        if call.params["overwrite"] not in channel.overwrites:
            raise errors.unknown_overwrite()
        self._world.set_overwrite(channel, Overwrite(id=call.params["overwrite"], type=OverwriteType.ROLE))
        return 204, None

    def _typing(self, call: Call) -> Answer:
        channel = self._access.channel(call)
        self._access.channel(call, channel.sending)
        return 204, None

    def _open_dm(self, call: Call) -> Answer:
        """A person's direct messages with the bot; they always exist."""
        wanted = str(call.body.get("recipient_id")) if isinstance(call.body, dict) else ""
        for channel in self._state.channels.values():
            if self._state.bot in channel.people and channel.recipient and channel.recipient.id == wanted:
                return 200, shapes.channel(channel)
        said = f'Value "{wanted}" is not a known user.'
        raise errors.invalid_form([errors.FieldError(("recipient_id",), "NUMBER_TYPE_COERCE", said)])

    def _in_server(self, channel: Channel) -> Guild:
        if not channel.guild:
            raise errors.not_in_direct_messages()
        return channel.guild


def _flags(name: str, sent: str | None) -> Permissions:
    """Permissions come as a decimal number in a string. Raises DiscordError 50035."""
    if sent is None:
        return Permissions.NONE
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 20):
        said = f'Value "{sent}" is not a number of permissions.'
        raise errors.invalid_form([errors.FieldError((name,), "NUMBER_TYPE_COERCE", said)])
    return Permissions(int(sent))
