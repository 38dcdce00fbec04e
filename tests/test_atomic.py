"""A file that is published is there as a whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from splatcam.atomic import published, require_place


def test_what_was_written_beside_takes_the_place_of_the_old_file(tmp_path: Path):
    path = tmp_path / "scene.ply"
    path.write_bytes(b"old")
    with published(path) as beside:
        beside.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert beside.parent == tmp_path
        assert beside.suffix == ".ply"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path):
    plain, path = tmp_path / "plain", tmp_path / "published"
    plain.write_bytes(b"")
    with published(path) as beside:
        beside.write_bytes(b"")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_any_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: BaseException):
    path = tmp_path / "scene.ply"
    path.write_bytes(b"old")
    with pytest.raises(type(failure)), published(path) as beside:
        beside.write_bytes(b"half")
        raise failure
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_disk_names_the_file_that_was_asked_for(tmp_path: Path):
    tmp_path.joinpath("file").write_bytes(b"")
    for folder, error in (("missing", FileNotFoundError), ("file", NotADirectoryError)):
        path = tmp_path / folder / "scene.ply"
        with pytest.raises(error) as told, published(path) as beside:
            beside.write_bytes(b"x")
        assert told.value.filename == str(path)


def test_a_folder_is_not_replaced(tmp_path: Path):
    path = tmp_path / "scene.ply"
    path.mkdir()
    with pytest.raises(OSError) as told, published(path) as beside:
        beside.write_bytes(b"x")
    assert told.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_about_another_file_keeps_its_name(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as told, published(tmp_path / "scene.ply"):
        (tmp_path / "other").read_bytes()
    assert told.value.filename == str(tmp_path / "other")


def test_a_disk_that_says_only_at_the_end_that_it_is_full_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as told, published(tmp_path / "scene.ply") as beside:
        beside.write_bytes(b"x")
    assert told.value.filename == str(tmp_path / "scene.ply")
    assert not list(tmp_path.iterdir())


def test_a_place_where_a_file_can_be_is_left_as_it_was(tmp_path: Path):
    path = tmp_path / "scene.ply"
    require_place(path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    require_place(path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["none/scene.ply", "file/scene.ply", "folder"])
def test_a_place_where_no_file_can_be_is_told_by_its_name(tmp_path: Path, name: str):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as raised:
        require_place(tmp_path / name)
    assert raised.value.filename == str(tmp_path / name)
