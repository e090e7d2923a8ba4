"""`python -m engine.verify FILE [--json]`: what a picture's file says about where it comes from.

Exit codes: 0, also where nothing was found; 1 where a signature is broken; 65 where the file is no picture, 66
where it cannot be read, 78 for a wrong configuration.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from engine import config
from engine.errors import EngineError, Misconfigured
from engine.images import signing_key
from engine.images.examining import Findings, examine, sentences
from engine.images.reading import MAX_BYTES
from engine.images.signing_key import SigningKey

CHANGED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings; returns the exit code."""
    options = _arguments(arguments)
    warnings.simplefilter("ignore")  # Pillow's remarks on odd files
    try:
        settings = config.load(config.file(options.config), os.environ)
        with options.file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        found = _examine(data, settings)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{options.file}: {error.strerror}.\n")
        return os.EX_NOINPUT
    text = json.dumps(asdict(found)) if options.json else "\n".join(sentences(found))
    sys.stdout.write(f"{text}\n")
    return 0 if found.reliable else CHANGED


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.verify", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a PNG, JPEG or WebP")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of sentences")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: config.toml)")
    return parser.parse_args(arguments)


def _examine(data: bytes, settings: config.Settings) -> Findings:
    """With our own mark and, where there is one, our own key: nothing is made for a look."""
    key = _own_key(settings.signing_key_file)
    return examine(data, marks=[settings.engine.watermark, config.WATERMARK], key=key)


def _own_key(path: Path | None) -> SigningKey | None:
    """Our key; without it our signatures are valid, but somebody's."""
    try:
        return signing_key.load(path) if path is not None and path.exists() else None
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
    except PermissionError:  # the data folder is another user's
        pass
    return None


if __name__ == "__main__":
    sys.exit(main())
