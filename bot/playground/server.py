"""The playground as one server on the loopback interface: REST API, gateway, CDN and person API."""

import base64
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from bot.playground.access import Access
from bot.playground.account import Account
from bot.playground.cdn import Cdn
from bot.playground.channel_messages import ChannelMessages
from bot.playground.channels import Channels
from bot.playground.clock import Clock
from bot.playground.commands import Commands
from bot.playground.controls import Controls
from bot.playground.faults import Faults
from bot.playground.gateway import Gateway
from bot.playground.interactions import Interactions
from bot.playground.members import Members
from bot.playground.messages import Messages
from bot.playground.page_api import PageApi, harden
from bot.playground.person import Venue
from bot.playground.person_api import PersonApi
from bot.playground.pins import Pins
from bot.playground.polls import Polls
from bot.playground.ratelimits import RateLimits
from bot.playground.reactions import Reactions
from bot.playground.rest import Rest
from bot.playground.routing import Router
from bot.playground.session_starts import SessionStarts
from bot.playground.state import State
from bot.playground.threads import Threads
from bot.playground.traffic import Traffic
from bot.playground.world import World
from bot.playground.world_api import WorldApi

HOST = "127.0.0.1"
OURSELVES = frozenset({"127.0.0.1", "localhost"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Playground:
    """One run: everything is in memory and gone with it. `token` is the bot's; random where none is given."""

    def __init__(self, *, clock: Clock | None = None, token: str | None = None) -> None:
        self.clock = clock or Clock()
        self.state = State(self.clock)
        self.token = token or _bot_token(self.state.application_id)
        self.faults = Faults()
        self.traffic = Traffic(self.state.changes.bump)
        self._cdn = Cdn(clock=self.clock)
        self.rate_limits = RateLimits(clock=self.clock)
        self.session_starts = SessionStarts(clock=self.clock, limits=self.rate_limits)
        self.gateway = Gateway(
            state=self.state,
            cdn=self._cdn,
            traffic=self.traffic,
            token=self.token,
            limits=self.rate_limits,
            starts=self.session_starts,
        )
        self._runner: web.AppRunner | None = None

    @property
    def base(self) -> str:
        """`http://127.0.0.1:<port>`, once started."""
        return self._cdn.base

    async def start(self, port: int = 0) -> str:
        """Listen on a loopback port (0: any free one); return the base address. Raises OSError where it is taken."""
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        _, port = self._runner.addresses[0][:2]
        self._cdn.base = f"http://{HOST}:{port}"
        self.gateway.base = f"ws://{HOST}:{port}/gateway"
        return self.base

    async def stop(self) -> None:
        """Close every connection and forget everything."""
        if self._runner:
            self.gateway.close(1001)
            await self._runner.cleanup()
            self._runner = None

    def _app(self) -> web.Application:
        state, publish = self.state, self.gateway.publish
        access, world = Access(state=state), World(state=state, publish=publish)
        venue = self._venue(access)
        person_api = PersonApi(
            state=state, venue=venue, messages=venue.messages, gateway=self.gateway, traffic=self.traffic
        )
        controls = Controls(
            state=state,
            gateway=self.gateway,
            limits=self.rate_limits,
            starts=self.session_starts,
            faults=self.faults,
            traffic=self.traffic,
        )
        world_api = WorldApi(state=state, world=world, gateway=self.gateway)
        page = PageApi(state=state, view=person_api.view)
        rest = self._rest(venue, access, world)
        app = web.Application(middlewares=[only_ourselves])
        app.on_response_prepare.append(harden)
        app.on_shutdown.append(page.close)
        app.cleanup_ctx.append(venue.polls.running)
        app.router.add_get("/gateway", self.gateway.connect)
        app.router.add_get("/gateway/", self.gateway.connect)
        app.router.add_get("/{kind:(?:ephemeral-)?attachments}/{channel}/{id}/{name}", self._cdn.serve)
        app.router.add_route("*", "/api/{path:.*}", rest.handle)
        for family in (page, person_api, controls, world_api):
            app.router.add_routes(family.routes())
        return app

    def _venue(self, access: Access) -> Venue:
        state, publish = self.state, self.gateway.publish
        messages = Messages(state=state, cdn=self._cdn, publish=publish)
        return Venue(
            state=state,
            cdn=self._cdn,
            messages=messages,
            interactions=Interactions(state=state, messages=messages, publish=publish),
            threads=Threads(state=state, access=access, messages=messages, publish=publish),
            reactions=Reactions(state=state, access=access, publish=publish),
            pins=Pins(state=state, access=access, messages=messages, publish=publish),
            polls=Polls(state=state, messages=messages, access=access, publish=publish),
        )

    def _rest(self, venue: Venue, access: Access, world: World) -> Rest:
        state, messages, threads = self.state, venue.messages, venue.threads
        families = (
            Account(
                state=state, gateway_address=lambda: self.gateway.base, start_limit=self.session_starts.shape
            ),
            Members(state=state, access=access, world=world),
            Commands(state=state),
            venue.interactions,
            Channels(state=state, access=access, world=world, threads=threads),
            venue.pins,
            ChannelMessages(state=state, access=access, messages=messages, threads=threads),
            venue.reactions,
            venue.polls,
            threads,
        )
        return Rest(
            state=state,
            router=Router([route for family in families for route in family.routes()]),
            limits=self.rate_limits,
            faults=self.faults,
            traffic=self.traffic,
            token=self.token,
        )


def _bot_token(application_id: str) -> str:
    """Shaped as Discord's: the id in base64 (hikari reads it from there), a time, a signature."""
    first = base64.urlsafe_b64encode(application_id.encode()).decode().rstrip("=")
    return f"{first}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"


@web.middleware
async def only_ourselves(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign Host and Origin headers: a page from elsewhere could reach us by DNS rebinding."""
    origin = request.headers.get("Origin")
    for address in (f"//{request.host}", *([origin] if origin is not None else [])):
        if _host(address) not in OURSELVES:
            raise web.HTTPForbidden(text="The playground answers only this machine.")
    return await handler(request)


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:  # such as a bracket that does not close
        return None
