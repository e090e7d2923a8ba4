"""Faults on purpose: what the REST API does wrong, to which calls, and how often."""

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

from bot.playground.errors import DiscordError
from bot.playground.ratelimits import RateLimitScope, rate_limited


class FaultKind(StrEnum):
    ERROR = "error"  # refused, nothing happened
    ERROR_AFTER = "error_after"  # answered with an error although it happened
    LOST = "lost"  # it happened, and the connection closed without an answer
    DELAY = "delay"  # it happens, `seconds` late
    RATE_LIMIT = "rate_limit"  # 429, nothing happened


class Fault(BaseModel):
    """A rule: the next `times` calls whose method and path match go wrong in this way.

    `path` is a shell pattern over the path without /api/v10, such as `/webhooks/*/messages/@original`.
    `seconds` is the delay, or the `retry_after` of a rate limit. Without `via` discord.py takes a 429 for
    a ban by Cloudflare and gives up at once.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    method: str = "*"
    path: str = "*"
    times: int = Field(1, ge=1, le=10_000)
    status: int = Field(500, ge=400, le=599)
    code: int = 0
    message: str = "Internal Server Error"
    seconds: float = Field(0, ge=0, le=3600)
    scope: RateLimitScope = RateLimitScope.USER
    via: bool = True

    def matches(self, method: str, path: str) -> bool:
        return fnmatchcase(method, self.method.upper()) and fnmatchcase(path, self.path)

    def error(self) -> DiscordError:
        """The answer that the fault gives instead of the true one."""
        if self.kind is not FaultKind.RATE_LIMIT:
            return DiscordError(self.status, self.code, self.message)
        return rate_limited(self.seconds, self.scope)


@dataclass
class Faults:
    """The rules in force, oldest first; a rule is gone once used up."""

    rules: list[Fault] = field(default_factory=list)

    def take(self, method: str, path: str) -> Fault | None:
        """The first rule that matches this call, counted down."""
        for rule in self.rules:
            if rule.matches(method, path):
                rule.times -= 1
                if not rule.times:
                    self.rules.remove(rule)
                return rule
        return None
