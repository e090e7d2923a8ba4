"""`python -m engine.models list | add | fetch | convert | check | remove`: the models folder, from the command line.

Exit codes: 0; 1 where the answer is no; 65 where a file is no model, 66 where it is missing, 69 where the network or
the disk is out of reach, 73 where something of the name is there already, 78 for a wrong configuration.
"""

import argparse
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from engine import config
from engine.errors import EngineError
from engine.models.adapter_folder import AdapterFolder
from engine.models.collection import Folder
from engine.models.controls import ControlFolder
from engine.models.conversion import convert
from engine.models.detection import Kind
from engine.models.fault import Missing, NotAModel
from engine.models.fetching import GB, Fetcher, Shown
from engine.models.inventory import CONTROL, MODEL, UPSCALER, Inventory
from engine.models.upscaler_folder import UpscalerFolder

SAID_NO = 1
STOPPED = 128 + signal.SIGINT  # as shells say it
KINDS = ("lora", "embedding", "vae", "face", CONTROL, UPSCALER)  # beside models


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, say so; returns the exit code."""
    options = _arguments(arguments)
    try:
        settings = config.load(config.file(options.config), os.environ)
        return _do(options, Inventory(settings.models_folder, _beside(settings)))
    except EngineError as error:
        return _say(str(error), error.exit_code)
    except NotAModel as fault:
        code = os.EX_NOINPUT if isinstance(fault, Missing) else os.EX_DATAERR
        return _say(f"{options.what}: {fault}.", code)
    except FileExistsError as error:
        return _say(f"{error}: there is something of this name already.", os.EX_CANTCREAT)
    except KeyboardInterrupt:
        return _say("Stopped.", STOPPED)
    except OSError as error:
        return _say(f"{error.filename or options.what}: {error.strerror}.", os.EX_IOERR)


def _beside(settings: config.Settings) -> dict[str, Folder]:
    """The folders beside that of the models, as --kind names what is in them."""
    return {
        "lora": AdapterFolder(settings.loras_folder, Kind.LORA),
        "embedding": AdapterFolder(settings.embeddings_folder, Kind.EMBEDDING),
        "vae": AdapterFolder(settings.vaes_folder, Kind.VAE),
        "face": AdapterFolder(settings.faces_folder, Kind.FACE),
        CONTROL: ControlFolder(settings.controls_folder),
        UPSCALER: UpscalerFolder(settings.upscalers_folder),
    }


def _do(options: argparse.Namespace, inventory: Inventory) -> int:
    match options.command:
        case "list":
            _print(*inventory.table())
        case "add":
            _print(inventory.add(Path(options.what), options.kind))
        case "fetch":
            _print(*_fetch(options, inventory.root))
        case "convert":
            made = convert(Path(options.what), environ=os.environ)
            _print(f"{made.name} is made. {options.what} is not needed any more.")
        case "check":
            _print(*inventory.check(options.what, options.kind))
        case "remove":
            place = inventory.place(options.what, options.kind)
            if not options.yes and not _agreed(place):
                return _say("Nothing was removed.", SAID_NO)
            inventory.remove(options.what, options.kind)
            _print(f"{options.what} is removed.")
    return 0


def _fetch(options: argparse.Namespace, root: Path) -> list[str]:
    fetcher = Fetcher(
        root,
        endpoint=os.environ.get("HF_ENDPOINT"),
        max_bytes=int(options.max_gb * GB),
        told=Shown(),
    )
    return fetcher.fetch(
        options.what, name=options.name, expected=options.sha256, variant="fp16" if options.fp16 else ""
    )


def _agreed(place: Path) -> bool:
    sys.stderr.write(f"Remove {place} for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="darkroom models", description="The models folder.")
    parser.set_defaults(what="", config=None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what, says in (
        (
            "list",
            "",
            "All models and what goes with them, with family, size, digest, and what is wrong.",
        ),
        ("add", "FILE", "Verify a .safetensors, or a control's folder, and put it where its kind belongs."),
        ("fetch", "MODEL", "Download OWNER/MODEL from the hub, or a .safetensors by its address."),
        ("convert", "FILE", "Make a .safetensors beside a .ckpt or .pth, without running what is in it."),
        ("check", "NAME", "Read a model, or what goes with models, from beginning to end."),
        ("remove", "NAME", "Remove its files."),
    ):
        command = commands.add_parser(name, help=says, description=says)
        if what:
            command.add_argument("what", metavar=what)
        if name in ("add", "check", "remove"):
            command.add_argument("--kind", default="", choices=(MODEL, *KINDS), help="what of this name")
        if name == "remove":
            command.add_argument("--yes", action="store_true", help="do not ask")
        if name == "fetch":
            command.add_argument("--name", default="", help="what it is called here")
            command.add_argument("--sha256", default="", help="the digest that a file must have")
            command.add_argument("--fp16", action="store_true", help="prefer half the size")
            command.add_argument("--max-gb", type=_gigabytes, default=100, help="refuse more (default: 100)")
        command.add_argument("--config", type=Path, metavar="FILE", help="settings (default: config.toml)")
    return parser.parse_args(arguments)


def _gigabytes(text: str) -> float:
    if not 0 < (number := float(text)) < math.inf:
        raise ValueError
    return number


def _print(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"{sentence}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
