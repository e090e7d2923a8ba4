"""Pydantic's validation errors as one sentence that names the field, the limit and the value."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

MAX_VALUE_CHARS = 40

# Pydantic's error types (its documentation, "Validation Errors") and what must hold instead.
_RULES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda limit: f"at least {limit['ge']:g}",
    "greater_than": lambda limit: f"more than {limit['gt']:g}",
    "less_than_equal": lambda limit: f"at most {limit['le']:.10g}",
    "less_than": lambda limit: f"less than {limit['lt']:.10g}",
    "multiple_of": lambda limit: f"a multiple of {limit['multiple_of']:g}",
    "enum": lambda limit: f"one of {limit['expected'].replace(chr(39), '')}",
    "literal_error": lambda limit: f"{limit['expected'].replace(chr(39), '')}",
    "string_too_long": lambda limit: f"at most {limit['max_length']} characters long",
    "too_long": lambda limit: f"at most {limit['max_length']} in number",
    "union_tag_invalid": lambda limit: f"one of {limit['expected_tags'].replace(chr(39), '')}",
    "union_tag_not_found": lambda _: "a table with a type",
    "string_type": lambda _: "text",
    "path_type": lambda _: "a path in quotes",
    "finite_number": lambda _: "a number",
    "model_type": lambda _: "a table",
    "dict_type": lambda _: "a table",
}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text"}


def field_of(error: ErrorDetails) -> str:
    """Where it is wrong, dotted: `steps`, `engine.threads`."""
    return ".".join(_short(str(part)) for part in error["loc"])


def sentence(error: ErrorDetails, *, known: tuple[str, ...] = (), show_value: bool = True) -> str:
    """One sentence about one violation.

    `known` are the names that would have been right, for a near miss. With `show_value` False the value
    stays out: secrets, and text that belongs to a person.
    """
    field, kind = field_of(error), error["type"]
    if kind == "missing":
        return f"{field} is missing."
    if kind == "extra_forbidden":
        guess = near(field, known)
        return f"{field} is not a field" + (f"; did you mean {guess}?" if guess else ".")
    if kind == "string_too_short":
        return f"{field} must not be empty."
    if kind == "value_error":
        return f"{field} {error['ctx']['error']}"
    return f"{field} must be {_rule(error)}{_value(error, show_value)}."


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    return next(iter(get_close_matches(name, tuple(known), n=1)), None)


def names_of(model: type[BaseModel], prefix: str = "") -> tuple[str, ...]:
    """Every field of a model, dotted, with those of nested models."""
    names: list[str] = []
    for name, info in model.model_fields.items():
        names.append(prefix + name)
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            names.extend(names_of(nested, f"{prefix}{name}."))
    return tuple(names)


def _rule(error: ErrorDetails) -> str:
    if rule := _RULES.get(error["type"]):
        return rule(error.get("ctx", {}))
    family = error["type"].split("_")[0]
    return _KINDS.get(family, "of another kind")


def _value(error: ErrorDetails, show: bool) -> str:
    value = error["input"]
    if error["type"] in ("string_too_long", "too_long"):
        return f"; it was {len(value)}"
    if error["type"] == "union_tag_invalid":
        return f"; it was '{error['ctx']['tag']!s:.{MAX_VALUE_CHARS}}'"
    if not show or isinstance(value, dict | list):
        return ""
    shown = _short(str(value))
    return f"; it was '{shown}'" if isinstance(value, str) else f"; it was {shown}"


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else text[:MAX_VALUE_CHARS] + "…"
