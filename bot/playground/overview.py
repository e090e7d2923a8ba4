"""Who and what there is, for whoever looks at the playground from outside: the page, tests, a terminal."""

from bot.playground import shapes
from bot.playground.guilds import Channel, Guild
from bot.playground.state import Json, State


def world(state: State, *, sessions: int) -> Json:
    """Servers with their roles and members, people, channels, installations. `sessions` are those of the bot."""
    return {
        "changes": state.changes.count,
        "now": state.clock.now(),
        "sessions": sessions,
        "application": shapes.user(state.bot),
        "guild_id": state.guild_id,
        "guilds": [_guild(guild, state) for guild in state.guilds.values()],
        "people": [_person(name, state) for name in state.people],
        "channels": [_channel(channel) for channel in state.channels.values()],
    }


def _guild(guild: Guild, state: State) -> Json:
    return {
        "id": guild.id,
        "name": guild.name,
        "owner": guild.owner.name,
        "bot": state.bot in guild,
        "roles": [shapes.role(role) for role in guild.roles.values()],
        "members": [
            {
                "name": member.user.name,
                "id": member.user.id,
                "bot": member.user.bot,
                "roles": [guild.roles[id].name for id in member.roles],
            }
            for member in guild.members.values()
        ],
    }


def _person(name: str, state: State) -> Json:
    person = state.people[name]
    installed, reachable = person.id in state.installs, person.id not in state.unreachable
    return {**shapes.user(person), "installed": installed, "direct_messages": reachable}


def _channel(channel: Channel) -> Json:
    """`seen_by` and `senders` are names: who sees it and who may write there, the bot included."""
    there = [each.user for each in channel.guild.members.values()] if channel.guild else channel.people
    seen = [user for user in there if channel.seen_by(user)]
    return {
        "id": channel.id,
        "name": channel.name,
        "type": int(channel.type),
        "nsfw": channel.age_restricted,
        "topic": channel.topic,
        "guild_id": channel.guild.id if channel.guild else None,
        "parent_id": channel.thread.parent.id if channel.thread else None,
        "archived": channel.thread.archived if channel.thread else False,
        "seen_by": [user.name for user in seen],
        "senders": [user.name for user in seen if channel.sending in channel.permissions(user)],
        "overwrites": shapes.channel(channel).get("permission_overwrites", []),
    }
