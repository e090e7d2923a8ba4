"""Discord's rules about components that its OpenAPI file does not express: in messages, and in modals.

All of them are documented at https://discord.com/developers/docs/components/reference, some under the
heading that their comment names.
"""

from collections.abc import Collection, Iterator, Sequence

from bot.playground.bodies import Component, ModalBody
from bot.playground.errors import FieldError, Path, invalid_form

ROW, BUTTON, STRING_SELECT, TEXT_INPUT, SECTION, TEXT, THUMBNAIL = 1, 2, 3, 4, 9, 10, 11
GALLERY, FILE, SEPARATOR, CONTAINER, LABEL, FILE_UPLOAD = 12, 13, 14, 17, 18, 19
RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 21, 22, 23
SELECTS = frozenset({STRING_SELECT, 5, 6, 7, 8})
INPUTS = frozenset({TEXT_INPUT, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX})
LAYOUT = frozenset({ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR})

# What may stand where; "components" of a row depends on whether it stands in a modal.
IN_CONTAINER = LAYOUT
IN_MESSAGE = frozenset({ROW})
IN_LAYOUT = LAYOUT | {CONTAINER}
IN_MODAL = frozenset({ROW, TEXT, LABEL})
IN_LABEL = SELECTS | INPUTS
BESIDE_SECTION = frozenset({BUTTON, THUMBNAIL})

LEGACY_ROWS = 5
COMPONENTS = 40
TEXT_LENGTH = 4000
OPTIONS = {STRING_SELECT: (1, 25), RADIO_GROUP: (2, 10), CHECKBOX_GROUP: (1, 10)}
UPLOADS = 10
LABEL_LENGTH = 45


def walk(components: Sequence[Component], at: Path) -> Iterator[tuple[Path, Component]]:
    """Every component, nested ones too, with its place."""
    for index, component in enumerate(components):
        yield from _walk_one(component, (*at, index))


def _walk_one(component: Component, at: Path) -> Iterator[tuple[Path, Component]]:
    yield at, component
    for place, child in component.children:
        yield from _walk_one(child, (*at, *place))


def message_errors(components: Sequence[Component], at: Path, *, v2: bool) -> Iterator[FieldError]:
    """What is wrong with a message's components; `v2` as its flag says."""
    everything = list(walk(components, at))
    if not v2 and len(components) > LEGACY_ROWS:  # #legacy-message-component-behavior
        yield _length(at, 1, LEGACY_ROWS)
    if len(everything) > COMPONENTS:  # nested ones count
        yield FieldError(at, "BASE_TYPE_MAX_LENGTH", f"Must be {COMPONENTS} or fewer in length.")
    if v2 and sum(len(component.content or "") for _, component in everything) > TEXT_LENGTH:
        said = f"The total size of text displayed must be {TEXT_LENGTH} or fewer in length."
        yield FieldError(at, "BASE_TYPE_MAX_LENGTH", said)
    allowed = IN_LAYOUT if v2 else IN_MESSAGE
    yield from _places(components, at, allowed, row={BUTTON} | SELECTS)
    for place, component in everything:
        yield from _component(component, place)
    yield from _duplicates(everything)


def check_modal(modal: ModalBody, at: Path) -> None:
    """interactions/receiving-and-responding#interaction-response-object-modal. Raises DiscordError 50035."""
    at = (*at, "components")
    everything = list(walk(modal.components, at))
    errors = list(_places(modal.components, at, IN_MODAL, row={TEXT_INPUT} | SELECTS))
    for place, component in everything:
        errors += [*_component(component, place), *_in_modal(component, place)]
    errors += _duplicates(everything)
    if errors:
        raise invalid_form(errors)


