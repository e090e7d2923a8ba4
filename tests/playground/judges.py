"""Discord's traffic judged by what nobody here wrote: its OpenAPI file, and schemas of discord.js's types.

Both lie in shared/discord beside the repository; without them `judges` skips with that reason.
Used by every test that plays against the playground:

    assert judges.verdict(playground.traffic) == []
"""

import copy
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from bot.playground.traffic import Event, Exchange, Traffic

MATERIAL = Path(__file__).parents[2].parent / "shared" / "discord"

EVENTS = {
    "READY": "Ready",
    "GUILD_CREATE": "GuildCreate",
    "MESSAGE_CREATE": "MessageCreate",
    "MESSAGE_UPDATE": "MessageCreate",
    "GUILD_MEMBERS_CHUNK": "Members",
}


@dataclass(frozen=True)
class Violation:
    """One place in one message where a judge says that Discord would not have sent or taken it."""

    judge: str
    where: str
    path: str
    rule: str
    message: str


@dataclass(frozen=True)
class Finding:
    path: str
    rule: str
    message: str


class Judges:
    """Loads the schemas once; they are compiled as they are needed."""

    def __init__(self, material: Path) -> None:
        self._openapi = OpenApi(json.loads((material / "openapi.json").read_text()))
        self._types = Types(material / "gateway")

    def verdict(self, traffic: Traffic) -> list[Violation]:
        """On everything that went over the wire since the playground began."""
        forgotten = traffic.entries[0].number - 1 if traffic.entries else 0
        late = Violation(
            "judges", "traffic", "", "kept", f"{forgotten} entries were forgotten before they were judged"
        )
        return [*([late] if forgotten else []), *self.check(traffic.entries)]

    def check(self, traffic: Iterable[Exchange | Event | Mapping[str, Any]]) -> list[Violation]:
        """Every accepted request, every answer and every event. Refused requests are malformed on purpose."""
        found: list[Violation] = []
        for entry in traffic:
            shape = entry if isinstance(entry, Mapping) else vars(entry)
            found += self._exchange(shape) if shape["kind"] == "exchange" else self._event(shape)
        return found

    def _exchange(self, shape: Mapping[str, Any]) -> Iterator[Violation]:
        method, path, status = shape["method"], shape["path"], shape["status"]
        where = f"{method} {_shortened(path)}"
        accepted = status is None or status < 400
        if accepted and shape["body"] is not None:
            yield from _violations(
                "openapi", f"{where} request", self._openapi.request(method, path, shape["body"])
            )
        if status is not None and shape["answer"] is not None:
            answer = self._openapi.response(method, path, status, shape["answer"])
            yield from _violations("openapi", f"{where} {status}", answer)

    def _event(self, shape: Mapping[str, Any]) -> Iterator[Violation]:
        if shape["sent"]:
            yield from _violations("types", shape["name"], self._types.event(shape["name"], shape["data"]))


class OpenApi:
    """Discord's OpenAPI 3.1 file, whose schemas are plain JSON Schema 2020-12.

    Four known false alarms are allowed: ids in requests may be integers (the docs say "snowflake or number"),
    `default_member_permissions` may be a string (as the docs say), a 429 needs no `code`, and the codes inside
    a 50035 are names such as BASE_TYPE_REQUIRED (as in the docs' examples).
    """

    def __init__(self, document: dict[str, Any]) -> None:
        requests = copy.deepcopy(document)
        schemas = requests["components"]["schemas"]
        schemas["SnowflakeType"] = {"anyOf": [schemas["SnowflakeType"], {"type": "integer", "minimum": 0}]}
        rate_limits = copy.deepcopy(document)
        rate_limits["components"]["schemas"]["Error"]["required"].remove("code")
        self._paths: dict[str, Any] = document["paths"]
        self._registry: Registry[Any] = Registry().with_resources(
            [
                ("urn:requests", DRAFT202012.create_resource(requests)),
                ("urn:answers", DRAFT202012.create_resource(document)),
                ("urn:rate-limits", DRAFT202012.create_resource(rate_limits)),
            ]
        )
        self._templates: list[tuple[re.Pattern[str], str]] = sorted(
            ((re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path) for path in self._paths),
            key=lambda pair: pair[1].count("{"),
        )
        self._validators: dict[str, Any] = {}

    def request(self, method: str, path: str, body: Any) -> list[Finding]:
        template = self._template(method, path)
        if template is None:
            return [Finding("", "route", "no such operation in the OpenAPI file")]
        if "requestBody" not in self._paths[template][method.lower()]:
            return []
        pointer = f"/paths/{_escaped(template)}/{method.lower()}/requestBody/content/application~1json/schema"
        findings = self._findings("urn:requests", pointer, body)
        return [each for each in findings if not each.path.endswith("default_member_permissions")]

    def response(self, method: str, path: str, status: int, body: Any) -> list[Finding]:
        if status == 429:
            return self._findings("urn:rate-limits", "/components/schemas/RatelimitedResponse", body)
        if status >= 400:
            found = self._findings("urn:answers", "/components/schemas/ErrorResponse", body)
            return [each for each in found if not re.search(r"_errors/\d+/code$", each.path)]
        template = self._template(method, path)
        if template is None:
            return [Finding("", "route", "no such operation in the OpenAPI file")]
        answer = self._paths[template][method.lower()]["responses"].get(str(status))
        if answer is None:
            return [Finding("", "status", f"{status} is not among the documented answers")]
        if "application/json" not in answer.get("content", {}):
            return []
        pointer = f"/paths/{_escaped(template)}/{method.lower()}/responses/{status}/content/application~1json/schema"
        return self._findings("urn:answers", pointer, body)

    def _template(self, method: str, path: str) -> str | None:
        for pattern, template in self._templates:
            if pattern.fullmatch(path) and method.lower() in self._paths[template]:
                return template
        return None

    def _findings(self, urn: str, pointer: str, body: Any) -> list[Finding]:
        # a pointer in a URI fragment is percent-encoded: path templates hold braces
        reference = f"{urn}#{quote(pointer, safe='/~@')}"
        if reference not in self._validators:
            self._validators[reference] = jsonschema.Draft202012Validator(
                {"$ref": reference}, registry=self._registry
            )
        return findings(self._validators[reference], body)


