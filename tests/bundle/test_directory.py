"""Outputs appear whole or not at all, and nothing else stays beside them."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.bundle import directory, unfinished
from ltp_deploy.bundle.directory import new_directory, new_file
from ltp_deploy.errors import LtpError


def write(path: Path, text: str, force: bool = False) -> None:
    with new_directory(path, force, "marker", "thing") as work:
        (work / "marker").write_text(text)


def read(path: Path) -> str:
    return (path / "marker").read_text()


def test_a_directory_appears_whole_with_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with new_directory(path, False, "marker", "thing") as work:
        (work / "marker").write_text("new")
        assert not path.exists()
    assert read(path) == "new"
    assert os.listdir(path.parent) == ["b"]
    assert path.stat().st_mode & 0o777 == 0o755


def fail(made: AbstractContextManager[Path]) -> None:
    with made as work:
        (work / "half" if work.is_dir() else work).write_text("half")
        raise RuntimeError


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail(new_directory(tmp_path / "a" / "b", False, "marker", "thing"))
    assert os.listdir(tmp_path) == []


def test_neither_does_one_at_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(unfinished.tempfile, "mkdtemp", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "a" / "b", "new")
    assert os.listdir(tmp_path) == []


def test_an_empty_directory_may_be_there(tmp_path: Path) -> None:
    write(tmp_path, "new")
    assert read(tmp_path) == "new"


def test_what_exists_is_replaced_only_by_force_and_only_its_kind(tmp_path: Path) -> None:
    path, other = tmp_path / "thing", tmp_path / "other"
    write(path, "old")
    with pytest.raises(LtpError, match="exists; choose another output path or pass --force"):
        write(path, "new")
    write(path, "new", force=True)
    assert read(path) == "new"
    other.mkdir()
    (other / "mine").touch()
    with pytest.raises(LtpError, match="is no thing; it will not be replaced"):
        write(other, "new", force=True)
    assert sorted(os.listdir(tmp_path)) == ["other", "thing"]


@pytest.mark.parametrize("number", [0, errno.EINVAL])
def test_a_replacement_also_works_where_the_file_system_cannot_exchange(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "thing", "old")
    if number:
        monkeypatch.setattr(directory, "_EXCHANGE", 1 << 10)  # which no kernel knows
    write(tmp_path / "thing", "new", force=True)
    assert read(tmp_path / "thing") == "new"
    assert os.listdir(tmp_path) == ["thing"]


def test_a_link_leads_to_what_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "v1", "old")
    (tmp_path / "current").symlink_to("v1")
    write(tmp_path / "current", "new", force=True)
    assert (tmp_path / "current").is_symlink()
    assert read(tmp_path / "v1") == "new"
    assert sorted(os.listdir(tmp_path)) == ["current", "v1"]


def test_of_two_runs_into_one_path_the_second_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    with new_directory(path, True, "marker", "thing") as work:
        (work / "marker").write_text("first")
        with pytest.raises(LtpError, match=r"another run writes .*thing at this moment"):
            write(path, "second", force=True)
    assert read(path) == "first"


def test_a_run_that_was_overtaken_says_so(tmp_path: Path) -> None:
    path = tmp_path / "thing"

    def slow() -> None:
        with new_directory(path, False, "marker", "thing"):
            path.mkdir()
            (path / "marker").write_text("faster")

    with pytest.raises(LtpError, match="was written by another run meanwhile"):
        slow()
    assert read(path) == "faster"
    assert os.listdir(tmp_path) == ["thing"]


def test_what_came_there_meanwhile_is_replaced_only_if_it_is_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "thing"

    def slow() -> None:
        with new_directory(path, True, "marker", "thing"):
            path.write_text("somebody's file")

    with pytest.raises(LtpError, match="is no thing; it will not be replaced"):
        slow()
    assert path.read_text() == "somebody's file"
    assert os.listdir(tmp_path) == ["thing"]


def test_a_link_to_itself_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.symlink_to("thing")
    for force in (False, True):
        with pytest.raises(LtpError, match="is a symbolic link that leads to itself"):
            write(path, "new", force)
    assert os.listdir(tmp_path) == ["thing"]


KILLED_WITHIN = """
import os, signal, sys
from pathlib import Path
from ltp_deploy.bundle import directory
directory._EXCHANGE = 1 << 10  # which no kernel knows
rename = os.rename
def killed(old, new):
    rename(old, new)
    if str(new).endswith(".replaced"):
        os.kill(os.getpid(), signal.SIGKILL)
os.rename = killed
with directory.new_directory(Path(sys.argv[1]), True, "marker", "thing") as work:
    (work / "marker").write_text("new")
"""


def test_a_run_that_is_killed_while_it_replaces_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    write(path, "old")
    done = subprocess.run([sys.executable, "-c", KILLED_WITHIN, str(path)])
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(LtpError, match="exists; choose another output path"):
        write(path, "newer")
    assert read(path) == "old"
    write(path, "newer", force=True)
    assert read(path) == "newer"
    assert os.listdir(tmp_path) == ["thing"]


def test_nothing_is_left_where_it_cannot_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal may lie on a full disk."""
    monkeypatch.setattr(unfinished, "_journal", Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "thing", "new")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["open", "flock"])
def test_a_run_begins_again_where_another_takes_it_for_a_leftover(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run removes what nobody has locked yet."""
    module: Any = os if name == "open" else fcntl
    own, taken = getattr(module, name), list[Path]()

    def late(*arguments: Any) -> Any:
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].rmdir()
        return own(*arguments)

    monkeypatch.setattr(module, name, late)
    write(tmp_path / "thing", "new")
    assert len(taken) == 1
    assert os.listdir(tmp_path) == ["thing"]


KILLED = """
import os, signal, sys
from pathlib import Path
from ltp_deploy.bundle.directory import new_directory
with new_directory(Path(sys.argv[1]), True, "marker", "thing") as work:
    (work / "marker").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1
    write(path, "new")
    assert os.listdir(tmp_path) == ["thing"]


def test_a_forked_process_that_ends_takes_nothing_along(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    with new_directory(path, False, "marker", "thing") as work:
        (work / "marker").write_text("new")
        child = multiprocessing.get_context("fork").Process(target=sys.exit)
        child.start()
        child.join()
    assert read(path) == "new"


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    for text in ("one", "two"):
        with new_file(path) as work:
            work.write_text(text)
        assert path.read_text() == text
    with pytest.raises(RuntimeError):
        fail(new_file(path))
    assert path.read_text() == "two"
    assert os.listdir(path.parent) == ["file"]


def test_a_device_is_written_as_it_is() -> None:
    with new_file(Path(os.devnull)) as work:
        work.write_text("text")
    assert not Path(os.devnull).is_file()
