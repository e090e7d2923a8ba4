"""Pointing the installed discord.py at another server that speaks Discord's protocol."""

from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route
from yarl import URL


def point_discord_at(base: str) -> None:
    """Make every client made from now on use `base` (such as `http://127.0.0.1:7800`).

    discord.py has no setting for this; these three class attributes are all that names Discord's servers:
    the REST API (interaction callbacks included), the gateway's first connection, and avatars.
    """
    base = base.rstrip("/")
    Route.BASE = f"{base}/api/v10"
    DiscordWebSocket.DEFAULT_GATEWAY = URL(f"{base.replace('http', 'ws', 1)}/gateway")
    Asset.BASE = base
