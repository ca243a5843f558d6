"""Files in memory keep what they had, whoever writes to them meanwhile."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ltp_deploy.bundle.lease import take_lease
from ltp_deploy.bundle.mapping import MappedFile
from ltp_deploy.bundle.memory import Memory

CONTENT = bytes(range(251)) * 300  # several pages, and none like the next one


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def leased(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    probe.write_bytes(b"1")
    lease = take_lease(probe)
    if lease is None:
        pytest.skip("the file system grants no leases")
    lease.end()


def shorten(path: Path) -> None:
    os.truncate(path, 10)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"x" * len(CONTENT))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"other")
    os.replace(other, path)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [shorten, overwrite, replace, remove])
@pytest.mark.usefixtures("leased")
def test_what_happens_to_the_file_happens_to_no_reader(file: Path, change: object) -> None:
    assert callable(change)
    mapped = MappedFile(file)
    assert mapped.shared
    change(file)
    assert mapped.data == CONTENT
    assert mapped.shared == (change in (replace, remove))


@pytest.mark.usefixtures("leased")
def test_readers_notice_nothing_while_the_copy_is_made(file: Path) -> None:
    mapped, done, wrong = MappedFile(file), threading.Event(), []

    def read() -> None:
        while not done.is_set():
            wrong.extend([1] if mapped.data[::4096] != CONTENT[::4096] else [])

    reader = threading.Thread(target=read)
    reader.start()
    shorten(file)
    done.set()
    reader.join()
    assert not wrong
    assert mapped.data == CONTENT


def test_a_file_that_is_open_for_writing_is_copied(file: Path) -> None:
    with file.open("r+b") as writer:
        mapped = MappedFile(file)
        assert not mapped.shared
        writer.truncate(0)
    assert mapped.data == CONTENT


@pytest.mark.usefixtures("leased")
def test_a_writer_does_not_wait_for_those_who_are_gone(file: Path) -> None:
    mapped = MappedFile(file)
    del mapped
    descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK)  # fails where it would wait
    os.close(descriptor)


@pytest.mark.usefixtures("leased")
def test_several_readers_are_served(file: Path) -> None:
    mapped = [MappedFile(file) for _ in range(5)]
    shorten(file)
    assert all(one.data == CONTENT and not one.shared for one in mapped)


@pytest.mark.usefixtures("leased")
def test_the_signal_reaches_no_handler_of_the_program(file: Path) -> None:
    found: list[int] = []
    before = signal.signal(signal.SIGIO, lambda number, frame: found.append(number))
    try:
        mapped = MappedFile(file)
        shorten(file)
        assert mapped.data == CONTENT
        assert not found
    finally:
        signal.signal(signal.SIGIO, before)


def test_an_empty_file_has_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    mapped = MappedFile(path)
    path.write_bytes(b"more")
    assert mapped.data == b""


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MappedFile(tmp_path / "none")


def test_nothing_stays_open(file: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("this system does not say which files are open")
    MappedFile(file)
    before = len(list(folder.iterdir()))
    for _ in range(50):
        MappedFile(file)
    assert len(list(folder.iterdir())) == before


@pytest.mark.usefixtures("leased")
def test_a_process_ends_while_files_are_mapped(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ltp_deploy.bundle.mapping import MappedFile; "
        "mapped = MappedFile(Path(sys.argv[1])); print(len(mapped.data))"
    )
    command = [sys.executable, "-c", code, str(file)]
    assert int(subprocess.run(command, check=True, capture_output=True).stdout) == len(CONTENT)


@pytest.mark.usefixtures("leased")
def test_a_forked_process_does_not_end_the_lease(file: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from ltp_deploy.bundle.mapping import MappedFile
from ltp_deploy.bundle.memory import Memory
path = Path(sys.argv[1])
mapped = MappedFile(path)
if (child := os.fork()) == 0:
    del mapped
    os._exit(0)
os.waitpid(child, 0)
before = bytes(mapped.data)
os.truncate(path, 10)
print(mapped.shared, mapped.data == before)
"""
    command = [sys.executable, "-c", code, str(file)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert found.split() == ["False", "True"]


@pytest.mark.usefixtures("leased")
def test_a_fork_while_another_thread_opens_a_file_is_no_end(file: Path) -> None:
    code = """
import os, signal, sys, threading
from pathlib import Path
from ltp_deploy.bundle import lease
from ltp_deploy.bundle.mapping import MappedFile
held, leave = threading.Event(), threading.Event()
def take():
    with lease._starting:
        held.set()
        leave.wait()
threading.Thread(target=take).start()
held.wait()
if (child := os.fork()) == 0:
    signal.alarm(20)
    os._exit(not MappedFile(Path(sys.argv[1])).shared)
leave.set()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-c", code, str(file)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert found == "0\n"


@pytest.mark.usefixtures("leased")
@pytest.mark.parametrize("change", ["os.truncate(path, 10)", "path.write_bytes(b'x' * 75300)"])
def test_a_forked_process_is_guarded_too(file: Path, change: str) -> None:
    code = f"""
import os, sys
from pathlib import Path
from ltp_deploy.bundle.mapping import MappedFile
from ltp_deploy.bundle.memory import Memory
path = Path(sys.argv[1])
mapped = MappedFile(path)
before = path.read_bytes()
forked, changed = os.pipe(), os.pipe()
if os.fork() == 0:
    os.write(forked[1], b"1")
    os.read(changed[0], 1)
    print(mapped.shared, mapped.data == before, flush=True)
    os._exit(0)
os.read(forked[0], 1)
{change}
os.write(changed[1], b"1")
os.wait()
print(mapped.shared, mapped.data == before)
"""
    command = [sys.executable, "-c", code, str(file)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert found.split() == ["False", "True", "False", "True"]


@pytest.mark.usefixtures("leased")
def test_the_file_can_be_read_again_until_someone_writes(file: Path, tmp_path: Path) -> None:
    mapped = MappedFile(file)
    file.rename(tmp_path / "old")
    file.write_text("another")
    assert mapped.path is not None
    assert Path(mapped.path).read_bytes() == CONTENT
    assert mapped.shared
    shorten(tmp_path / "old")
    assert mapped.path is None
    assert not mapped.shared


@pytest.mark.usefixtures("leased")
def test_what_fails_leaves_no_lease(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> Memory:
        raise OSError("no memory")

    monkeypatch.setattr(Memory, "mapped", fails)
    with pytest.raises(OSError, match="no memory"):
        MappedFile(file)
    os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.usefixtures("leased")
def test_a_lease_that_the_system_ended_stops_no_other(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(CONTENT)
    first, second = MappedFile(file), MappedFile(other)
    assert first._lease is not None
    fcntl.fcntl(first._lease._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    shorten(other)
    assert second.data == CONTENT
    assert not second.shared