def check_references(components: Sequence[Component], filenames: Collection[str], at: Path) -> None:
    """#unfurled-media-item: `attachment://name` has to name a file of the message. Raises DiscordError 50035."""
    errors = [
        FieldError(
            (*place, "url"),
            "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
            "The referenced attachment was not found",
        )
        for component_at, component in walk(components, at)
        for place, url in _media(component, component_at)
        if url.startswith("attachment://") and url.removeprefix("attachment://") not in filenames
    ]
    if errors:
        raise invalid_form(errors)


def _places(
    components: Sequence[Component], at: Path, allowed: Collection[int], *, row: Collection[int]
) -> Iterator[FieldError]:
    """Each component has to stand where its type may."""
    for index, component in enumerate(components):
        place = (*at, index)
        if component.type not in allowed:
            yield _misplaced(place, allowed)
            continue
        inside = {ROW: row, SECTION: {TEXT}, CONTAINER: IN_CONTAINER}.get(component.type, ())
        yield from _places(component.components or [], (*place, "components"), inside, row=row)
        for name, child, fitting in (
            ("accessory", component.accessory, BESIDE_SECTION if component.type == SECTION else ()),
            ("component", component.component, IN_LABEL if component.type == LABEL else ()),
        ):
            if child and child.type not in fitting:
                yield _misplaced((*place, name), fitting)


def _misplaced(at: Path, allowed: Collection[int]) -> FieldError:
    said = f'Value of field "type" must be one of ({", ".join(map(str, sorted(allowed)))}).'
    return FieldError((*at, "type"), "UNION_TYPE_CHOICES", said)


