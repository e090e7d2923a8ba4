"""Servers, their members and their roles, as the bot reads and changes them.

https://discord.com/developers/docs/resources/guild
"""

from bot.playground import errors, shapes
from bot.playground.access import Access
from bot.playground.guilds import Guild, Role
from bot.playground.permissions import Permissions
from bot.playground.routing import Answer, Call, Route
from bot.playground.state import State
from bot.playground.world import World

PAGE = 1000


class Members:
    """The routes under /guilds that are not about commands or threads."""

    def __init__(self, *, state: State, access: Access, world: World) -> None:
        self._state = state
        self._access = access
        self._world = world

    def routes(self) -> list[Route]:
        guild, role = "/guilds/{guild}", "/guilds/{guild}/members/{user}/roles/{role}"
        return [
            Route("GET", "/users/@me/guilds", self._own_guilds),
            Route("DELETE", "/users/@me/guilds/{guild}", self._leave),
            Route("GET", guild, self._guild),
            Route("GET", f"{guild}/channels", self._channels),
            Route("GET", f"{guild}/roles", self._roles),
            Route("GET", f"{guild}/members", self._list),
            Route("GET", f"{guild}/members/search", self._search),
            Route("GET", f"{guild}/members/{{user}}", self._member),
            Route("PUT", role, self._give_role),
            Route("DELETE", role, self._take_role),
        ]

    def _own_guilds(self, _: Call) -> Answer:
        bot = self._state.bot
        return 200, [
            {
                "id": guild.id,
                "name": guild.name,
                "icon": None,
                "banner": None,
                "owner": False,
                "permissions": guild.permissions(bot).text,
                "features": [],
            }
            for guild in self._state.guilds.values()
            if bot in guild
        ]

    def _leave(self, call: Call) -> Answer:
        self._world.leave(self._access.guild(call), self._state.bot)
        return 204, None

    def _guild(self, call: Call) -> Answer:
        guild = self._access.guild(call)
        if call.query.get("with_counts", "").lower() not in ("1", "true"):
            return 200, shapes.guild(guild)
        counts = {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
        return 200, shapes.guild(guild) | counts

    def _channels(self, call: Call) -> Answer:
        guild = self._access.guild(call)
        places = [each for each in self._state.channels.values() if each.guild is guild and not each.thread]
        return 200, [shapes.channel(place) for place in places]

    def _roles(self, call: Call) -> Answer:
        return 200, [shapes.role(role) for role in self._access.guild(call).roles.values()]

    def _member(self, call: Call) -> Answer:
        return 200, shapes.member(self._access.member(call, self._access.guild(call)))

    def _list(self, call: Call) -> Answer:
        """By `after` an id, at most `limit` (1 to 1000, 1 without)."""
        guild = self._access.guild(call)
        limit, after = _limit(call), call.query.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) <= 20):
            said = f'Value "{after}" is not snowflake.'
            raise errors.invalid_form([errors.FieldError(("after",), "NUMBER_TYPE_COERCE", said)])
        found = [id for id in sorted(guild.members, key=int) if int(id) > int(after)]
        return 200, [shapes.member(guild.members[id]) for id in found[:limit]]

    def _search(self, call: Call) -> Answer:
        """Members whose name begins with `query`."""
        guild, limit, query = self._access.guild(call), _limit(call), call.query.get("query", "").lower()
        if not query:
            said = "This field is required"
            raise errors.invalid_form([errors.FieldError(("query",), "BASE_TYPE_REQUIRED", said)])
        found = [each for each in guild.members.values() if each.user.name.startswith(query)]
        return 200, [shapes.member(each) for each in found[:limit]]

    def _give_role(self, call: Call) -> Answer:
        guild = self._access.guild(call, Permissions.MANAGE_ROLES)
        self._world.give_role(guild, self._access.member(call, guild), self._role(call, guild))
        return 204, None

    def _take_role(self, call: Call) -> Answer:
        guild = self._access.guild(call, Permissions.MANAGE_ROLES)
        self._world.take_role(guild, self._access.member(call, guild), self._role(call, guild))
        return 204, None

    def _role(self, call: Call, guild: Guild) -> Role:
        """A role that the bot may give: below its own highest, and no application's."""
        role = guild.roles.get(call.params["role"])
        if not role:
            raise errors.unknown_role()
        own = guild.members[self._state.bot.id].roles
        highest = max((guild.roles[id].position for id in own), default=0)
        if role.bot or role is guild.everyone or role.position >= highest:
            raise errors.missing_permissions()
        return role


def _limit(call: Call) -> int:
    raw = call.query.get("limit", "1")
    limit = int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= 4 else 0
    if not 1 <= limit <= PAGE:
        said = f"int value should be between 1 and {PAGE}."
        raise errors.invalid_form([errors.FieldError(("limit",), "NUMBER_TYPE_MAX", said)])
    return limit
