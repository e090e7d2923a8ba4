"""A model from the hub, file by file. Only huggingface_hub talks to it; blocking, no torch."""

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from huggingface_hub.hf_api import RepoSibling

from engine.errors import Unavailable
from engine.models.digests import sha256
from engine.models.download import Told, check_room
from engine.models.fault import Corrupt, Missing, Unsafe, WrongKind
from engine.models.json_file import read_json

INDEX = "model_index.json"
WANTED = (".safetensors", ".json", ".txt", ".model", ".jinja")  # weights, configurations, tokenizers; no code
HIDDEN = (401, 403, 404)  # what is not there, is private, or is gated
VARIANT = re.compile(r"\.(fp16|bf16|fp32|non_ema|ema)\b")


class Hub:
    """`endpoint` is the hub's address; None is the public one."""

    def __init__(self, *, endpoint: str | None) -> None:
        self._endpoint = endpoint
        self._api = HfApi(endpoint=endpoint, library_name="darkroom")

    def fetch(self, repo: str, folder: Path, *, variant: str, max_bytes: int, told: Told) -> None:
        """Get a pipeline's files into `folder`; what is there from an earlier attempt is kept.

        `variant` such as "fp16" is preferred where a part has it. Raises Missing, WrongKind, Corrupt, Unavailable.
        """
        try:
            self._fetch(repo, folder, variant, max_bytes, told)
        except HFValidationError:
            raise WrongKind("it is neither an address nor a name like OWNER/MODEL") from None
        except LocalEntryNotFoundError:
            raise Unavailable(f"The hub broke off while {repo} came; the same command goes on.") from None
        except HfHubHTTPError as error:
            raise _refused(error.response.status_code) from None

    def _fetch(self, repo: str, folder: Path, variant: str, max_bytes: int, told: Told) -> None:
        info = self._api.model_info(repo, files_metadata=True)
        siblings = info.siblings or []
        if INDEX not in {file.rfilename for file in siblings}:
            raise Missing(f"it has no {INDEX}: give the address of one of its files instead")
        self._get(repo, info.sha, INDEX, folder)
        parts = [name for name, entry in read_json(folder, INDEX).items() if isinstance(entry, list)]
        files = wanted(siblings, parts, variant)
        for file in files:
            if (
                file.rfilename != str(PurePosixPath(file.rfilename))
                or ".." in PurePosixPath(file.rfilename).parts
            ):
                raise Unsafe(f"the hub has a file for it that would lie elsewhere ({file.rfilename[:80]!r})")
        total = sum(file.size or 0 for file in files)
        there = 0
        check_room(total, sum(_here(folder, file) for file in files), folder, max_bytes)
        for file in files:
            self._get(repo, info.sha, file.rfilename, folder)
            _check(folder / file.rfilename, file)
            told(there := there + (file.size or 0), total)
        shutil.rmtree(folder / ".cache", ignore_errors=True)

    def _get(self, repo: str, revision: str | None, name: str, folder: Path) -> None:
        hf_hub_download(repo, name, revision=revision, local_dir=folder, endpoint=self._endpoint)


def wanted(siblings: Iterable[RepoSibling], parts: Sequence[str], variant: str) -> list[RepoSibling]:
    """The index and the files of its parts that are needed: one precision of each part, and no pickles or code."""
    files = [file for file in siblings if file.rfilename.endswith(WANTED)]
    chosen = [file for file in files if file.rfilename == INDEX]
    for part in parts:
        own = [file for file in files if file.rfilename.rpartition("/")[0] == part]
        chosen += [file for file in own if not _is_weights(file)]
        weights = [file for file in own if _is_weights(file)]
        kinds = [[file for file in weights if _variant(file) == kind] for kind in (variant, "", "fp16")]
        chosen += next((kind for kind in kinds if kind), [])
    return chosen


def _refused(status: int) -> Exception:
    if status in HIDDEN:
        return Missing(
            "the hub does not show it: check its name; where it is gated, accept its terms on its page,"
            " make a token there and set HF_TOKEN"
        )
    return Unavailable(f"The hub answered {status}; try again later.")


def _is_weights(file: RepoSibling) -> bool:
    return ".safetensors" in file.rfilename and not file.rfilename.endswith(".json")


def _variant(file: RepoSibling) -> str:
    found = VARIANT.search(file.rfilename.rpartition("/")[2])
    return found[1] if found else ""


def _here(folder: Path, file: RepoSibling) -> int:
    path = folder / file.rfilename
    return path.stat().st_size if path.exists() else 0


def _check(path: Path, file: RepoSibling) -> None:
    """That a file is the one that the hub described."""
    if file.lfs is not None and sha256(path) != file.lfs.sha256:
        path.unlink()
        raise Corrupt(f"its {file.rfilename} is not what the hub says it is; the same command gets it again")
