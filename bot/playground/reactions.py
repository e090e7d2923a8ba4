"""Reactions to messages: of the bot and of people.

https://discord.com/developers/docs/resources/message#create-reaction
"""

import unicodedata

from bot.playground import errors, shapes
from bot.playground.access import Access
from bot.playground.gateway import Publish
from bot.playground.guilds import Channel, User
from bot.playground.permissions import NONE, Permissions
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import Json, Message, State

KINDS = 20  # different emoji on one message
KEYCAP = "\u20e3"


class Reactions:
    """Who reacted with what. Only unicode emoji: no server here has its own."""

    def __init__(self, *, state: State, access: Access, publish: Publish) -> None:
        self._state = state
        self._access = access
        self._publish = publish

    def routes(self) -> list[Route]:
        every = "/channels/{channel}/messages/{message}/reactions"
        one = f"{every}/{{emoji}}"
        return [
            Route("PUT", f"{one}/@me", self._react),
            Route("DELETE", f"{one}/{{user}}", self._take_back),
            Route("GET", one, self._who),
            Route("DELETE", one, self._clear_emoji),
            Route("DELETE", every, self._clear),
        ]

    def add(self, channel: Channel, message: Message, user: User, emoji: str) -> None:
        """Does nothing for a second time. Raises DiscordError 10014, 30010."""
        if not _is_emoji(emoji):
            raise errors.unknown_emoji()
        if emoji not in message.reactions and len(message.reactions) >= KINDS:
            raise errors.too_many_reactions()
        who = message.reactions.setdefault(emoji, [])
        if user.id not in who:
            who.append(user.id)
            more: Json = {"message_author_id": message.author.id, "burst": False, "type": 0}
            if channel.guild:
                more["member"] = shapes.member(channel.guild.members[user.id])
            self._tell("ADD", channel, message, user_id=user.id, emoji=_shape(emoji), **more)

    def remove(self, channel: Channel, message: Message, user: User, emoji: str) -> None:
        """Raises DiscordError 10014 for an emoji that nobody used."""
        who = message.reactions.get(emoji)
        if who is None:
            raise errors.unknown_emoji()
        if user.id in who:
            who.remove(user.id)
            if not who:
                del message.reactions[emoji]
            more = {"burst": False, "type": 0}
            self._tell("REMOVE", channel, message, user_id=user.id, emoji=_shape(emoji), **more)

    def _tell(self, event: str, channel: Channel, message: Message, **more: object) -> None:
        """Write the reactions into the message, and tell the bot where it sees the channel."""
        message.body.pop("reactions", None)
        if message.reactions:
            message.body["reactions"] = counted(message, self._state.bot)
        self._state.changes.bump()
        place = {"channel_id": channel.id, "message_id": message.id}
        place |= {"guild_id": channel.guild.id} if channel.guild else {}
        if channel.seen_by(self._state.bot):
            self._publish(f"MESSAGE_REACTION_{event}", {**place, **more})

    def _react(self, call: Call) -> Answer:
        channel, message = self._access.message(call, Permissions.READ_MESSAGE_HISTORY)
        fresh = call.params["emoji"] not in message.reactions
        self._access.channel(call, Permissions.ADD_REACTIONS if fresh else NONE)
        if channel.thread and channel.thread.archived:
            raise errors.thread_archived()
        self.add(channel, message, self._state.bot, call.params["emoji"])
        return 204, None

    def _take_back(self, call: Call) -> Answer:
        """The bot's own (`@me`), or with the permission for it somebody else's."""
        wanted = call.params["user"].replace("@me", self._state.bot.id)
        needed = NONE if wanted == self._state.bot.id else Permissions.MANAGE_MESSAGES
        channel, message = self._access.message(call, needed)
        user = self._state.user(wanted)
        if not user:
            raise errors.unknown_user()
        self.remove(channel, message, user, call.params["emoji"])
        return 204, None

    def _who(self, call: Call) -> Answer:
        """Users, by `after` an id, at most `limit` (1 to 100, 25 without)."""
        _, message = self._access.message(call, Permissions.READ_MESSAGE_HISTORY)
        number = {}
        for name, default in (("limit", "25"), ("after", "0")):
            raw = call.query.get(name, default)
            if not (raw.isascii() and raw.isdigit() and len(raw) <= 20):
                said = f'Value "{raw}" is not a number.'
                raise errors.invalid_form([errors.FieldError((name,), "NUMBER_TYPE_COERCE", said)])
            number[name] = int(raw)
        if not 1 <= number["limit"] <= 100:
            said = "int value should be between 1 and 100."
            raise errors.invalid_form([errors.FieldError(("limit",), "NUMBER_TYPE_MAX", said)])
        ids = sorted(message.reactions.get(call.params["emoji"], []), key=int)
        users = [self._state.user(id) for id in ids if int(id) > number["after"]]
        return 200, [shapes.user(user) for user in users[: number["limit"]] if user]

    def _clear_emoji(self, call: Call) -> Answer:
        channel, message = self._access.message(call, Permissions.MANAGE_MESSAGES)
        emoji = call.params["emoji"]
        if message.reactions.pop(emoji, None) is None:
            raise errors.unknown_emoji()
        self._tell("REMOVE_EMOJI", channel, message, emoji=_shape(emoji))
        return 204, None

    def _clear(self, call: Call) -> Answer:
        channel, message = self._access.message(call, Permissions.MANAGE_MESSAGES)
        message.reactions.clear()
        self._tell("REMOVE_ALL", channel, message)
        return 204, None


def counted(message: Message, viewer: User) -> list[Json]:
    """The reactions as a message shows them to `viewer`: `me` is whether they reacted themselves."""
    return [
        {
            "emoji": _shape(emoji),
            "count": len(who),
            "count_details": {"burst": 0, "normal": len(who)},
            "burst_colors": [],
            "me": viewer.id in who,
            "me_burst": False,
        }
        for emoji, who in message.reactions.items()
    ]


def _is_emoji(text: str) -> bool:
    """Symbols, flags and keycaps, with what joins and colours them."""
    symbols = any(unicodedata.category(each) == "So" or each == KEYCAP for each in text)
    return symbols and len(text) <= 32 and not any(each.isalpha() for each in text)


def _shape(emoji: str) -> Json:
    return {"id": None, "name": emoji}
