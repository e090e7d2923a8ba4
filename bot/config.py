"""The bot's settings: one TOML file, shared with the engine, and DARKROOM_* variables over it.

config.example.toml lists every setting with its default; a test compares the two.
"""

import difflib
import os
import secrets
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from bot.errors import Misconfigured

DEFAULT_FILE = Path("config.toml")


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(Table):
    data: Path = Path("data")  # database, pictures, models, spool, keys


class Link(Table):
    url: str = Field("http://127.0.0.1:7801", pattern=r"^https?://\S+$")
    token: SecretStr = SecretStr("")  # empty: the file engine.token in the data folder, made at first start


class Log(Table):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Discord(Table):
    token: SecretStr = SecretStr("")
    sync_guilds: tuple[
        int, ...
    ] = ()  # commands appear in these servers at once; empty: everywhere, within the hour
    api: str = Field(
        "", pattern=r"^(https?://\S+)?$"
    )  # another server with Discord's protocol: the playground
    edit_every_s: float = Field(2.5, ge=0.1, le=60)  # Discord slows edits per channel


class Limits(Table):
    jobs_per_person: int = Field(5, ge=1, le=100)  # waiting and drawing, together
    jobs_in_all: int = Field(500, ge=1, le=10_000)
    wait_hours: float = Field(24, gt=0, le=24 * 7)  # a job that waited longer expires
    crashes: int = Field(2, ge=1, le=10)  # a job that killed the engine so often is not offered again
    attempts: int = Field(8, ge=1, le=100)


class History(Table):
    url: str = ""  # empty: SQLite in the data folder; postgresql+asyncpg://… for PostgreSQL


class Settings(BaseSettings):
    """Everything the bot can be told. Frozen; unknown keys are errors. `engine` is read by the engine."""

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    paths: Paths = Paths()
    link: Link = Link()
    log: Log = Log()
    discord: Discord = Discord()
    limits: Limits = Limits()
    history: History = History()
    engine: dict[str, Any] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  (pydantic calls by these names)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The first wins: the environment over the file, which `load` hands to __init__.
        return env_settings, init_settings, dotenv_settings, file_secret_settings


def load(path: Path | None) -> Settings:
    """The settings from `path` and the environment.

    Without a path, config.toml in the working folder is read where it exists.
    Raises Misconfigured with one sentence; a secret's value is never part of it.
    """
    try:
        return Settings(**_read(path))
    except ValidationError as error:
        raise Misconfigured(_explain(error)) from None
    except SettingsError:
        raise Misconfigured(
            "A DARKROOM_* variable in the environment is not valid JSON for its setting."
        ) from None


def discord_token(settings: Settings) -> str:
    """The bot's token. Raises Misconfigured where none is set."""
    token = settings.discord.token.get_secret_value().strip()
    if not token:
        raise Misconfigured(
            "discord.token is not set: copy the token from the Bot page of your application at "
            "https://discord.com/developers/applications, and put it under [discord] in the settings file or "
            "in the variable DARKROOM_DISCORD__TOKEN."
        )
    return token


def database_url(settings: Settings) -> str:
    """Where the history is: `history.url`, else SQLite in the data folder."""
    return settings.history.url or f"sqlite+aiosqlite:///{(settings.paths.data / 'darkroom.db').absolute()}"


def link_token(settings: Settings) -> str:
    """The token that bot and engine share: `link.token`, else the file engine.token in the data folder.

    Whichever program starts first makes the file, with mode 0600; the other reads it.
    Raises Misconfigured where the file cannot be made or read.
    """
    if token := settings.link.token.get_secret_value().strip():
        return token
    path = settings.paths.data / "engine.token"
    try:
        path.parent.mkdir(
            mode=0o700, parents=True, exist_ok=True
        )  # where it is new: prompts will be in there
        if not path.exists():
            _create_whole(path, secrets.token_urlsafe(32))
        token = path.read_text().strip()
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be used: {error.strerror}. It holds the engine's token."
        ) from None
    if not token:
        raise Misconfigured(f"{path} is empty: delete it, and a new token is made at the next start.")
    return token


def _create_whole(path: Path, text: str) -> None:
    """Make a private file that nobody sees half written. Where another process was faster, its file stays."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)  # unlike rename, fails where the name is taken
        except FileExistsError:
            return
    finally:
        aside.unlink()


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        if not DEFAULT_FILE.exists():
            return {}
        path = DEFAULT_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not valid TOML: {error}.") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is not a text file in UTF-8.") from None
    except FileNotFoundError:
        raise Misconfigured(f"There is no settings file {path}.") from None
    except OSError as error:
        raise Misconfigured(f"The settings file {path} cannot be read: {error.strerror}.") from None


def _explain(error: ValidationError) -> str:
    """The first thing that is wrong, as a sentence: the key, the limit, and the value unless it is secret."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    key = ".".join(where)
    if first["type"] == "extra_forbidden":
        return f"{key} is not a setting{_suggestion(key)}."
    limit = _LIMITS.get(first["type"], "has a wrong value").format(key=key, **first.get("ctx", {}))
    plain = isinstance(first["input"], str | int | float) and "token" not in where and len(where) > 1
    value = f"; it was {first['input']!r}" if plain and key != "history.url" else ""
    return f"{key} {limit}{value}."


_LIMITS = {  # by pydantic's error types, which are stable; its own messages are written for programmers
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "tuple_type": "must be a list in square brackets",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must begin with http:// or https://",
    "model_type": "must be a table: write [{key}] on a line of its own and its settings below",
    "dict_type": "must be a table: write [{key}] on a line of its own and its settings below",
}


def _suggestion(key: str) -> str:
    close = difflib.get_close_matches(key, _keys(), n=1)
    return f"; did you mean {close[0]}" if close else ""


def _keys() -> list[str]:
    """Every setting that there is: `table` and `table.key`."""
    keys = list(Settings.model_fields)
    for table, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
            keys += [f"{table}.{key}" for key in field.annotation.model_fields]
    return keys
