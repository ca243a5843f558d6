"""Bundles that were edited, damaged, or made for elsewhere are refused with the reason."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ltp_deploy.bundle.manifest import read_manifest
from ltp_deploy.errors import BundleError
from ltp_deploy.runtime.engine import load
from tests.spoil import edit_manifest, rewrite_manifest


@pytest.fixture
def bundle(bert_bundle: Path, tmp_path: Path) -> Path:
    """A good bundle to spoil."""
    return shutil.copytree(bert_bundle, tmp_path / "bundle")


def refuses(bundle: Path, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load(bundle)


def test_a_bundle_may_be_moved(bundle: Path) -> None:
    moved = bundle.rename(bundle.parent / "elsewhere")
    assert load(moved)(input_ids=[[2, 3]]).logits.shape == (1, 2)


def test_every_file_is_in_the_manifest_with_its_hash(bundle: Path) -> None:
    files = read_manifest(bundle)["files"]
    there = {str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file()}
    assert there - set(files) == {"manifest.json", "manifest.sha256"}
    for name, entry in files.items():
        content = (bundle / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_the_manifest_says_what_was_built_from_what(
    bert_checkpoint: Path, bert_bundle: Path
) -> None:
    manifest = read_manifest(bert_bundle)
    assert (manifest["target"], manifest["backend"], manifest["precision"]) == (
        "cpu",
        "openvino",
        "f32",
    )
    assert manifest["source"]["name"] == bert_checkpoint.name
    assert manifest["model"]["policy"]["score_length"] == 16
    assert manifest["model"]["labels"] == ["bad", "good"]
    assert manifest["model"]["max_length"] == 40
    assert {"ltp_deploy", "openvino", "torch", "transformers"} <= manifest["versions"].keys()
    assert manifest["parity"]["max_logit_difference"] < 1e-4


FILES = ("engine.xml", "engine.bin", "libltp_openvino.so", "tokenizer/vocab.txt")


@pytest.mark.parametrize("name", FILES)
def test_an_edited_file_is_refused(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    refuses(bundle, f"{name} was edited or damaged: its hash is not the recorded one")


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-1])
    refuses(bundle, f"{name} is truncated or edited: {len(content) - 1} bytes, expected")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    refuses(bundle, f"is incomplete: {name} is missing")


def test_an_edited_manifest_is_refused(bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_text(path.read_text().replace('"score_length": 16', '"score_length": 17'))
    refuses(bundle, r"manifest.json was edited or damaged: its hash is not the recorded one")


@pytest.mark.parametrize("content", [None, "", "\xff\xfe", "0" * 64])
def test_a_manifest_without_its_hash_is_refused(bundle: Path, content: str | None) -> None:
    path = bundle / "manifest.sha256"
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    refuses(bundle, r"manifest.json was edited or damaged")


def test_a_directory_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    refuses(tmp_path, r"is not a bundle: it has no manifest.json")
    refuses(tmp_path / "nowhere", r"is not a bundle")


def other_version(manifest: dict) -> None:
    manifest["format_version"] = 99


def other_platform(manifest: dict) -> None:
    manifest["platform"]["machine"] = "riscv64"


def other_format(manifest: dict) -> None:
    manifest["format"] = "something"


def other_openvino(manifest: dict) -> None:
    manifest["versions"]["openvino"] = "2019.1.0"


def other_backend(manifest: dict) -> None:
    manifest["backend"] = "abacus"


def no_files(manifest: dict) -> None:
    del manifest["files"]


def unlisted_plugin(manifest: dict) -> None:
    """The plugin would be loaded without its hash being checked."""
    del manifest["files"]["libltp_openvino.so"]


def incomplete_model(manifest: dict) -> None:
    del manifest["model"]["heads"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (other_version, "bundle format 99, this version reads 2; rebuild it"),
        (other_platform, "was built for Linux riscv64, this is .*; rebuild it here"),
        (other_format, "is not the manifest of a bundle"),
        (other_openvino, "built with OpenVINO 2019.1.0, this is .* install openvino==2019.1.0"),
        (other_backend, "backend 'abacus', which has no runtime"),
        (no_files, "lists no files"),
        (unlisted_plugin, "names 'libltp_openvino.so', but lists no hash of it"),
        (incomplete_model, "`model` entry is incomplete: 'heads'"),
    ],
)
def test_a_bundle_from_elsewhere_is_refused(
    bundle: Path, edit: Callable[[dict], None], message: str
) -> None:
    edit_manifest(bundle, edit)
    refuses(bundle, message)


@pytest.mark.parametrize("content", ["[]", "{", "null", '"text"'])
def test_a_manifest_that_is_none_is_refused(bundle: Path, content: str) -> None:
    rewrite_manifest(bundle, content)
    refuses(bundle, "not valid JSON|not the manifest of a bundle")


@pytest.mark.parametrize("name", ["../outside.so", "/tmp/outside.so", "tokenizer/../../outside.so"])
@pytest.mark.parametrize("key", ["plugin", "engine", "tokenizer", "files"])
def test_a_path_that_leaves_the_bundle_is_refused(bundle: Path, key: str, name: str) -> None:
    outside = bundle.parent / "outside.so"
    outside.write_bytes(b"evil")

    def escape(manifest: dict) -> None:
        entry = {"sha256": hashlib.sha256(b"evil").hexdigest(), "bytes": 4}
        manifest["files"][name] = entry
        if key != "files":
            manifest[key] = name

    edit_manifest(bundle, escape)
    refuses(bundle, "outside the bundle")


def test_a_link_that_leaves_the_bundle_is_refused(bundle: Path) -> None:
    plugin = bundle / "libltp_openvino.so"
    outside = plugin.rename(bundle.parent / "outside.so")
    plugin.symlink_to(outside)
    refuses(bundle, "outside the bundle")
