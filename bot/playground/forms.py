"""What a person chose in a select menu or wrote into a modal, checked as Discord's client checks it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.playground.cdn import Upload
from bot.playground.component_rules import (
    CHECKBOX,
    CHECKBOX_GROUP,
    FILE_UPLOAD,
    LABEL,
    RADIO_GROUP,
    SELECTS,
    TEXT_INPUT,
)
from bot.playground.components import find, walk
from bot.playground.errors import NotPossible
from bot.playground.guilds import User
from bot.playground.options import Resolved
from bot.playground.state import Json, Message

ONE_VALUE = frozenset({TEXT_INPUT, RADIO_GROUP, CHECKBOX})  # answer with `value`, all others with `values`


def component_of(message: Message, custom_id: str, *, unchecked: bool) -> Json:
    """The component that a person used. Raises NotPossible where there is none or it is switched off."""
    component = find(message.body["components"], custom_id)
    if not component:
        if unchecked:
            return {"type": 2, "custom_id": custom_id, "id": 1}
        ids = [each["custom_id"] for each in walk(message.body["components"]) if each.get("custom_id")]
        raise NotPossible(f"This message has no component {custom_id!r}; it has {', '.join(ids) or 'none'}.")
    if component.get("disabled") and not unchecked:
        raise NotPossible(f"{component.get('label') or custom_id} is switched off.")
    return component


def chosen(
    component: Json, values: list[str], user: User, resolved: Resolved, *, unchecked: bool
) -> list[str]:
    """The values of a select menu as an interaction carries them."""
    name = component.get("custom_id", "")
    if not unchecked:
        least, most = component.get("min_values", 1), component.get("max_values") or 1
        if not least <= len(values) <= most:
            raise NotPossible(f"{name} takes {least} to {most} choices; you made {len(values)}.")
    if component["type"] in (5, 6, 7, 8):
        return [_entity(component["type"], name, value, user, resolved) for value in values]
    if not unchecked:
        _check_known(component, name, values)
    return values


def _check_known(component: Json, name: str, values: list[Any]) -> None:
    """Raises NotPossible for a value that is not among the options."""
    known = [option["value"] for option in component.get("options") or []]
    wrong = [value for value in values if value not in known]
    if wrong:
        raise NotPossible(f"{name} must be one of {', '.join(known)}; you chose {wrong[0]!r}.")


def _entity(kind: int, name: str, value: str, user: User, resolved: Resolved) -> str:
    """A value of a user (5), role (6), mentionable (7) or channel (8) select."""
    if kind == 8:
        return resolved.place(resolved.state.channel(value, user), user)
    person = resolved.state.user(value)
    if kind in (5, 7) and person:
        return resolved.user(person)
    role = resolved.find_role(value)
    if kind in (6, 7) and role:
        return resolved.role(role)
    raise NotPossible(f"{name}: there is no {value!r} to choose.")


def submitted(
    modal: Json,
    values: Mapping[str, Any],
    files: Mapping[str, Upload],
    user: User,
    resolved: Resolved,
    *,
    unchecked: bool,
) -> list[Json]:
    """A modal's components as MODAL_SUBMIT carries them.

    `files` are keyed by the custom_id of their field; further ones of the same field as `custom_id[1]` and on.
    """
    ids = {each["custom_id"] for each in walk(modal["components"]) if each.get("custom_id")}
    unknown = [name for name in (*values, *map(_field_of, files)) if name not in ids]
    if unknown and not unchecked:
        raise NotPossible(f"This form has no field {unknown[0]!r}; it has {', '.join(sorted(ids))}.")
    form = Form(values=values, files=files, user=user, resolved=resolved, unchecked=unchecked)
    return [form.row(row, number) for number, row in enumerate(modal["components"], 1)]


def _field_of(key: str) -> str:
    return re.sub(r"\[\d+\]$", "", key)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a person filled in. What they left alone keeps what the bot put there."""

    values: Mapping[str, Any]
    files: Mapping[str, Upload]
    user: User
    resolved: Resolved
    unchecked: bool

    def row(self, row: Json, number: int) -> Json:
        """A label or an action row with its answer; a text is only named."""
        frame = {"type": row["type"], "id": row.get("id") or number}
        field = row.get("component") or next(iter(row.get("components") or []), None)
        if not field:
            return frame
        answer: Json = {"type": field["type"], "id": field.get("id") or 100 + number}
        answer |= self._answer(field, row.get("label") or field.get("label") or field["custom_id"])
        return {**frame, **({"component": answer} if row["type"] == LABEL else {"components": [answer]})}

    def _answer(self, field: Json, name: str) -> Json:
        custom_id, kind = field["custom_id"], field["type"]
        given = self.values.get(custom_id, _preset(field))
        if kind == FILE_UPLOAD:
            given = [upload for key, upload in self.files.items() if _field_of(key) == custom_id]
        if (
            given in (None, "", [])
            and field.get("required", kind != CHECKBOX) is not False
            and not self.unchecked
        ):
            raise NotPossible(f"{name} is required and was not given.")
        if kind in ONE_VALUE:
            return {"custom_id": custom_id, "value": self._single(field, name, given)}
        given = given if isinstance(given, list) else [given] if given is not None else []
        return {"custom_id": custom_id, "values": self._several(field, name, given) if given else []}

    def _single(self, field: Json, name: str, given: Any) -> Any:
        if field["type"] == CHECKBOX:
            return bool(given)
        if field["type"] == RADIO_GROUP:
            if given is not None and not self.unchecked:
                _check_known(field, name, [given])
            return given
        text = str(given or "")
        least, most = field.get("min_length") or 0, field.get("max_length") or 4000
        if text and not least <= len(text) <= most and not self.unchecked:
            limit = f"at most {most}" if len(text) > most else f"at least {least}"
            raise NotPossible(f"{name} must have {limit} characters; you gave {len(text)}.")
        return text

    def _several(self, field: Json, name: str, given: list[Any]) -> list[str]:
        if field["type"] in SELECTS:
            return chosen(
                field, [str(value) for value in given], self.user, self.resolved, unchecked=self.unchecked
            )
        groups = field["type"] == CHECKBOX_GROUP
        least = field.get("min_values", 1)
        most = field.get("max_values") or (len(field["options"]) if groups else 1)
        if not least <= len(given) <= most and not self.unchecked:
            raise NotPossible(f"{name} takes {least} to {most}; you gave {len(given)}.")
        if not groups:
            return [self.resolved.upload(upload) for upload in given]
        if not self.unchecked:
            _check_known(field, name, given)
        return given


def _preset(field: Json) -> Any:
    """What a field holds before anybody touches it; None where that is nothing."""
    if field["type"] in (TEXT_INPUT, CHECKBOX):
        return field.get("value") if field["type"] == TEXT_INPUT else field.get("default")
    marked = [option["value"] for option in field.get("options") or [] if option.get("default")]
    if field["type"] == RADIO_GROUP:
        return marked[0] if marked else None
    return marked or [each["id"] for each in field.get("default_values") or []] or None
