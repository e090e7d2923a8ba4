"""What a person chose in a select menu or wrote into a modal, checked as Discord's client checks it."""

from collections.abc import Mapping
from typing import Any

from bot.playground.cdn import Upload
from bot.playground.components import find, walk
from bot.playground.errors import NotPossible
from bot.playground.options import Resolved
from bot.playground.state import Json, Message, User

TEXT_INPUT, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 4, 19, 21, 22, 23
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
    known = {option["value"]: option["label"] for option in component.get("options", [])}
    wrong = [value for value in values if value not in known]
    if wrong and not unchecked:
        raise NotPossible(f"{name} must be one of {', '.join(known)}; you chose {wrong[0]!r}.")
    return values


def _entity(kind: int, name: str, value: str, user: User, resolved: Resolved) -> str:
    """A value of a user (5), role (6), mentionable (7) or channel (8) select."""
    if kind == 8:
        return resolved.place(resolved.state.channel(value, user))
    person = resolved.state.user(value)
    if kind in (5, 7) and person:
        return resolved.user(person)
    if kind in (6, 7) and value in ("@everyone", resolved.state.guild_id):
        return resolved.role()
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
    """A modal's components as MODAL_SUBMIT carries them. `files` are keyed by the custom_id of their field."""
    ids = {each["custom_id"] for each in walk(modal["components"]) if each.get("custom_id")}
    unknown = [name for name in (*values, *files) if name not in ids]
    if unknown and not unchecked:
        raise NotPossible(f"This form has no field {unknown[0]!r}; it has {', '.join(sorted(ids))}.")
    answers: list[Json] = []
    for number, row in enumerate(modal["components"], 1):
        label = row.get("label", "")
        inner = row.get("component") or (row.get("components") or [row])[0]
        answer: Json = {"type": inner["type"], "id": inner.get("id") or 100 + number}
        if "custom_id" in inner:
            answer |= _answer(inner, label, values, files, user, resolved, unchecked=unchecked)
        frame = {"type": row["type"], "id": row.get("id") or number}
        if row["type"] == 18:
            answers.append({**frame, "component": answer})
        else:
            answers.append({**frame, "components": [answer]} if row["type"] == 1 else answer)
    return answers


def _answer(
    field: Json,
    label: str,
    values: Mapping[str, Any],
    files: Mapping[str, Upload],
    user: User,
    resolved: Resolved,
    *,
    unchecked: bool,
) -> Json:
    custom_id, kind = field["custom_id"], field["type"]
    name = label or field.get("label") or custom_id
    given = values.get(custom_id)
    if kind == FILE_UPLOAD:
        given = [resolved.upload(files[custom_id])] if custom_id in files else []
    if given in (None, "", []) and field.get("required", kind != CHECKBOX) and not unchecked:
        raise NotPossible(f"{name} is required and was not given.")
    if kind in ONE_VALUE:
        return {"custom_id": custom_id, "value": _single(field, name, given, unchecked=unchecked)}
    if kind in (3, 5, 6, 7, 8) and given:
        given = chosen(field, given, user, resolved, unchecked=unchecked)
    return {"custom_id": custom_id, "values": given or []}


def _single(field: Json, name: str, given: Any, *, unchecked: bool) -> Any:
    if field["type"] == CHECKBOX:
        return bool(given)
    if field["type"] != TEXT_INPUT:
        return given
    text = str(given if given is not None else field.get("value") or "")
    least, most = field.get("min_length") or 0, field.get("max_length") or 4000
    if text and not least <= len(text) <= most and not unchecked:
        limit = f"at most {most}" if len(text) > most else f"at least {least}"
        raise NotPossible(f"{name} must have {limit} characters; you gave {len(text)}.")
    return text
