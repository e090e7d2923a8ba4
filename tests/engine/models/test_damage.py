"""What the log says of a file that cannot be loaded."""

import logging

import pytest
import torch

from engine.models.damage import note_damage


def test_the_log_has_one_line_with_the_innermost_cause(caplog: pytest.LogCaptureFixture) -> None:
    try:
        try:
            raise ValueError("incomplete metadata\nand more")
        except ValueError:
            raise OSError("Unable to load weights") from None
    except OSError as error:
        with caplog.at_level(logging.INFO):
            note_damage("model torn: its unet", error)
    assert caplog.messages == ["model torn: its unet could not be loaded: ValueError: incomplete metadata"]


@pytest.mark.parametrize("short", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_where_memory_is_short_the_file_is_not_blamed(
    short: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(short)):
        note_damage("model large: its unet", short)
    assert caplog.messages == []
