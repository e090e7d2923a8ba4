"""The engine's settings: one TOML file, shared with the bot, and DARKROOM_<TABLE>__<KEY> variables over it.

config.example.toml lists every setting with its default; a test compares the two.
"""

import ipaddress
import re
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from engine import memory, private_file, violations
from engine.child import ENV_PREFIX
from engine.errors import Misconfigured
from engine.speed import Compiler, Speed
from engine.wire import Safety

DEFAULT_FILE = Path("config.toml")
TOKEN_BYTES = 32  # 256 bits
WATERMARK = "DRKROM"


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paths(Table):
    data: Path = Path("data")  # database, pictures, models, spool, keys


class Link(Table):
    url: str = "http://127.0.0.1:7801"
    token: SecretStr = SecretStr("")  # empty: the file engine.token in the data folder, made at first start

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not url.startswith("http://") or _host_and_port(url) is None:
            raise ValueError(f"must look like http://127.0.0.1:7801; it was '{url}'.")
        return url


class Log(Table):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Engine(Table):
    models: str = ""  # empty: the folder models in the data folder
    wildcards: str = ""  # empty: the folder wildcards in the data folder
    clip: str = ""  # of CLIP models; empty: the folder clip in the data folder
    safety_checker: str = ""  # its folder; empty: the folder safety in the data folder
    safety: Safety = Safety.OFF  # the least that every request gets
    controls: str = ""  # empty: the folder controlnets in the data folder
    loras: str = ""  # empty: the folder loras beside the models folder; so the next two
    embeddings: str = ""
    vaes: str = ""
    upscalers: str = ""  # empty: the folder upscalers in the data folder
    faces: str = ""  # of face restorers; empty: the folder faces in the data folder
    tiny: str = ""  # of tiny autoencoders; empty: the folder tiny in the data folder
    previews: Literal["matrix", "tiny"] = "matrix"  # what shows unfinished pictures
    decoder: Literal["own", "tiny"] = "own"  # what makes finished ones of latents
    device: str = "auto"  # cpu, cuda, cuda:1, mps
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    threads: int = Field(0, ge=0, le=1024)  # of the CPU; 0: what the machine has
    max_rows: int = Field(
        0, ge=0, le=256
    )  # rows of one forward pass; 0: measured. One picture is never split
    reproducible: bool = False  # one image a tick: the same request draws the same bits on this machine
    speed: Speed = Speed.EXACT  # balanced compiles the networks; fast also changes pictures a little
    compiler: Compiler = Compiler.AUTO  # what compiles; auto: OpenVINO on a CPU where it is installed
    memory: str = "auto"  # what models and drawing may take of the device, such as 6GB; auto: a GPU's own
    model_cache: str = "auto"  # of the machine's memory, for models that are not in use; auto: a quarter
    unload_minutes: float = Field(0.0, ge=0)  # without work, after which models are put away; 0: never
    cpu_fallback: bool = False  # draw on the CPU, slowly, what does not fit onto the GPU in any other way
    spool: str = ""  # of finished pictures; empty: the folder spool in the data folder
    queue: int = Field(100, ge=1, le=1000)  # jobs that wait; more are refused until one is drawn
    spool_hours: float = Field(24, gt=0, le=24 * 30)  # how long a finished picture is kept for the bot
    step_timeout_s: float = Field(300, gt=0)  # a worker that makes no step for so long is restarted
    load_timeout_s: float = Field(600, gt=0)  # the same, while it starts or loads a model
    grace_s: float = Field(30, ge=0)  # what is being drawn may be finished for so long after SIGTERM
    listen: str = ""  # host:port; empty: the address in link.url
    watermark: str = WATERMARK  # six characters, woven into every picture of 256 × 256 and more; empty: none
    sign: bool = True  # every picture's file, as C2PA describes it
    signing_key: str = ""  # empty: the file signing.pem in the data folder, made at the first start

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
            raise ValueError(f"must be auto, cpu, mps, cuda or cuda:N; it was '{device}'.")
        return device

    @field_validator("memory", "model_cache")
    @classmethod
    def _is_a_size(cls, size: str) -> str:
        memory.parse(size)
        return size

    @field_validator("listen")
    @classmethod
    def _is_host_and_port(cls, listen: str) -> str:
        if listen and _host_and_port(f"//{listen}") is None:
            raise ValueError(f"must look like 127.0.0.1:7801; it was '{listen}'.")
        return listen

    @field_validator("watermark")
    @classmethod
    def _is_48_bits(cls, watermark: str) -> str:
        if watermark and not re.fullmatch(r"[\x21-\x7e]{6}", watermark):
            raise ValueError(
                f"must be exactly 6 ASCII characters without spaces, or empty; it was '{watermark}'."
            )
        return watermark


