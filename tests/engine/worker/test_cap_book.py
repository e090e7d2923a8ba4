"""What was measured once is known after a restart, on the same machine and nowhere else."""

import logging
from pathlib import Path

import pytest
import torch

from engine.speed import Speed
from engine.worker.cap_book import CapBook, machine_of
from engine.worker.device import Device

KEY = (4, 64, 64, 77, 768)
SLOW = '{"machine": "H200", "entries": [{"model": "abc", "key": "k", "rows": 2, "per_row": 1e308}]}'
CURVE = {2: 1.0, 4: 1.1, 8: 1.3, 16: 1.6}


def measured(file: Path, model: str = "abc") -> CapBook:
    book = CapBook(file=file, machine="H200")
    cap = book.cap(model)
    while (rows := cap.unknown(KEY)) is not None:
        cap.record(KEY, rows, CURVE[rows])
    return book


def test_a_restart_goes_on_with_the_cap_that_was_measured(tmp_path: Path) -> None:
    measured(tmp_path / "caps.json").save()
    cap = CapBook(file=tmp_path / "caps.json", machine="H200").cap("abc")
    assert cap.rows(KEY) == 16
    assert cap.unknown(KEY) is None


def test_the_first_tick_after_a_restart_is_a_warm_up_and_changes_nothing(tmp_path: Path) -> None:
    measured(tmp_path / "caps.json").save()
    cap = CapBook(file=tmp_path / "caps.json", machine="H200").cap("abc")
    cap.record(KEY, 16, 100.0)
    assert cap.rows(KEY) == 16


def test_models_are_measured_apart(tmp_path: Path) -> None:
    book = measured(tmp_path / "caps.json")
    assert book.cap("abc").rows(KEY) == 16
    assert book.cap("def").rows(KEY) == 2


def test_a_model_that_is_not_loaded_this_time_is_not_forgotten(tmp_path: Path) -> None:
    measured(tmp_path / "caps.json").save()
    measured(tmp_path / "caps.json", "def").save()
    assert CapBook(file=tmp_path / "caps.json", machine="H200").cap("abc").rows(KEY) == 16


def test_another_machine_measures_anew(tmp_path: Path) -> None:
    measured(tmp_path / "caps.json").save()
    assert CapBook(file=tmp_path / "caps.json", machine="CPU").cap("abc").rows(KEY) == 2


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"machine": "H200", "entries": [{"model": 1}]}', "\0", SLOW]
)
def test_a_damaged_file_is_discarded_with_one_line(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "caps.json").write_text(content)
    with caplog.at_level(logging.INFO):
        book = CapBook(file=tmp_path / "caps.json", machine="H200")
    assert book.cap("abc").rows(KEY) == 2
    assert [record.message for record in caplog.records] == [
        "caps.json cannot be read: the caps are measured anew"
    ]


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    book = measured(tmp_path / "caps.json")
    book.save()
    (tmp_path / "caps.json").unlink()
    book.save()
    assert not (tmp_path / "caps.json").exists()


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    measured(tmp_path / "no such folder" / "caps.json").save()
    assert "could not be kept" in caplog.text


def test_a_disk_that_takes_nothing_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "caps.json").mkdir()
    book = CapBook(file=tmp_path / "caps.json", machine="H200")
    caplog.clear()
    for rows in (2, 4):
        for _ in range(3):
            book.cap("abc").record(KEY, rows, CURVE[rows])
        book.save()
    assert [record.message for record in caplog.records] == [
        "what was measured could not be kept: Is a directory"
    ]


def test_without_a_file_nothing_is_kept() -> None:
    book = CapBook(file=None, machine="H200")
    book.save()
    assert book.cap("abc").rows(KEY) == 2


def test_a_fixed_cap_holds_for_every_model() -> None:
    assert CapBook(file=None, machine="H200", fixed=4).cap("abc").rows(KEY) == 4


def test_a_machine_is_told_by_what_changes_its_speed() -> None:
    device = Device(place=torch.device("cpu"), dtype=torch.bfloat16, reason="test")
    told = machine_of(device)
    assert f"torch {torch.__version__}" in told
    assert told.endswith("bfloat16, exact")
    assert machine_of(device, Speed.BALANCED) != told
    assert machine_of(device, Speed.BALANCED, "OpenVINO 1") != machine_of(device, Speed.BALANCED)
    assert f"{torch.get_num_threads()} threads" in told
