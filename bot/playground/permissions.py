"""What a role, an overwrite or a member may allow: Discord's permission flags, and the maths over them.

https://discord.com/developers/docs/topics/permissions
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Self

from bot.playground.errors import NotPossible


class Permissions(IntFlag):
    NONE = 0
    CREATE_INSTANT_INVITE = 1 << 0
    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_AUDIT_LOG = 1 << 7
    PRIORITY_SPEAKER = 1 << 8
    STREAM = 1 << 9
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    VIEW_GUILD_INSIGHTS = 1 << 19
    CONNECT = 1 << 20
    SPEAK = 1 << 21
    MUTE_MEMBERS = 1 << 22
    DEAFEN_MEMBERS = 1 << 23
    MOVE_MEMBERS = 1 << 24
    USE_VAD = 1 << 25
    CHANGE_NICKNAME = 1 << 26
    MANAGE_NICKNAMES = 1 << 27
    MANAGE_ROLES = 1 << 28
    MANAGE_WEBHOOKS = 1 << 29
    MANAGE_GUILD_EXPRESSIONS = 1 << 30
    USE_APPLICATION_COMMANDS = 1 << 31
    REQUEST_TO_SPEAK = 1 << 32
    MANAGE_EVENTS = 1 << 33
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    USE_EXTERNAL_STICKERS = 1 << 37
    SEND_MESSAGES_IN_THREADS = 1 << 38
    USE_EMBEDDED_ACTIVITIES = 1 << 39
    MODERATE_MEMBERS = 1 << 40
    VIEW_CREATOR_MONETIZATION_ANALYTICS = 1 << 41
    USE_SOUNDBOARD = 1 << 42
    CREATE_GUILD_EXPRESSIONS = 1 << 43
    CREATE_EVENTS = 1 << 44
    USE_EXTERNAL_SOUNDS = 1 << 45
    SEND_VOICE_MESSAGES = 1 << 46
    SET_VOICE_CHANNEL_STATUS = 1 << 48
    SEND_POLLS = 1 << 49
    USE_EXTERNAL_APPS = 1 << 50
    PIN_MESSAGES = 1 << 51
    BYPASS_SLOWMODE = 1 << 52

    @classmethod
    def named(cls, names: Iterable[str]) -> Self:
        """The flags with these names, in any case. Raises NotPossible for one that Discord does not know."""
        found = cls(0)
        for name in names:
            if name.upper() not in cls.__members__:
                raise NotPossible(f"There is no permission called {name!r}; an example is SEND_MESSAGES.")
            found |= cls[name.upper()]
        return found

    @property
    def text(self) -> str:
        """As Discord writes permissions: a decimal number in a string."""
        return str(int(self))


P = Permissions
NONE = P.NONE
ALL = P(sum(flag.value for flag in P))
EVERYONE = P(2248473465835073)  # what everybody may do in a new server
INSTALLED = P.MANAGE_CHANNELS | P.MANAGE_MESSAGES | P.MANAGE_ROLES | P.MANAGE_THREADS | P.PIN_MESSAGES
TALKING = P.MENTION_EVERYONE | P.SEND_TTS_MESSAGES | P.ATTACH_FILES | P.EMBED_LINKS  # nothing without sending
# What a message needs on top of sending: by the field of its body.
FIELDS = {
    "embeds": P.EMBED_LINKS,
    "attachments": P.ATTACH_FILES,
    "poll": P.SEND_POLLS,
    "tts": P.SEND_TTS_MESSAGES,
}
# Outside of servers nobody has roles; these are what two people may do in a conversation.
DIRECT = TALKING | P.VIEW_CHANNEL | P.SEND_MESSAGES | P.READ_MESSAGE_HISTORY | P.ADD_REACTIONS
DIRECT |= (
    P.PIN_MESSAGES | P.SEND_POLLS | P.USE_APPLICATION_COMMANDS | P.USE_EXTERNAL_EMOJIS | P.USE_EXTERNAL_APPS
)
# interactions/receiving-and-responding: `app_permissions` in direct messages of the bot, and in others
WITH_THE_BOT = P.ATTACH_FILES | P.EMBED_LINKS | P.MENTION_EVERYONE | P.USE_EXTERNAL_EMOJIS
WITHOUT_THE_BOT = P.ATTACH_FILES | P.EMBED_LINKS | P.MENTION_EVERYONE


class OverwriteType(IntEnum):
    ROLE = 0
    MEMBER = 1


@dataclass(frozen=True, kw_only=True)
class Overwrite:
    """What a channel allows and denies a role or a member, whose id it has."""

    id: str
    type: OverwriteType
    allow: Permissions = NONE
    deny: Permissions = NONE


def overwritten(base: Permissions, layers: Iterable[Iterable[Overwrite]]) -> Permissions:
    """Apply overwrites in layers: @everyone's, all roles' together, the member's. In a layer, to allow wins.

    topics/permissions#permission-overwrites
    """
    for layer in layers:
        allow, deny = NONE, NONE
        for overwrite in layer:
            allow |= overwrite.allow
            deny |= overwrite.deny
        base = base & ~deny | allow
    return base


def implied(found: Permissions, *, sending: Permissions) -> Permissions:
    """What is left where a denial implies more of them: without a view nothing, without `sending` no files.

    topics/permissions#implicit-permissions
    """
    if P.VIEW_CHANNEL not in found:
        return NONE
    return found if sending in found else found & ~TALKING
