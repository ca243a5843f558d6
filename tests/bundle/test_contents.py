"""A bundle's directory holds what its manifest lists, and nothing of anything else is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ltp_deploy.bundle.contents import SPARSE, check_contents, check_regular
from ltp_deploy.errors import BundleError

SIZES = {"a": 3, "folder/b": 4, "folder/inner/c": 0}
TERABYTE = 1 << 40


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for name, size in {**SIZES, "beside": 1}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    check_contents(tmp_path, SIZES, besides=("beside",))
    return tmp_path


def refuses(bundle: Path, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        check_contents(bundle, SIZES, besides=("beside",))


ADDED: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("1"),
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("place", ["added", "folder/added", "folder/inner/added", "folder/beside"])
@pytest.mark.parametrize("kind", ADDED)
def test_what_is_not_listed_is_refused(bundle: Path, kind: str, place: str) -> None:
    ADDED[kind](bundle / place)
    refuses(bundle, f"{place} is not in the manifest of .*; remove it, or rebuild")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "is no regular file"),
        ("link", "is a symbolic link; a bundle holds its files themselves"),
        ("dangling link", "is a symbolic link"),
        ("pipe", "is no regular file"),
    ],
)
@pytest.mark.parametrize("name", SIZES)
def test_what_is_no_file_is_refused(bundle: Path, name: str, kind: str, message: str) -> None:
    (bundle / name).unlink()
    ADDED[kind](bundle / name)
    refuses(bundle, message)


def test_a_folder_that_is_a_link_is_refused(bundle: Path) -> None:
    (bundle / "folder").rename(bundle / "elsewhere")
    (bundle / "folder").symlink_to("elsewhere")
    refuses(bundle, "elsewhere is not in the manifest|folder is a symbolic link")


@pytest.mark.parametrize("name", SIZES)
def test_a_missing_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    refuses(bundle, f"is incomplete: {name} is missing")


def test_a_file_in_the_place_of_a_folder_is_refused(bundle: Path) -> None:
    (bundle / "folder").rename(bundle.parent / "elsewhere")
    (bundle / "folder").write_text("1")
    refuses(bundle, "cannot be read: Not a directory")


def test_another_size_is_refused(bundle: Path) -> None:
    (bundle / "a").write_text("1234")
    refuses(bundle, "a is truncated or edited: 4 bytes, expected 3")


@pytest.mark.parametrize("listed", [True, False])
def test_a_file_of_holes_is_refused(bundle: Path, listed: bool) -> None:
    os.truncate(bundle / "a", TERABYTE)
    with pytest.raises(BundleError, match="a is 1099511627776 bytes, nearly all of them holes"):
        check_contents(bundle, {**SIZES, "a": TERABYTE if listed else 3}, ("beside",))
    with pytest.raises(BundleError, match="nearly all of them holes"):
        check_regular(bundle, "a")


def test_a_file_with_some_holes_is_a_file(bundle: Path) -> None:
    size = 100_000
    with (bundle / "a").open("r+b") as file:
        file.seek(size - size // (SPARSE // 2))
        file.write(b"x" * (size // (SPARSE // 2)))
    check_contents(bundle, {**SIZES, "a": size}, ("beside",))


def test_a_file_may_be_bounded(bundle: Path) -> None:
    check_regular(bundle, "a", 3)
    with pytest.raises(BundleError, match="a has 3 bytes, and no bundle's has more than 2"):
        check_regular(bundle, "a", 2)


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere cannot be read: No such file"):
        check_contents(tmp_path / "nowhere", {}, ())