class Settings(Table):
    """Everything the engine can be told. Frozen; unknown keys are errors. The bot reads the last three."""

    paths: Paths = Paths()
    link: Link = Link()
    log: Log = Log()
    engine: Engine = Engine()
    discord: dict[str, Any] = Field({}, repr=False)
    limits: dict[str, Any] = {}
    history: dict[str, Any] = {}

    @model_validator(mode="after")
    def _is_not_open_to_others(self) -> Self:
        host, _ = self.address
        if not is_loopback(host) and not self.link.token.get_secret_value().strip():
            raise ValueError(
                f"The engine would listen on {host}, where others can reach it: set link.token (32 random"
                " characters or more) for both programs, or listen on 127.0.0.1."
            )
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        address = _host_and_port(f"//{self.engine.listen}" if self.engine.listen else self.link.url)
        assert address is not None  # both were checked
        return address

    @property
    def models_folder(self) -> Path:
        return Path(self.engine.models) if self.engine.models else self.paths.data / "models"

    @property
    def wildcards_folder(self) -> Path:
        return Path(self.engine.wildcards) if self.engine.wildcards else self.paths.data / "wildcards"

    @property
    def upscalers_folder(self) -> Path:
        return Path(self.engine.upscalers) if self.engine.upscalers else self.paths.data / "upscalers"

    @property
    def faces_folder(self) -> Path:
        return Path(self.engine.faces) if self.engine.faces else self.paths.data / "faces"

    @property
    def tiny_folder(self) -> Path:
        return Path(self.engine.tiny) if self.engine.tiny else self.paths.data / "tiny"

    @property
    def clip_folder(self) -> Path:
        return Path(self.engine.clip) if self.engine.clip else self.paths.data / "clip"

    @property
    def safety_folder(self) -> Path:
        return Path(self.engine.safety_checker) if self.engine.safety_checker else self.paths.data / "safety"

    @property
    def controls_folder(self) -> Path:
        return Path(self.engine.controls) if self.engine.controls else self.paths.data / "controlnets"

    @property
    def loras_folder(self) -> Path:
        return Path(self.engine.loras) if self.engine.loras else self.models_folder.parent / "loras"

    @property
    def embeddings_folder(self) -> Path:
        return (
            Path(self.engine.embeddings)
            if self.engine.embeddings
            else self.models_folder.parent / "embeddings"
        )

    @property
    def vaes_folder(self) -> Path:
        return Path(self.engine.vaes) if self.engine.vaes else self.models_folder.parent / "vaes"

    @property
    def spool_folder(self) -> Path:
        return Path(self.engine.spool) if self.engine.spool else self.paths.data / "spool"

    @property
    def signing_key_file(self) -> Path | None:
        """Where the key is with which pictures are signed; None: they are not signed."""
        if not self.engine.sign:
            return None
        return Path(self.engine.signing_key) if self.engine.signing_key else self.paths.data / "signing.pem"

    @property
    def caps_file(self) -> Path:
        """Where the worker keeps what it measured about this machine."""
        return self.paths.data / "row-caps.json"

    @property
    def compiled_folder(self) -> Path:
        """Where torch keeps what it compiled, for the next start."""
        return self.paths.data / "compiled"

    @property
    def token_file(self) -> Path:
        return self.paths.data / "engine.token"


def _host_and_port(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        return (parts.hostname, parts.port) if parts.hostname and parts.port is not None else None
    except ValueError:  # a port that is no number, or too large a one
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def file(given: Path | None) -> Path | None:
    """The settings' file: the one that was given, else config.toml in this folder if it exists."""
    return given or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of the file, with the variables over them; without a file, defaults and variables.

    Raises Misconfigured with one sentence that names the key.
    """
    tables = _read(path) if path else {}
    for name, value in environ.items():
        table, separator, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if name.startswith(ENV_PREFIX) and separator and isinstance(tables.setdefault(table, {}), dict):
            tables[table][key] = value
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        raise Misconfigured(_sentence(error)) from None  # the original may hold a secret


def make_data_folder(settings: Settings) -> None:
    """Make `paths.data`, closed to other users: the bot's history in it holds prompts. Raises Misconfigured."""
    data = settings.paths.data
    try:
        private_file.make_folder(data)
    except OSError as error:
        raise Misconfigured(f"The data folder {data} cannot be made: {error.strerror}.") from None


def token_of(settings: Settings) -> str:
    """The bearer token: `link.token`, else the token file's, which is made (mode 0600) where it is missing.

    Bot and engine may start at the same moment: the file is complete when it appears, and the first one wins.
    Raises Misconfigured where the file cannot be read or made, or is empty.
    """
    if token := settings.link.token.get_secret_value().strip():
        return token
    path = settings.token_file
    try:
        if not path.exists():
            private_file.create(path, secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The token file {path} cannot be read or made.") from None
    if not token:
        raise Misconfigured(f"The token file {path} is empty: remove it, and a new one is made.")
    return token


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Misconfigured(f"There is no configuration file {path}.") from None
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The configuration file {path} cannot be read.") from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"The configuration file {path} is not valid TOML: {error}.") from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = violations.field_of(first)
    if first["type"] == "extra_forbidden":
        near = violations.near(field, violations.names_of(Settings))
        return f"{field} is not a setting" + (f"; did you mean {near}?" if near else ".")
    if not first["loc"]:
        return str(first["ctx"]["error"])
    return violations.sentence(first, show_value="token" not in field)
