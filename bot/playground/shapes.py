"""People, channels, the server and the application in the JSON that Discord sends for them.

The fields are those that Discord's OpenAPI file and the client libraries insist on.
"""

from typing import Any

from bot.playground.state import FILE_LIMIT, Channel, Interaction, Json, State, User

# Everything that an ordinary member of a new server may do, use application commands and attach files included.
PERMISSIONS = "2248473465835073"
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


def member(person: User, **extra: Any) -> Json:
    return {"user": user(person), "deaf": False, "mute": False, **partial_member(), **extra}


def partial_member() -> Json:
    """A member without its user, as in the resolved objects of an interaction."""
    return {
        "roles": [],
        "joined_at": "2024-01-01T00:00:00+00:00",
        "pending": False,
        "flags": 0,
        **nulls(
            "nick avatar banner premium_since communication_disabled_until avatar_decoration_data collectibles"
        ),
    }


def channel(place: Channel, state: State) -> Json:
    if place.recipient:
        return {
            "id": place.id,
            "type": int(place.type),
            "recipients": [user(place.recipient)],
            "last_message_id": None,
            "flags": 0,
        }
    return {
        "id": place.id,
        "type": int(place.type),
        "guild_id": state.guild_id,
        "name": place.name,
        "position": 0,
        "nsfw": place.nsfw,
        "flags": 0,
        "permission_overwrites": [],
        "rate_limit_per_user": 0,
        **nulls("topic parent_id last_message_id"),
    }


def everyone_role(state: State) -> Json:
    return {
        "id": state.guild_id,  # the role of all members has the server's own id
        "name": "@everyone",
        "permissions": PERMISSIONS,
        "position": 0,
        "color": 0,
        "colors": {"primary_color": 0, **nulls("secondary_color tertiary_color")},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "flags": 0,
        **nulls("icon unicode_emoji"),
    }


def guild(state: State) -> Json:
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
        "id": state.guild_id,
        "name": "Playground",
        "owner_id": next(iter(state.people.values())).id,
        "roles": [everyone_role(state)],
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


def guild_create(state: State, *, all_members: bool) -> Json:
    """The event. Without the members intent Discord lists only the bot itself."""
    lists = "voice_states threads presences stage_instances guild_scheduled_events soundboard_sounds"
    present = state.users if all_members else [state.bot]
    return {
        **guild(state),
        "joined_at": "2024-01-01T00:00:00+00:00",
        "large": False,
        "unavailable": False,
        "member_count": len(state.users),
        "channels": [channel(place, state) for place in state.channels.values() if not place.recipient],
        "members": [member(person) for person in present],
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
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        **nulls("icon type team interactions_endpoint_url role_connections_verification_url"),
    }


def installation(interaction: Interaction, state: State) -> Json:
    """`authorizing_integration_owners`: installed in the server; "0" in direct messages with the bot."""
    return {"0": "0" if interaction.channel.recipient else state.guild_id}


def interaction(act: Interaction, state: State) -> Json:
    """INTERACTION_CREATE, without the message of a component (which is signed on its way out)."""
    shape: Json = {
        "id": act.id,
        "application_id": state.application_id,
        "type": int(act.type),
        "version": 1,
        "token": act.token,
        "data": act.data,
        "channel_id": act.channel.id,
        "channel": {**channel(act.channel, state), "permissions": PERMISSIONS},
        "locale": "en-US",
        "app_permissions": PERMISSIONS,
        "entitlements": [],
        "context": 1 if act.channel.recipient else 0,
        "authorizing_integration_owners": installation(act, state),
        "attachment_size_limit": FILE_LIMIT,
    }
    if act.channel.recipient:
        return {**shape, "user": user(act.user)}
    return {
        **shape,
        "guild_id": state.guild_id,
        "guild": {"id": state.guild_id, "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "member": member(act.user, permissions=PERMISSIONS),
    }
