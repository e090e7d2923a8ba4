"""Gateway intents: which events a session asked for, and what it may read in them.

https://discord.com/developers/docs/events/gateway#gateway-intents
"""

from collections.abc import Mapping
from enum import IntFlag

from bot.playground.state import Json


class Intents(IntFlag):
    NONE = 0  # an event that everybody gets
    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MODERATION = 1 << 2
    GUILD_EXPRESSIONS = 1 << 3
    GUILD_INTEGRATIONS = 1 << 4
    GUILD_WEBHOOKS = 1 << 5
    GUILD_INVITES = 1 << 6
    GUILD_VOICE_STATES = 1 << 7
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15
    GUILD_SCHEDULED_EVENTS = 1 << 16
    AUTO_MODERATION_CONFIGURATION = 1 << 20
    AUTO_MODERATION_EXECUTION = 1 << 21
    GUILD_MESSAGE_POLLS = 1 << 24
    DIRECT_MESSAGE_POLLS = 1 << 25


EVERY = Intents(sum(each.value for each in Intents))
PRIVILEGED = Intents.GUILD_MEMBERS | Intents.GUILD_PRESENCES | Intents.MESSAGE_CONTENT
CONTENT: Json = {"content": "", "embeds": [], "attachments": [], "components": []}  # what the last one hides

_MESSAGES = "MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK"
_REACTIONS = (
    "MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE MESSAGE_REACTION_REMOVE_ALL MESSAGE_REACTION_REMOVE_EMOJI"
)
_VOTES = "MESSAGE_POLL_VOTE_ADD MESSAGE_POLL_VOTE_REMOVE"


def _table(events: Mapping[Intents, str]) -> dict[str, Intents]:
    return {name: intent for intent, names in events.items() for name in names.split()}


IN_GUILDS = _table(
    {
        Intents.GUILDS: (
            "GUILD_CREATE GUILD_UPDATE GUILD_DELETE GUILD_ROLE_CREATE GUILD_ROLE_UPDATE GUILD_ROLE_DELETE "
            "CHANNEL_CREATE CHANNEL_UPDATE CHANNEL_DELETE CHANNEL_PINS_UPDATE THREAD_CREATE THREAD_UPDATE "
            "THREAD_DELETE THREAD_LIST_SYNC THREAD_MEMBER_UPDATE THREAD_MEMBERS_UPDATE"
        ),
        Intents.GUILD_MEMBERS: "GUILD_MEMBER_ADD GUILD_MEMBER_UPDATE GUILD_MEMBER_REMOVE",
        Intents.GUILD_MODERATION: "GUILD_AUDIT_LOG_ENTRY_CREATE GUILD_BAN_ADD GUILD_BAN_REMOVE",
        Intents.GUILD_EXPRESSIONS: "GUILD_EMOJIS_UPDATE GUILD_STICKERS_UPDATE",
        Intents.GUILD_INTEGRATIONS: "INTEGRATION_CREATE INTEGRATION_UPDATE INTEGRATION_DELETE",
        Intents.GUILD_WEBHOOKS: "WEBHOOKS_UPDATE",
        Intents.GUILD_INVITES: "INVITE_CREATE INVITE_DELETE",
        Intents.GUILD_VOICE_STATES: "VOICE_STATE_UPDATE",
        Intents.GUILD_PRESENCES: "PRESENCE_UPDATE",
        Intents.GUILD_MESSAGES: _MESSAGES,
        Intents.GUILD_MESSAGE_REACTIONS: _REACTIONS,
        Intents.GUILD_MESSAGE_TYPING: "TYPING_START",
        Intents.GUILD_MESSAGE_POLLS: _VOTES,
    }
)
DIRECT = _table(
    {
        Intents.DIRECT_MESSAGES: f"{_MESSAGES} CHANNEL_PINS_UPDATE",
        Intents.DIRECT_MESSAGE_REACTIONS: _REACTIONS,
        Intents.DIRECT_MESSAGE_TYPING: "TYPING_START",
        Intents.DIRECT_MESSAGE_POLLS: _VOTES,
    }
)


def needed(event: str, data: Json, *, bot_id: str) -> Intents:
    """The intent without which a session does not get this event; NONE where everybody does.

    An event about messages without a `guild_id` is about direct ones. The bot always hears of its own member.
    """
    if event == "GUILD_MEMBER_UPDATE" and data["user"]["id"] == bot_id:
        return Intents.NONE
    direct = event in DIRECT and "guild_id" not in data
    return (DIRECT if direct else IN_GUILDS).get(event, Intents.NONE)