def _duplicates(everything: Sequence[tuple[Path, Component]]) -> Iterator[FieldError]:
    """#anatomy-of-a-component: each custom_id, and each id that is given, is there once."""
    seen: set[str | int] = set()
    for place, component in everything:
        if component.custom_id in seen:
            said = "Component custom id cannot be duplicated"
            yield FieldError((*place, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", said)
        if component.id in seen:
            yield FieldError((*place, "id"), "COMPONENT_ID_DUPLICATED", "Component id cannot be duplicated")
        seen |= {given for given in (component.custom_id, component.id) if given}


def _component(component: Component, at: Path) -> Iterator[FieldError]:
    """What each type needs."""
    kind = component.type
    for name in _NEEDS.get(kind, ()):
        if not getattr(component, name):
            yield _required(at, name)
    if kind in SELECTS | INPUTS and not component.custom_id:
        yield _required(at, "custom_id")
    if kind in OPTIONS:
        yield from _options(component, at)
    if kind == BUTTON:
        yield from _button(component, at)
    if kind == ROW:
        yield from _row(component, at)
    if kind == SECTION and not 1 <= len(component.components or []) <= 3:
        yield _length((*at, "components"), 1, 3)
    least, most = component.min_values, component.max_values
    if least is not None and least > (1 if most is None and kind in SELECTS else most or COMPONENTS):
        yield FieldError((*at, "min_values"), "BASE_TYPE_BAD_RANGE", "Must not be above max_values.")
    for place, url in _media(component, at):
        yield from _scheme(component, (*place, "url"), url)


_NEEDS = {
    SECTION: ("accessory",),
    TEXT: ("content",),
    THUMBNAIL: ("media",),
    GALLERY: ("items",),
    FILE: ("file",),
    CONTAINER: ("components",),
    LABEL: ("label", "component"),
    TEXT_INPUT: ("style",),
}


def _media(component: Component, at: Path) -> Iterator[tuple[Path, str]]:
    """The URLs of what a component shows, each with the place of its object."""
    for name in ("media", "file"):
        if media := getattr(component, name):
            yield (*at, name), media.url
    for index, item in enumerate(component.items or []):
        yield (*at, "items", index, "media"), item.media.url


def _scheme(component: Component, at: Path, url: str) -> Iterator[FieldError]:
    """#file: only uploaded files; elsewhere pictures of the web too."""
    allowed = ("attachment",) if component.type == FILE else ("http", "https", "attachment")
    if url.partition("://")[0] not in allowed:
        said = f'Scheme "{url.partition("://")[0][:40]}" is not supported. Scheme must be one of {allowed}.'
        yield FieldError(at, "URL_TYPE_INVALID_SCHEME", said)


def _required(at: Path, name: str) -> FieldError:
    return FieldError((*at, name), "BASE_TYPE_REQUIRED", "This field is required")


def _length(at: Path, least: int, most: int) -> FieldError:
    return FieldError(at, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")


def _options(component: Component, at: Path) -> Iterator[FieldError]:
    """How many options, and that no two have the same value."""
    options = component.options or []
    least, most = OPTIONS[component.type]
    if not options:
        yield _required(at, "options")
    elif not least <= len(options) <= most:
        yield _length((*at, "options"), least, most)
    values = [option.value for option in options]
    for index, value in enumerate(values):
        if value in values[:index]:
            said = "The specified option value is already used"
            place = (*at, "options", index, "value")
            yield FieldError(place, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", said)


def _row(row: Component, at: Path) -> Iterator[FieldError]:
    """#action-row: one to five buttons, or one select, or (in a modal) one text input."""
    kinds = [child.type for child in row.components or []]
    limit = 5 if set(kinds) <= {BUTTON} else 1
    if not 1 <= len(kinds) <= limit:
        yield _length((*at, "components"), 1, limit)


def _button(button: Component, at: Path) -> Iterator[FieldError]:
    """#button: styles 1 to 4 need a custom_id, 5 a url, 6 a sku_id; and have none of the others."""
    if button.style not in range(1, 7):
        yield FieldError((*at, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5, 6).")
        return
    needed = {5: "url", 6: "sku_id"}.get(button.style or 0, "custom_id")
    if not getattr(button, needed):
        yield _required(at, needed)
    if button.url and button.custom_id:
        said = "A custom id and url cannot both be specified"
        yield FieldError((*at, "custom_id"), "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", said)
    if button.style == 6 and (button.label or button.custom_id or button.url):
        yield FieldError((*at, "style"), "BASE_TYPE_CHOICES", "A premium button has only a sku_id.")
    if button.url and button.url.partition("://")[0] not in ("http", "https", "discord"):
        said = "Scheme must be one of ('http', 'https', 'discord')."
        yield FieldError((*at, "url"), "URL_TYPE_INVALID_SCHEME", said)


def _in_modal(component: Component, at: Path) -> Iterator[FieldError]:
    """What differs in modals: shorter labels, nothing disabled, and no minimum of 0 where something is required."""
    if len(component.label or "") > LABEL_LENGTH:
        yield FieldError(
            (*at, "label"), "BASE_TYPE_MAX_LENGTH", f"Must be {LABEL_LENGTH} or fewer in length."
        )
    if component.disabled:
        yield FieldError((*at, "disabled"), "COMPONENT_DISABLED_IN_MODAL", "Cannot be disabled in a modal.")
    if component.min_values == 0 and component.required is not False:
        said = "Must be at least 1 where the field is required."
        yield FieldError((*at, "min_values"), "NUMBER_TYPE_MIN", said)
    if component.type in (FILE_UPLOAD, CHECKBOX_GROUP) and (component.max_values or 1) > UPLOADS:
        said = f"int value should be less than or equal to {UPLOADS}."
        yield FieldError((*at, "max_values"), "NUMBER_TYPE_MAX", said)
    if component.type == TEXT_INPUT:
        yield from _text_input(component, at)


def _text_input(field: Component, at: Path) -> Iterator[FieldError]:
    """#text-input: a style of 1 or 2, and a placeholder of 100 characters."""
    if field.style not in (None, 1, 2):
        yield FieldError((*at, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
    if len(field.placeholder or "") > 100:
        yield FieldError((*at, "placeholder"), "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
    if (field.min_length or 0) > (field.max_length or TEXT_LENGTH):
        yield FieldError((*at, "min_length"), "BASE_TYPE_BAD_RANGE", "Must not be above max_length.")
