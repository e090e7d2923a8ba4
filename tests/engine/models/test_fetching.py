"""`darkroom models fetch`, against a server on this machine that behaves as the hub and as others do."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.models.__main__ import main
from engine.models.fault import Corrupt, Missing, NotAModel, Truncated, Unsafe, WrongKind
from engine.models.fetching import Fetcher
from engine.models.registry import Registry
from tests.engine.models import headers
from tests.engine.tiny_model import make_tiny_model

COMMIT = "c0ffee" * 6 + "c0ff"
REPO = "somebody/tiny"
Captured = pytest.CaptureFixture[str]


@dataclass
class Site:
    """What is served. `cut` ends the next answer after so many bytes, `status` answers everything with it.

    Without a `tag` versions are not told apart; `endless` sends a file again and again, and not how long it is.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    repo: dict[str, bytes] = field(default_factory=dict)
    lfs: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    status: int = 0
    error: str = ""
    tag: str = "told"
    endless: bool = False
    ranges: list[str] = field(default_factory=list)

    def serve_folder(self, folder: Path) -> None:
        self.repo = {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }

    def described(self) -> bytes:
        """The hub's answer to `GET /api/models/REPO?blobs=true`, as far as its client reads it."""
        siblings = [
            {"rfilename": name, "size": len(content), "blobId": "0"}
            | (
                {
                    "lfs": {
                        "sha256": self.lfs.get(name, _sha256(content)),
                        "size": len(content),
                        "pointerSize": 1,
                    }
                }
            )
            for name, content in self.repo.items()
        ]
        return json.dumps({"id": REPO, "sha": COMMIT, "siblings": siblings, "tags": []}).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, *, body: bool) -> None:
        content = self._content()
        if content is None or self.site.status:
            self._head(
                self.site.status or 404, b"", {"X-Error-Code": self.site.error} if self.site.error else {}
            )
            return
        tag = self.site.tag and f'"{_sha256(content)}"'
        status, extra = (
            200,
            {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"} | ({"ETag": tag} if tag else {}),
        )
        is_same = self.headers.get("If-Range", tag) == tag
        if is_same and (wanted := self.headers.get("Range")) is not None:
            self.site.ranges.append(wanted)
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self._head(416, b"", {})
                return
            status, extra = 206, extra | {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
            content = content[begin:]
        if self.site.endless:
            self._send_for_ever(content)
            return
        self._head(status, content, extra)
        if body:
            self.wfile.write(content[: self.site.cut or None])
            if self.site.cut:
                self.site.cut, self.close_connection = 0, True

    def _head(self, status: int, content: bytes, extra: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (extra | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()

    def _send_for_ever(self, content: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with suppress(ConnectionError):
            while True:
                self.wfile.write(content)

    def _content(self) -> bytes | None:
        path = self.path.partition("?")[0]
        if path == f"/api/models/{REPO}":
            return self.site.described()
        resolved = f"/{REPO}/resolve/{COMMIT}/"
        if path.startswith(resolved):
            return self.site.repo.get(path.removeprefix(resolved))
        return self.site.files.get(path)


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": served}))
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def fetcher(root: Path, site: Site) -> Fetcher:
    return Fetcher(root, endpoint=site.address, max_bytes=10**9, told=lambda _, __: None)


@pytest.fixture
def photo(site: Site, tmp_path: Path) -> bytes:
    """A checkpoint as far as its header tells, served at /photo.safetensors."""
    content = headers.write(tmp_path / "source", headers.checkpoint("sd1", text_width=32)).read_bytes()
    site.files["/photo.safetensors"] = content
    return content


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if not path.name.startswith(".")}


def test_a_file_comes_whole_and_says_its_digest(
    fetcher: Fetcher, site: Site, root: Path, photo: bytes
) -> None:
    said = fetcher.fetch(f"{site.address}/photo.safetensors", expected=_sha256(photo).upper())
    assert said == [f"SHA-256: {_sha256(photo)}", "photo is a model now."]
    assert {path.name for path in root.iterdir()} == {"photo.safetensors"}
    assert (root / "photo.safetensors").read_bytes() == photo


def test_what_broke_off_goes_on_where_it_ended(
    fetcher: Fetcher, site: Site, root: Path, photo: bytes
) -> None:
    site.cut = 1000
    with pytest.raises(Truncated, match=f"^{len(photo) - 1000:,} bytes did not arrive"):
        fetcher.fetch(f"{site.address}/photo.safetensors")
    assert names(root) == set()
    fetcher.fetch(f"{site.address}/photo.safetensors")
    assert site.ranges == ["bytes=1000-"]
    assert (root / "photo.safetensors").read_bytes() == photo


def test_a_file_that_changed_meanwhile_is_begun_anew(
    fetcher: Fetcher, site: Site, root: Path, photo: bytes
) -> None:
    for before in (b"x" * len(photo), b"x" * (len(photo) + 1)):
        site.files["/photo.safetensors"], site.cut = before, len(photo)
        if len(before) == len(photo):
            site.cut = 1000
        with pytest.raises(NotAModel):
            fetcher.fetch(f"{site.address}/photo.safetensors", name="other")
        site.files["/photo.safetensors"], site.cut = photo, 0
        fetcher.fetch(f"{site.address}/photo.safetensors", name="other")
        assert (root / "other.safetensors").read_bytes() == photo
        (root / "other.safetensors").unlink()


def test_where_a_server_does_not_tell_versions_apart_a_file_is_begun_anew(
    fetcher: Fetcher, site: Site, root: Path, photo: bytes
) -> None:
    site.tag, site.cut = "", 1000
    with pytest.raises(Truncated):
        fetcher.fetch(f"{site.address}/photo.safetensors")
    fetcher.fetch(f"{site.address}/photo.safetensors")
    assert site.ranges == []
    assert (root / "photo.safetensors").read_bytes() == photo


def test_another_address_does_not_go_on_with_what_the_first_one_left(
    fetcher: Fetcher, site: Site, root: Path, photo: bytes
) -> None:
    site.files["/a/photo.safetensors"], site.files["/b/photo.safetensors"] = b"x" * len(photo), photo
    site.cut = 1000
    with pytest.raises(Truncated):
        fetcher.fetch(f"{site.address}/a/photo.safetensors")
    fetcher.fetch(f"{site.address}/b/photo.safetensors")
    assert (root / "photo.safetensors").read_bytes() == photo


def test_what_is_being_fetched_already_is_not_fetched_by_a_second_one(
    site: Site, root: Path, photo: bytes
) -> None:
    address = f"{site.address}/photo.safetensors"
    second = Fetcher(root, endpoint=None, max_bytes=10**9, told=lambda _, __: None)
    refused = []

    def meanwhile(_: int, __: int) -> None:
        with pytest.raises(Unavailable, match="photo is being fetched already") as caught:
            second.fetch(address)
        refused.append(caught)

    Fetcher(root, endpoint=None, max_bytes=10**9, told=meanwhile).fetch(address)
    assert refused
    assert (root / "photo.safetensors").read_bytes() == photo


def test_a_wrong_digest_leaves_nothing(fetcher: Fetcher, site: Site, root: Path, photo: bytes) -> None:
    with pytest.raises(Corrupt, match=f"its SHA-256 is {_sha256(photo)}, not the one that was given"):
        fetcher.fetch(f"{site.address}/photo.safetensors", expected="0" * 64)
    assert not list(root.rglob("*.safetensors*"))


def test_what_is_no_model_is_thrown_away(fetcher: Fetcher, site: Site, root: Path) -> None:
    site.files["/page.safetensors"] = b"<html>"
    with pytest.raises(NotAModel):
        fetcher.fetch(f"{site.address}/page.safetensors")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (404, Missing, "nothing at this address"),
        (401, Unavailable, "accept the model's terms in a browser"),
        (403, Unavailable, "accept the model's terms in a browser"),
        (500, Unavailable, "The server answered 500"),
    ],
)
def test_a_server_that_gives_nothing_is_quoted_in_words(
    fetcher: Fetcher, site: Site, status: int, kind: type[Exception], says: str
) -> None:
    site.status, site.files["/a.safetensors"] = status, b""
    with pytest.raises(kind, match=says):
        fetcher.fetch(f"{site.address}/a.safetensors")


@pytest.mark.parametrize(
    ("what", "options", "says"),
    [
        ("http://example.org/a.safetensors", {}, "its address is not https"),
        ("file:///etc/a.safetensors", {}, "its address is not https"),
        ("https://example.org/.safetensors", {}, "its name has characters other than"),
        ("https://[::1/a.safetensors", {}, "its address is none"),
        ("https://example.org:99999/a.safetensors", {}, "its address is none"),
        ("https://example.org/модель.safetensors", {}, "its address is none"),
        ("https://example.org/a b.safetensors", {}, "its address is none"),
        ("a/b", {"name": "../up"}, "its name has characters other than"),
        ("a/b/c", {}, "it is neither an address nor a name like OWNER/MODEL"),
        ("a/b", {"expected": "0" * 64}, "--sha256 belongs to a single file"),
    ],
)
def test_what_cannot_be_fetched_is_said_before_anything_is_asked(
    fetcher: Fetcher, what: str, options: dict[str, str], says: str
) -> None:
    with pytest.raises(WrongKind, match=says):
        fetcher.fetch(what, **options)


def test_what_is_too_large_is_not_begun(root: Path, site: Site, photo: bytes) -> None:
    fetcher = Fetcher(root, endpoint=None, max_bytes=10, told=lambda _, __: None)
    with pytest.raises(WrongKind, match=f"it has {len(photo):,} bytes, more than 10; --max-gb allows more"):
        fetcher.fetch(f"{site.address}/photo.safetensors")


@pytest.mark.usefixtures("photo")
def test_what_never_ends_is_given_up_where_it_is_too_large(root: Path, site: Site) -> None:
    site.endless = True
    fetcher = Fetcher(root, endpoint=None, max_bytes=3 * 2**20, told=lambda _, __: None)
    with pytest.raises(WrongKind, match="more than 3,145,728; --max-gb allows more"):
        fetcher.fetch(f"{site.address}/photo.safetensors")


def test_a_hub_cannot_put_a_file_elsewhere(fetcher: Fetcher, site: Site, root: Path, folder: Path) -> None:
    site.serve_folder(folder)
    index = json.loads(site.repo["model_index.json"])
    site.repo["model_index.json"] = json.dumps(index | {"../..": ["diffusers", "X"]}).encode()
    site.repo["../../evil.json"] = b"{}"
    with pytest.raises(Unsafe, match="would lie elsewhere"):
        fetcher.fetch(REPO)
    assert not list(root.parent.rglob("evil.json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_tiny_model(tmp_path / "tiny", width=16, latent_side=8)
    return tmp_path / "tiny"


def test_a_pipeline_comes_from_the_hub_without_what_it_does_not_need(
    fetcher: Fetcher, site: Site, root: Path, folder: Path
) -> None:
    site.serve_folder(folder)
    needed = set(site.repo)
    site.repo |= dict.fromkeys(("unet/x.bin", "unet/code.py", "whole.safetensors", "README.md"), b"x")
    site.repo["unet/diffusion_pytorch_model.fp16.safetensors"] = b"x"
    assert fetcher.fetch(REPO) == ["tiny is a model now."]
    came = {str(path.relative_to(root / "tiny")) for path in (root / "tiny").rglob("*") if path.is_file()}
    assert came == needed
    assert [entry.fault for entry in Registry(root).entries()] == [None]
    assert names(root) == {"tiny"}


def test_half_the_size_is_preferred_where_it_is_asked_for(
    fetcher: Fetcher, site: Site, root: Path, folder: Path
) -> None:
    site.serve_folder(folder)
    for name in [name for name in site.repo if name.endswith("model.safetensors")]:
        site.repo[name.replace(".safetensors", ".fp16.safetensors")] = site.repo[name]
    fetcher.fetch(REPO, name="half", variant="fp16")
    weights = {path.name for path in (root / "half").rglob("*.safetensors")}
    assert weights == {"model.fp16.safetensors", "diffusion_pytorch_model.fp16.safetensors"}


def test_a_file_that_the_hub_describes_otherwise_is_refused_and_the_rest_is_kept(
    fetcher: Fetcher, site: Site, root: Path, folder: Path
) -> None:
    site.serve_folder(folder)
    site.lfs["vae/diffusion_pytorch_model.safetensors"] = "0" * 64
    with pytest.raises(
        Corrupt, match=r"its vae/diffusion_pytorch_model\.safetensors is not what the hub says"
    ):
        fetcher.fetch(REPO)
    assert names(root) == set()
    site.lfs.clear()
    fetcher.fetch(REPO)
    assert names(root) == {"tiny"}


@pytest.mark.parametrize(("status", "error"), [(403, "GatedRepo"), (401, ""), (404, "RepoNotFound")])
def test_a_gated_model_says_what_to_do(fetcher: Fetcher, site: Site, status: int, error: str) -> None:
    site.status, site.error = status, error
    with pytest.raises(Missing, match="accept its terms on its page, make a token there and set HF_TOKEN"):
        fetcher.fetch(REPO)


def test_a_repository_without_a_pipeline_is_told_from_one(fetcher: Fetcher, site: Site) -> None:
    site.repo["model.safetensors"] = b"x"
    with pytest.raises(Missing, match=r"it has no model_index\.json"):
        fetcher.fetch(REPO)


def test_the_command_says_what_it_did(
    site: Site, photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for name in [name for name in os.environ if name.startswith("DARKROOM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    address = f"{site.address}/photo.safetensors"
    assert main(["fetch", address, "--name", "mine", "--sha256", _sha256(photo)]) == 0
    assert capsys.readouterr().out == f"SHA-256: {_sha256(photo)}\nmine is a model now.\n"
    assert main(["fetch", address, "--name", "mine"]) == os.EX_CANTCREAT
    assert main(["fetch", f"{site.address}/no.safetensors"]) == os.EX_NOINPUT
    site.status = 500
    assert main(["fetch", REPO]) == os.EX_UNAVAILABLE
    assert "try again later" in capsys.readouterr().err
