import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from bot.history.files import PictureFiles


@pytest.fixture
def files(tmp_path: Path) -> PictureFiles:
    return PictureFiles(tmp_path / "pictures")


def png(width: int = 600, height: int = 300) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return out.getvalue()


def everything_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_bytes_come_back_under_the_name_of_their_content(files: PictureFiles, tmp_path: Path) -> None:
    name = await files.write(b"bytes", "image/webp")
    assert name == hashlib.sha256(b"bytes").hexdigest()
    assert files.path(name, "image/webp") == tmp_path / "pictures" / name[:2] / name[2:4] / f"{name}.webp"
    assert await files.read(name, "image/webp") == b"bytes"


async def test_the_same_bytes_are_kept_once_and_nothing_lies_beside_them(
    files: PictureFiles, tmp_path: Path
) -> None:
    first, second = await files.write(b"same"), await files.write(b"same")
    assert first == second
    assert everything_in(tmp_path) == [files.path(first)]


async def test_a_write_that_fails_leaves_nothing_behind(files: PictureFiles, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        await files.write(b"bytes", "image/tiff")
    name = await files.write(b"bytes")
    files.path(name).unlink()
    files.path(name).symlink_to(tmp_path / "nowhere")  # seems absent, and is replaced
    await files.write(b"bytes")
    assert await files.read(name) == b"bytes"
    assert everything_in(tmp_path) == [files.path(name)]


async def test_a_thumbnail_is_a_small_jpeg_of_the_same_shape(files: PictureFiles) -> None:
    name = await files.write_thumbnail(png())
    with Image.open(files.path(name, "image/jpeg")) as image:
        assert (image.format, image.size) == ("JPEG", (256, 128))


async def test_a_small_picture_is_not_blown_up_for_its_thumbnail(files: PictureFiles) -> None:
    name = await files.write_thumbnail(png(64, 32))
    with Image.open(files.path(name, "image/jpeg")) as image:
        assert image.size == (64, 32)


async def test_removed_files_are_gone_and_removing_again_is_no_error(files: PictureFiles) -> None:
    gone, kept = await files.write(b"gone"), await files.write(b"kept")
    for _ in range(2):
        await files.remove([gone])
    assert not files.path(gone).exists()
    assert await files.read(kept) == b"kept"
    with pytest.raises(FileNotFoundError):
        await files.read(gone)
