"""What all that crosses the wire has in common."""

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """Frozen, and strict about names: a misspelt field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")
