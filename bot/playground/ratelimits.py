"""Rate limits of the REST API: buckets per route and resource, the global one, and the ban behind them.

Discord publishes no numbers but the global ones: "rate limits should not be hard coded". Those in LIMITS were
measured by others, and are unverified.

https://discord.com/developers/docs/topics/rate-limits
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.playground.clock import Clock
from bot.playground.errors import DiscordError
from bot.playground.routing import Route
from bot.playground.state import Json

GLOBAL, GLOBAL_PER_S = 50, 1.0
INVALID, INVALID_PER_S = 10_000, 600.0  # answers of 401, 403 and 429 before an address is banned
REMEMBERED = 10_000  # windows; above it those that are over are forgotten


class RateLimitScope(StrEnum):
    USER = "user"
    GLOBAL = "global"
    SHARED = "shared"


@dataclass(frozen=True)
class Limit:
    """`limit` calls per `per_s` seconds to the routes that fit: one bucket for each channel, guild or webhook.

    A `hidden` one is not told in any header and answers with the scope `shared`.
    """

    methods: str
    template: str  # a regular expression over the route, its parameters written {}
    limit: int
    per_s: float
    hidden: bool = False

    @property
    def bucket(self) -> str:
        name = f"{self.methods} {self.template} {self.limit} {self.per_s}"
        return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()

    def fits(self, method: str, template: str) -> bool:
        return method in self.methods.split() and bool(re.fullmatch(self.template, template))


ANY = "GET POST PUT PATCH DELETE"
LIMITS = (
    Limit("POST", "/channels/{}/messages", 5, 5.0),
    Limit("PATCH", "/channels/{}/messages/{}", 5, 5.0),
    Limit("DELETE", "/channels/{}/messages/{}", 5, 1.0),
    Limit("POST", "/channels/{}/messages/bulk-delete", 1, 1.0),
    Limit("PUT DELETE", "/channels/{}/messages/{}/reactions.*", 1, 0.25),
    Limit("PATCH", "/channels/{}", 2, 600.0),
    Limit(ANY, "/webhooks/{}/{}.*", 5, 2.0),  # discord-api-docs #2701, as is the next
    Limit(ANY, "/webhooks/{}/{}.*", 30, 60.0, hidden=True),
    Limit(ANY, ".*", 50, 1.0),
)
MAJOR = ("channel", "guild", "application", "token")  # parameters with a bucket of their own


@dataclass
class Window:
    """A fixed window: the first use opens it, and it takes `limit` uses until it is over."""

    limit: int
    per_s: float
    used: int = 0
    resets_at: float = 0.0

    def take(self, now: float) -> float:
        """Count one use. Seconds to wait before the next try where there was none left, else 0."""
        self.refresh(now)
        if self.used >= self.limit:
            return self.resets_at - now
        self.used += 1
        return 0.0

    def refresh(self, now: float) -> None:
        if now >= self.resets_at:
            self.used, self.resets_at = 0, now + self.per_s


class Banned(Exception):
    """Too many invalid requests: Cloudflare answers instead of Discord."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"banned for {seconds:g} s")
        self.seconds = seconds


class RateLimits:
    """Counts calls on the playground's clock. `scale` multiplies every bucket; switched off, all are allowed."""

    def __init__(self, *, clock: Clock) -> None:
        self.enabled = True
        self.scale = 1.0
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Empty every bucket and lift the ban."""
        self._windows: dict[tuple[str, ...], Window] = {}
        self._global = Window(GLOBAL, GLOBAL_PER_S)
        self._invalid = Window(INVALID, INVALID_PER_S)

    def ban(self) -> None:
        """As if too many requests had been invalid."""
        self._invalid.refresh(self._clock.now())
        self._invalid.used = self._invalid.limit

    def admit(self) -> None:
        """Raises Banned while this address is."""
        self._invalid.refresh(self._clock.now())
        if self.enabled and self._invalid.used >= self._invalid.limit:
            raise Banned(self._invalid.resets_at - self._clock.now())

    def take(self, route: Route, params: Mapping[str, str]) -> dict[str, str]:
        """Count one call; return its headers. Raises DiscordError 429.

        Routes with a token of their own in the path, those of interactions, do not count globally.
        """
        now = self._clock.now()
        if self.enabled and not route.open and (wait := self._global.take(now)):
            raise rate_limited(wait, RateLimitScope.GLOBAL)
        template = re.sub(r"{\w+}", "{}", route.template)
        fitting = [limit for limit in LIMITS if limit.fits(route.method, template)]
        told = next(limit for limit in fitting if not limit.hidden)
        hidden = next((limit for limit in fitting if limit.hidden), None)
        window = self._window(told, params)
        wait = window.take(now) if self.enabled else 0.0
        headers = _headers(told, window, now)
        if wait:
            raise rate_limited(wait, RateLimitScope.USER, headers)
        if self.enabled and hidden and (wait := self._window(hidden, params).take(now)):
            raise rate_limited(wait, RateLimitScope.SHARED, headers)
        return headers

    def _window(self, limit: Limit, params: Mapping[str, str]) -> Window:
        if len(self._windows) > REMEMBERED:
            now = self._clock.now()
            self._windows = {key: each for key, each in self._windows.items() if each.resets_at > now}
        key = (limit.bucket, *[params[name] for name in MAJOR if name in params])
        allowed = max(1, int(limit.limit * self.scale))
        window = self._windows.setdefault(key, Window(allowed, limit.per_s))
        window.limit = allowed
        return window

    def answered(self, status: int, scope: str | None) -> None:
        """Count an answer that Discord calls invalid; "shared" limits are not held against the bot."""
        if status in (401, 403) or (status == 429 and scope != RateLimitScope.SHARED):
            self._invalid.take(self._clock.now())

    def shape(self) -> Json:
        """How the limits stand, for a person."""
        self._invalid.refresh(self._clock.now())
        return {
            "enabled": self.enabled,
            "scale": self.scale,
            "invalid": {"limit": INVALID, "used": self._invalid.used},
        }


def rate_limited(
    seconds: float, scope: RateLimitScope, headers: Mapping[str, str] | None = None
) -> DiscordError:
    """The 429. `headers` are those of the bucket, which are told with it."""
    told = {**(headers or {}), "Retry-After": f"{math.ceil(seconds)}", "X-RateLimit-Scope": scope.value}
    if scope is RateLimitScope.GLOBAL:
        told["X-RateLimit-Global"] = "true"
    shared = scope is RateLimitScope.SHARED
    message = "The resource is being rate limited." if shared else "You are being rate limited."
    extra = {"retry_after": math.ceil(seconds * 1000) / 1000, "global": scope is RateLimitScope.GLOBAL}
    return DiscordError(429, 0, message, headers=told, extra=extra)


def _headers(limit: Limit, window: Window, now: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(window.limit),
        "X-RateLimit-Remaining": str(max(0, window.limit - window.used)),
        "X-RateLimit-Reset": f"{window.resets_at:.3f}",
        "X-RateLimit-Reset-After": f"{max(0.0, window.resets_at - now):.3f}",
        "X-RateLimit-Bucket": limit.bucket,
    }
