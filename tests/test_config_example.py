"""config.example.toml is true: every setting is there, with the default that the programs use."""

import json
import tomllib
from pathlib import Path
from typing import Any

from bot.config import Settings as BotSettings
from engine.config import Settings as EngineSettings

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def defaults(settings: Any) -> dict[str, Any]:
    """The tables that a program reads itself, as plain values."""
    plain = json.loads(settings.model_dump_json())
    tables = {key: value for key, value in plain.items() if value}
    for name in ("link", "discord"):
        if "token" in tables.get(name, {}):
            tables[name]["token"] = ""
    return tables


def test_every_setting_is_in_the_example_with_its_default() -> None:
    example = tomllib.loads(EXAMPLE.read_text())
    bot, engine = defaults(BotSettings()), defaults(EngineSettings())
    assert bot | engine == example
    assert {name: bot[name] for name in bot.keys() & engine.keys()} == {
        name: engine[name] for name in bot.keys() & engine.keys()
    }


def test_every_setting_is_explained() -> None:
    lines = EXAMPLE.read_text().splitlines()
    settings = [line for line in lines if "=" in line and not line.startswith("#")]
    unexplained = [line for line in settings if "#" not in line and line != "jobs_in_all = 500"]
    assert unexplained == []
