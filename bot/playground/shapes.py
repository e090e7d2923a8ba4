"""People, channels, servers and the application in the JSON that Discord sends for them.

The fields are those that Discord's OpenAPI file and the client libraries insist on.
"""

from typing import Any

from bot.playground.guilds import Channel, ChannelType, Guild, Member, Role, Thread, User
from bot.playground.permissions import WITH_THE_BOT, WITHOUT_THE_BOT, Overwrite, Permissions
from bot.playground.state import FILE_LIMIT, Interaction, Json, State

APPLICATION_FLAGS = 1 << 23  # APPLICATION_COMMAND_BADGE: has at least one global command


def nulls(names: str) -> Json:
    return dict.fromkeys(names.split())


def user(person: User) -> Json:
    return {
        "id": person.id,
        "username": person.name,
        "global_name": None if person.bot else person.name.title(),
        "discriminator": "0",
        "bot": person.bot,
        "public_flags": 0,
        "flags": 0,
        **nulls("avatar banner accent_color primary_guild avatar_decoration_data collectibles"),
    }


def own_user(state: State) -> Json:
    """The bot as it sees itself: GET /users/@me and READY."""
    return {**user(state.bot), "verified": True, "mfa_enabled": True, "email": None, "locale": "en-US"}


def member(who: Member, **extra: Any) -> Json:
    return {"user": user(who.user), "deaf": False, "mute": False, **partial_member(who), **extra}


def partial_member(who: Member) -> Json:
    """A member without its user, as in the resolved objects of an interaction."""
    return {
        "roles": list(who.roles),
        "joined_at": who.joined_at,
        "pending": False,
        "flags": 0,
        **nulls(
            "nick avatar banner premium_since communication_disabled_until avatar_decoration_data collectibles"
        ),
    }


def channel(place: Channel) -> Json:
    shape: Json = {
        "id": place.id,
        "type": int(place.type),
        "last_message_id": None,
        "last_pin_timestamp": max(place.pinned.values(), default=None),
        "flags": 0,
    }
    if place.thread and place.guild:
        return shape | {"guild_id": place.guild.id, "name": place.name} | _thread(place.thread)
    if place.guild:
        return shape | {
            "guild_id": place.guild.id,
            "name": place.name,
            "topic": place.topic,
            "position": 0,
            "nsfw": place.nsfw,
            "permission_overwrites": [_overwrite(each) for each in place.overwrites.values()],
            "rate_limit_per_user": 0,
            "parent_id": None,
        }
    shape["recipients"] = [user(person) for person in place.people if not person.bot]
    if place.type is ChannelType.GROUP_DM:
        shape |= {"name": place.name, "icon": None, "owner_id": place.people[0].id}
    return shape


def _overwrite(each: Overwrite) -> Json:
    return {"id": each.id, "type": int(each.type), "allow": each.allow.text, "deny": each.deny.text}


def _thread(thread: Thread) -> Json:
    return {
        "parent_id": thread.parent.id,
        "owner_id": thread.owner.id,
        "rate_limit_per_user": 0,
        "message_count": thread.sent,
        "total_message_sent": thread.sent,
        "member_count": min(len(thread.members), 50),  # it stops counting at 50
        "thread_metadata": {
            "archived": thread.archived,
            "archive_timestamp": thread.changed_at,
            "auto_archive_duration": thread.archive_after,
            "locked": thread.locked,
            "create_timestamp": thread.created_at,
            **({"invitable": thread.invitable} if thread.private else {}),
        },
    }


def thread_member(place: Channel, user_id: str) -> Json:
    assert place.thread  # only threads have members of their own
    joined = place.thread.members[user_id]
    return {"id": place.id, "user_id": user_id, "join_timestamp": joined, "flags": 0}


def role(each: Role) -> Json:
    return {
        "id": each.id,
        "name": each.name,
        "permissions": each.permissions.text,
        "position": each.position,
        "color": each.color,
        "colors": {"primary_color": each.color, **nulls("secondary_color tertiary_color")},
        "hoist": False,
        "managed": each.bot is not None,
        "mentionable": False,
        "flags": 0,
        **({"tags": {"bot_id": each.bot.id}} if each.bot else {}),
        **nulls("icon unicode_emoji"),
    }


