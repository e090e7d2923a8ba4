"""Names and descriptions in other languages, as commands, options and choices carry them.

https://discord.com/developers/docs/reference#locales
"""

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

Locale = Literal[
    "ar", "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "he", "hi", "hr", "hu", "id",
    "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru", "sv-SE", "th", "tr", "uk", "vi", "zh-CN", "zh-TW",
]  # fmt: skip
Names = dict[Locale, Annotated[str, StringConstraints(strict=True, min_length=1, max_length=32)]]
Texts = dict[Locale, Annotated[str, StringConstraints(strict=True, min_length=1, max_length=100)]]

FIELDS = frozenset({"name_localizations", "description_localizations"})


def without(shape: Any) -> Any:
    """A copy of a command without its translations: Discord lists commands that way unless asked for them."""
    if isinstance(shape, dict):
        return {name: without(value) for name, value in shape.items() if name not in FIELDS}
    return [without(each) for each in shape] if isinstance(shape, list) else shape
