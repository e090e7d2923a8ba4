"""The pictures that go with a request, as bytes; nothing where the request needs none."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """PNGs: `image` to start from, and `mask`, of the same size, whose white part is drawn anew."""

    image: bytes | None = None
    mask: bytes | None = None

    @property
    def given(self) -> tuple[bytes, ...]:
        """Those that are there."""
        return tuple(filter(None, (self.image, self.mask)))


NOTHING = Inputs()
