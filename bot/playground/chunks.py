"""GUILD_MEMBERS_CHUNK: the answer to a request for a server's members.

https://discord.com/developers/docs/events/gateway-events#request-guild-members
"""

from collections.abc import Iterator

from bot.playground import shapes
from bot.playground.guilds import Member
from bot.playground.intents import Intents
from bot.playground.payloads import RequestMembers
from bot.playground.state import Json, State

CHUNK = 1000  # members in one event
FOUND = 100  # members that a search by name gives at most
NONCE_BYTES = 32  # a longer one is ignored


def member_chunks(asked: RequestMembers, state: State, intents: Intents) -> Iterator[Json]:
    """The events. None where the bot is not in the server, or asks for all without the members intent."""
    guild = state.guilds.get(asked.guild)
    everybody = not asked.ids and not asked.query and not asked.limit
    if not guild or state.bot not in guild or (everybody and Intents.GUILD_MEMBERS not in intents):
        return
    if asked.ids:
        found = [guild.members[id] for id in asked.ids if id in guild.members]
    else:
        found = [each for each in guild.members.values() if _named(each, asked.query or "")]
        found = found if everybody else found[: min(asked.limit or FOUND, FOUND)]
    parts = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)] or [[]]
    echoed = asked.nonce is not None and len(asked.nonce.encode()) <= NONCE_BYTES
    for index, part in enumerate(parts):
        yield {
            "guild_id": guild.id,
            "members": [shapes.member(each) for each in part],
            "chunk_index": index,
            "chunk_count": len(parts),
            "not_found": [id for id in asked.ids if id not in guild.members],
            **({"presences": []} if asked.presences and Intents.GUILD_PRESENCES in intents else {}),
            **({"nonce": asked.nonce} if echoed else {}),
        }


def _named(member: Member, prefix: str) -> bool:
    return member.user.name.lower().startswith(prefix.lower())
