"""How pictures are judged before a person sees them: from their words to fields of the request. Pure."""

from dataclasses import dataclass
from typing import Any

from bot.errors import Refused
from engine.wire import Limits, Safety


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What a person chose; None where they said nothing."""

    best_of: int | None = None
    safety: str | None = None

    def fields(self, count: int, limits: Limits) -> dict[str, Any]:
        """The fields of the request. Raises Refused."""
        return {"best_of": self._best_of(count, limits), "safety": self._safety()}

    def _best_of(self, count: int, limits: Limits) -> int | None:
        if self.best_of is not None and not count <= self.best_of <= limits.best_of:
            raise Refused(
                f"best_of must be between count, which is {count}, and {limits.best_of}; it was {self.best_of}."
            )
        return self.best_of

    def _safety(self) -> Safety:
        if self.safety is None:
            return Safety.OFF
        try:
            return Safety(self.safety.strip().casefold())
        except ValueError:
            raise Refused(f"safety must be one of {', '.join(Safety)}; it was '{self.safety:.40}'.") from None
