"""The signature of a picture's file after C2PA: who made it, and whether a byte was changed since.

Nothing is fetched, neither for signing (no time stamp) nor for reading (no remote manifests, no revocation
lists): a stranger's file must not make us call anywhere. https://spec.c2pa.org
"""

import io
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import c2pa

from engine.images.signing_key import SigningKey
from engine.images.xmp import SOURCE_TYPE

_OFFLINE = {
    "version": 1,
    "builder": {"thumbnail": {"enabled": False}},  # a second copy of the picture in its own file
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
}
_OF_THE_FILE = "assertion.dataHash.mismatch"


class State(StrEnum):
    OURS = "ours"  # whole, and signed by the key that was given
    VALID = "valid"  # whole, and signed by somebody we do not know
    CHANGED = "changed"  # the file is not what was signed
    BROKEN = "broken"  # there is something like a signature, and it cannot be relied on


@dataclass(frozen=True)
class Signature:
    """What a file's signature says. `problems` are C2PA's own codes."""

    state: State
    signer: str = ""
    made_with: str = ""
    problems: tuple[str, ...] = ()


def sign(content: bytes, media_type: str, key: SigningKey, version: str) -> bytes:
    """The same picture with a signed manifest in it. Nothing may be written to the file afterwards."""
    made_with = {"name": "Darkroom", "version": version}
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": made_with}
    manifest = {
        "claim_generator_info": [made_with],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    info = c2pa.C2paSignerInfo(b"es256", key.chain.encode(), key.private.encode(), None)
    signed = io.BytesIO()
    with (
        c2pa.Signer.from_info(info) as signer,
        c2pa.Context(c2pa.Settings.from_dict(_OFFLINE)) as context,
        c2pa.Builder(json.dumps(manifest), context) as builder,
    ):
        builder.sign(signer, media_type, io.BytesIO(content), signed)
    return signed.getvalue()


def read_signature(content: bytes, media_type: str, key: SigningKey | None) -> Signature | None:
    """The signature of a file, checked; None where it has none. `key` is ours, to know it again."""
    trust = {"trust": {"user_anchors": key.authority}} if key else {}
    try:
        with (
            c2pa.Context(c2pa.Settings.from_dict(_OFFLINE | trust)) as context,
            c2pa.Reader(media_type, io.BytesIO(content), context=context) as reader,
        ):
            return _judged(json.loads(reader.json()), key.serial if key else "")
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, ValueError, RecursionError, KeyError, AttributeError):  # also an odd report
        return Signature(State.BROKEN)


def _judged(report: dict[str, Any], ours: str) -> Signature:
    """`ours` is the number of our own certificate: its authority may vouch for others as well."""
    manifest = report["manifests"][report["active_manifest"]]
    results = report.get("validation_results", {}).get("activeManifest", {})
    problems = tuple(sorted({str(failure.get("code")) for failure in results.get("failure", ())}))
    signed = manifest.get("signature_info", {})
    agents = manifest.get("claim_generator_info") or [{}]
    return Signature(
        state=_state(
            str(report.get("validation_state")), problems, str(signed.get("cert_serial_number")) == ours
        ),
        signer=str(signed.get("common_name", "")),
        made_with=f"{agents[0].get('name', '')} {agents[0].get('version', '')}".strip(),
        problems=problems,
    )


def _state(said: str, problems: tuple[str, ...], ours: bool) -> State:
    match said:
        case "Trusted" if ours:
            return State.OURS
        case "Trusted" | "Valid":
            return State.VALID
        case _:
            return State.CHANGED if _OF_THE_FILE in problems else State.BROKEN