class Types:
    """JSON Schemas generated from discord-api-types, which discord.js is typed by.

    Additional properties are no fault: Discord sends many fields that the types do not name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._validators: dict[str, Any] = {}

    def event(self, name: str, data: Any) -> list[Finding]:
        schema = _interaction_schema(data) if name == "INTERACTION_CREATE" else EVENTS.get(name)
        return self._findings(schema, data) if schema else []

    def _findings(self, schema: str, data: Any) -> list[Finding]:
        if schema not in self._validators:
            document = _open(json.loads((self._folder / f"{schema}.json").read_text()))
            self._validators[schema] = jsonschema.Draft7Validator(document)
        found = findings(self._validators[schema], data)
        return [each for each in found if each.path != "app_permissions"]  # a branded string in the types


def _open(schema: Any) -> Any:
    """The schema without its bans on additional properties."""
    if isinstance(schema, dict):
        kept = {
            key: value for key, value in schema.items() if key != "additionalProperties" or value is not False
        }
        return {key: _open(value) for key, value in kept.items()}
    return [_open(each) for each in schema] if isinstance(schema, list) else schema


def _interaction_schema(data: Mapping[str, Any]) -> str:
    if not isinstance(data.get("data"), Mapping):
        return "SlashInteraction"
    match data.get("type"):
        case 2:
            menus = {2: "UserMenuInteraction", 3: "MessageMenuInteraction"}
            slash = "SlashInteraction" if "guild_id" in data else "SlashInteractionDM"
            return menus.get(data["data"].get("type"), slash)
        case 3:
            return "ButtonInteraction" if data["data"].get("component_type") == 2 else "SelectInteraction"
        case 4:
            return "AutocompleteInteraction"
        case _:
            return "ModalInteraction"


def findings(validator: Any, body: Any) -> list[Finding]:
    found = {leaf for error in validator.iter_errors(body) for leaf in _leaves(error)}
    return sorted(found, key=lambda each: (each.path, each.rule))


def _leaves(error: jsonschema.ValidationError) -> list[Finding]:
    """A failed union becomes the errors of the branch that fits best: by its type tag, then by depth."""
    if error.context:
        branches: defaultdict[Any, list[jsonschema.ValidationError]] = defaultdict(list)
        for inner in error.context:
            branches[inner.schema_path[0]].append(inner)
        return [leaf for inner in min(branches.values(), key=_misfit) for leaf in _leaves(inner)]
    return [Finding("/".join(map(str, error.absolute_path)), str(error.validator), error.message[:200])]


def _misfit(branch: list[jsonschema.ValidationError]) -> tuple[bool, bool, int, int]:
    for_null = any(error.validator == "type" and error.validator_value == "null" for error in branch)
    tag = any(list(error.path)[-1:] == ["type"] and error.validator in ("const", "enum") for error in branch)
    return for_null, tag, -max(len(error.absolute_path) for error in branch), len(branch)


def _escaped(template: str) -> str:
    return template.replace("~", "~0").replace("/", "~1")


def _shortened(path: str) -> str:
    """Without ids and tokens, so that the same fault reads the same."""
    return re.sub(r"\d{15,}|aW50[\w=-]+", "*", path)


def _violations(judge: str, where: str, found: Iterable[Finding]) -> Iterator[Violation]:
    for each in found:
        yield Violation(judge, where, each.path, each.rule, each.message)


@pytest.fixture(scope="session")
def judges() -> Judges:
    """Skips where Discord's material is not beside the repository."""
    if not MATERIAL.exists():
        pytest.skip("shared/discord is not beside the repository")
    return Judges(MATERIAL)
