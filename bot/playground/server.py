"""The playground as one server on the loopback interface: REST API, gateway, CDN and person API."""

import base64
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from bot.playground.account import Account
from bot.playground.cdn import Cdn
from bot.playground.channels import Channels
from bot.playground.clock import Clock
from bot.playground.commands import Commands
from bot.playground.faults import Faults
from bot.playground.gateway import Gateway
from bot.playground.interactions import Interactions
from bot.playground.messages import Messages
from bot.playground.person_api import PersonApi
from bot.playground.rest import PREFIX, Rest
from bot.playground.routing import Router
from bot.playground.state import State
from bot.playground.traffic import Traffic

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
        self.traffic = Traffic()
        self._cdn = Cdn(clock=self.clock)
        self.gateway = Gateway(state=self.state, cdn=self._cdn, traffic=self.traffic, token=self.token)
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
        messages = Messages(state=state, cdn=self._cdn, publish=publish)
        interactions = Interactions(state=state, messages=messages, publish=publish)
        account = Account(state=state, gateway_address=lambda: self.gateway.base)
        channels = Channels(state=state, messages=messages)
        families = (account, Commands(state=state), interactions, channels)
        router = Router([route for family in families for route in family.routes()])
        rest = Rest(state=state, router=router, faults=self.faults, traffic=self.traffic, token=self.token)
        person_api = PersonApi(
            state=state,
            cdn=self._cdn,
            messages=messages,
            interactions=interactions,
            gateway=self.gateway,
            faults=self.faults,
            traffic=self.traffic,
        )
        app = web.Application(middlewares=[only_ourselves])
        app.router.add_get("/gateway", self.gateway.connect)
        app.router.add_get("/gateway/", self.gateway.connect)
        app.router.add_get("/{kind:(?:ephemeral-)?attachments}/{channel}/{id}/{name}", self._cdn.serve)
        app.router.add_route("*", f"{PREFIX}/{{path:.*}}", rest.handle)
        app.router.add_routes(person_api.routes())
        return app


def _bot_token(application_id: str) -> str:
    """Shaped as Discord's: the id in base64 (hikari reads it from there), a time, a signature."""
    first = base64.urlsafe_b64encode(application_id.encode()).decode().rstrip("=")
    return f"{first}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"


@web.middleware
async def only_ourselves(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign Host and Origin headers: a page from elsewhere could reach us by DNS rebinding."""
    origin = request.headers.get("Origin")
    for address in (f"//{request.host}", *([origin] if origin is not None else [])):
        if urlsplit(address).hostname not in OURSELVES:
            raise web.HTTPForbidden(text="The playground answers only this machine.")
    return await handler(request)
