"""One file over HTTPS, resumed where an earlier attempt ended. Blocking; no torch."""

import contextlib
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from engine.errors import Unavailable
from engine.models.fault import Missing, Truncated, WrongKind

BLOCK_BYTES = 1024 * 1024
TIMEOUT_S = 60.0  # without a single byte
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOGIN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

Told = Callable[[int, int], None]  # bytes that are there, of bytes in all


def download(url: str, target: Path, *, max_bytes: int, told: Told) -> None:
    """Get `url` into `target`, by way of `NAME.part` beside it, which stays for the next attempt where this one fails.

    `NAME.part.mark` has what the server calls this version of the file: another one is begun anew.
    Raises Missing, Truncated, WrongKind (not https, or larger than `max_bytes`) and Unavailable.
    """
    check_address(url)
    part = target.with_name(f"{target.name}.part")
    mark = part.with_name(f"{part.name}.mark")
    known = mark.read_text() if mark.exists() else ""
    there = part.stat().st_size if known and part.exists() else 0
    try:
        with _open(url, there, known) as response:
            check_address(response.url)  # where redirects led
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                there = 0
                mark.write_text(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
            total = there + (response.length or 0)
            check_room(total, there, target.parent, max_bytes)
            there = _write(response, part, there, total, max_bytes, told)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and there:
                part.unlink()  # another file is there now, or it was whole already
                download(url, target, max_bytes=max_bytes, told=told)
                return
            raise _refused(error.code) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
        raise Unavailable(f"The server could not be reached ({getattr(error, 'reason', error)}).") from None
    if there < total:
        raise Truncated(f"{total - there:,} bytes did not arrive; the same command goes on from here")
    part.replace(target)
    mark.unlink()


def check_room(total: int, there: int, folder: Path, max_bytes: int) -> None:
    """Raises WrongKind for what is larger than may be, Unavailable where the disk is too small."""
    if total > max_bytes:
        raise WrongKind(f"it has {total:,} bytes, more than {max_bytes:,}; --max-gb allows more")
    if (free := shutil.disk_usage(folder).free) < total - there:
        raise Unavailable(f"{total - there:,} bytes are to come, and the disk has {free:,} left.")


def check_address(url: str) -> None:
    """Raises WrongKind for what is no address, or none by which a file comes unchanged."""
    try:
        parts = urllib.parse.urlsplit(url)
        is_one = url.isascii() and url.isprintable() and " " not in url and parts.port != 0
    except ValueError:  # brackets without end, a port that is no number
        is_one = False
    if not is_one:
        raise WrongKind("its address is none: characters other than ASCII's are written as %20 and the like")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise WrongKind("its address is not https")


def _open(url: str, there: int, known: str) -> Any:
    headers = {"User-Agent": "darkroom", "Accept-Encoding": "identity"}
    if there:
        headers |= {"Range": f"bytes={there}-", "If-Range": known}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)


def _write(response: Any, part: Path, there: int, total: int, max_bytes: int, told: Told) -> int:
    """Append what comes, of which a server need not say how much it is; returns the bytes that are there."""
    with part.open("ab" if there else "wb") as stream, contextlib.suppress(HTTPException, ConnectionError):
        while block := response.read(BLOCK_BYTES):
            stream.write(block)
            there += len(block)
            check_room(there, there, part.parent, max_bytes)
            told(there, total)
    return there


def _refused(code: int) -> Exception:
    if code in LOGIN:
        return Unavailable(
            f"The server wants to know who asks ({code}): accept the model's terms in a browser, and give the address"
            " with the token that its page offers, or download the file there."
        )
    if code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return Missing("there is nothing at this address")
    return Unavailable(f"The server answered {code}; try again later.")