def guild(server: Guild) -> Json:
    zero = (
        "verification_level explicit_content_filter mfa_level system_channel_flags premium_tier nsfw_level "
        "premium_subscription_count default_message_notifications"
    )
    null = (
        "icon splash discovery_splash afk_channel_id application_id system_channel_id rules_channel_id "
        "vanity_url_code description banner public_updates_channel_id safety_alerts_channel_id home_header "
        "max_presences widget_channel_id hub_type incidents_data"
    )
    return {
        "id": server.id,
        "name": server.name,
        "owner_id": server.owner.id,
        "roles": [role(each) for each in server.roles.values()],
        "emojis": [],
        "features": [],
        "stickers": [],
        "preferred_locale": "en-US",
        "region": "local",
        "afk_timeout": 300,
        "max_members": 500_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "widget_enabled": False,
        **dict.fromkeys(zero.split(), 0),
        **nulls(null),
    }


def guild_create(server: Guild, state: State, *, joined: bool = False) -> Json:
    """The event, with all members: the gateway leaves out those that a session may not see.

    `joined`: the bot is new there; otherwise it hears of a server that it knows, after READY or an outage.
    """
    lists = "voice_states presences stage_instances guild_scheduled_events soundboard_sounds"
    places = [place for place in state.channels.values() if place.guild is server]
    open_threads = [each for each in places if each.thread and not each.thread.archived]
    return {
        **guild(server),
        "joined_at": server.members[state.bot.id].joined_at,
        "large": False,
        **({} if joined else {"unavailable": False}),
        "member_count": len(server.members),
        "channels": [channel(place) for place in places if not place.thread],
        "threads": [channel(place) for place in open_threads if place.seen_by(state.bot)],
        "members": [member(each) for each in server.members.values()],
        **{name: [] for name in lists.split()},
    }


def application(state: State) -> Json:
    return {
        "id": state.application_id,
        "name": state.bot.name,
        "description": "",
        "summary": "",
        "bot": user(state.bot),
        "owner": user(next(iter(state.people.values()))),
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "00" * 32,
        "flags": APPLICATION_FLAGS,
        "flags_new": str(APPLICATION_FLAGS),
        "redirect_uris": [],
        "eligible_oauth2_scopes": [],
        "integration_types_config": {"0": {}, "1": {}},
        "explicit_content_filter": 0,
        "approximate_guild_count": sum(state.bot in server for server in state.guilds.values()),
        "approximate_user_install_count": len(state.installs),
        "approximate_user_authorization_count": 0,
        **nulls("icon type team interactions_endpoint_url role_connections_verification_url"),
    }


def interaction(act: Interaction, state: State) -> Json:
    """INTERACTION_CREATE, without the message of a component (which is signed on its way out)."""
    place, server = act.channel, act.channel.guild
    permissions = place.permissions(act.user).text
    shape: Json = {
        "id": act.id,
        "application_id": state.application_id,
        "type": int(act.type),
        "version": 1,
        "token": act.token,
        "data": act.data,
        "channel_id": place.id,
        "channel": {**channel(place), "permissions": permissions},
        "locale": "en-US",
        "app_permissions": _app_permissions(act, state).text,
        "entitlements": [],
        "context": act.context,
        "authorizing_integration_owners": act.owners,
        "attachment_size_limit": FILE_LIMIT,
    }
    if not server:
        return {**shape, "user": user(act.user)}
    return {
        **shape,
        "guild_id": server.id,
        "guild": {"id": server.id, "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "member": member(server.members[act.user.id], permissions=permissions),
    }


def _app_permissions(act: Interaction, state: State) -> Permissions:
    """What the bot may do where an interaction came from.

    Where it is no member it can do no more than answer: what the person may put into a message.
    """
    place = act.channel
    if not place.guild:
        return WITH_THE_BOT if state.bot in place.people else WITHOUT_THE_BOT
    if state.bot in place.guild:
        return place.permissions(state.bot)
    return place.permissions(act.user) & WITH_THE_BOT
