"""Components and embeds as Discord echoes them: numbered, with defaults, and with uploads resolved."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from bot.playground.clock import Snowflakes
from bot.playground.state import Json

# What Discord fills in where the bot said nothing, by component type.
DEFAULTS: Mapping[int, Json] = {
    **{select: {"min_values": 1, "max_values": 1} for select in (3, 5, 6, 7, 8)},
    11: {"description": None, "spoiler": False},
    13: {"spoiler": False, "name": None, "size": None},
    14: {"spacing": 1, "divider": True},
    17: {"accent_color": None, "spoiler": False},
}


class Echo:
    """Turns what a bot sent into what Discord answers, for one message.

    `attachment://name` becomes the upload's URL; `used` collects the ids of attachments shown that way.
    """

    def __init__(self, attachments: list[Json], snowflakes: Snowflakes) -> None:
        self._uploads = {f"attachment://{each['filename']}": each for each in attachments}
        self._snowflakes = snowflakes
        self._taken: set[int] = set()
        self.used: set[str] = set()

    def embeds(self, embeds: list[Json]) -> list[Json]:
        return [self._embed(embed) for embed in embeds]

    def _embed(self, embed: Json) -> Json:
        pictures = {
            name: self._media(embed[name])
            for name in ("image", "thumbnail")
            if isinstance(embed.get(name), dict)
        }
        for name in ("footer", "author"):
            upload = self._uploads.get((embed.get(name) or {}).get("icon_url", ""))
            if upload:
                self.used.add(upload["id"])
                icon = {"icon_url": upload["url"], "proxy_icon_url": upload["proxy_url"]}
                pictures[name] = {**embed[name], **icon}
        fields = [{"inline": False, **field} for field in embed.get("fields") or []]
        return {"type": "rich", **embed, **pictures, **({"fields": fields} if fields else {})}

    def components(self, components: list[Json]) -> list[Json]:
        """Numbered from 1, around the ids that the bot gave."""
        self._taken = {each["id"] for each in walk(components) if each.get("id")}
        return [self._component(component) for component in components]

    def _component(self, sent: Json) -> Json:
        echo = {**DEFAULTS.get(sent["type"], {}), **sent, "id": sent.get("id") or self._next()}
        if sent.get("components") is not None:
            echo["components"] = [self._component(each) for each in sent["components"]]
        for name in ("component", "accessory"):
            if sent.get(name):
                echo[name] = self._component(sent[name])
        if sent.get("items"):
            echo["items"] = [self._item(item) for item in sent["items"]]
        for name in ("media", "file"):
            if sent.get(name):
                echo[name] = self._unfurled(sent[name])
        if sent.get("emoji"):
            echo["emoji"] = emoji(sent["emoji"])
        if sent.get("options"):
            echo["options"] = [_option(option) for option in sent["options"]]
        if sent["type"] == 13 and (upload := self._uploads.get(sent["file"]["url"])):
            echo |= {"name": upload["filename"], "size": upload["size"]}
        return echo

    def _next(self) -> int:
        free = next(number for number in count(1) if number not in self._taken)
        self._taken.add(free)
        return free

    def _item(self, item: Json) -> Json:
        return {"description": None, "spoiler": False, **item, "media": self._unfurled(item["media"])}

    def _unfurled(self, media: Json) -> Json:
        return {"id": self._snowflakes.next(), **self._media(media)}

    def _media(self, media: Json) -> Json:
        upload = self._uploads.get(media["url"])
        if not upload:
            return {"proxy_url": media["url"], **media}
        self.used.add(upload["id"])
        told = ("url", "proxy_url", "width", "height", "content_type")
        return media | {name: upload[name] for name in told if name in upload}


def emoji(sent: Json) -> Json:
    """A unicode one by its name; one of a server by its id, and a name where the bot gave none."""
    return {"name": "_", **sent, **({"id": str(sent["id"])} if sent.get("id") else {})}


def _option(sent: Json) -> Json:
    return {**sent, **({"emoji": emoji(sent["emoji"])} if sent.get("emoji") else {})}


def walk(shape: Any) -> Iterator[Json]:
    """Every component in a list of components, nested ones too."""
    for component in shape if isinstance(shape, list) else [shape]:
        if isinstance(component, dict):
            yield component
            for name in ("components", "component", "accessory"):
                yield from walk(component.get(name) or [])


def find(components: list[Json], custom_id: str) -> Json | None:
    return next((each for each in walk(components) if each.get("custom_id") == custom_id), None)
