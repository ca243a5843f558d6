"""Bundles that were edited, damaged, or made for elsewhere are refused with the reason."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.files import BundleFiles, FileEntry, FileName, named_files
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.codec import to_json
from ltp_deploy.errors import BundleError
from ltp_deploy.runtime.engine import load
from tests.spoil import digest, edit_manifest, rewrite_manifest


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


def test_every_file_is_in_the_manifest_with_its_digest(bundle: Path) -> None:
    files = read_bundle(bundle).files
    there = {str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file()}
    assert there - set(files) == {"manifest.json", "manifest.sha256"}
    for name, entry in files.items():
        content = (bundle / name).read_bytes()
        assert entry == FileEntry(digest(content), len(content))


def test_the_manifest_says_what_was_built_from_what(
    bert_checkpoint: Path, bert_bundle: Path
) -> None:
    manifest = read_bundle(bert_bundle)
    assert (manifest.target, manifest.backend, manifest.precision) == ("cpu", "openvino", "f32")
    assert manifest.source.name == bert_checkpoint.name
    assert manifest.model.policy.score_length == 16
    assert manifest.model.labels == ("bad", "good")
    assert (manifest.model.head, manifest.model.max_length) == ("classification", 40)
    assert {"ltp_deploy", "openvino", "torch", "transformers"} <= manifest.versions.keys()
    assert manifest.parity is not None
    assert manifest.parity.max_logit_difference < 1e-4


def test_the_options_have_every_choice_filled_in(bert_bundle: Path) -> None:
    options = read_bundle(bert_bundle).options
    assert options == BuildOptions(
        target="cpu",
        precision="f32",
        survivors=True,
        score_length=16,
        first_token="keep",
        label_thresholds=(),
        compact="0,1,2",
        max_length=40,
    )


def test_what_is_written_is_what_is_read(bert_bundle: Path) -> None:
    document = json.loads((bert_bundle / "manifest.json").read_text())
    assert (document.pop("format"), document.pop("format_version")) == ("ltp-deploy bundle", 3)
    assert to_json(read_bundle(bert_bundle)) == document


FILES = ("engine.xml", "engine.bin", "libltp_openvino.so", "tokenizer/tokenizer.json")


@pytest.mark.parametrize("name", FILES)
def test_an_edited_file_is_refused(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    refuses(bundle, f"{name} was edited or damaged: its digest is not the recorded one")


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


@pytest.mark.parametrize("content", ["", "\xff\xfe", "0" * 64])
def test_a_manifest_with_another_hash_is_refused(bundle: Path, content: str) -> None:
    (bundle / "manifest.sha256").write_bytes(content.encode("latin-1"))
    refuses(bundle, r"manifest.json was edited or damaged")


def test_a_manifest_without_its_hash_is_refused(bundle: Path) -> None:
    (bundle / "manifest.sha256").unlink()
    refuses(bundle, "is incomplete: manifest.sha256 is missing")


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


def unlisted_plugin(manifest: dict) -> None:
    """The plugin would be loaded without its hash being checked."""
    del manifest["files"]["libltp_openvino.so"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (other_version, "bundle format 99, this version reads 3; rebuild it"),
        (other_platform, "was built for Linux riscv64, this is .*; rebuild it here"),
        (other_format, "is not the manifest of a bundle"),
        (other_openvino, "built with OpenVINO 2019.1.0, this is .* install openvino==2019.1.0"),
        (other_backend, "backend 'abacus', which this version does not have; it has openvino"),
        (unlisted_plugin, "names 'libltp_openvino.so', but lists no digest of it"),
    ],
)
def test_a_bundle_from_elsewhere_is_refused(
    bundle: Path, edit: Callable[[dict], None], message: str
) -> None:
    edit_manifest(bundle, edit)
    refuses(bundle, message)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("files", None, "has no entry `files`"),
        ("model.heads", None, "has no entry `model.heads`"),
        ("model.heads", "2", "`model.heads` must be an integer, found '2'"),
        ("model.heads", True, "`model.heads` must be an integer, found True"),
        ("model.heads", -4, "`model`: heads must be positive and below 2.31, found -4"),
        ("model.max_length", 41, "`model.max_length` must be 40"),
        ("model.labels", ["bad"], "`model`: 1 labels for 2 outputs"),
        ("model.labels", "bad", "`model.labels` must be a list, found 'bad'"),
        ("model.label_thresholds", None, "has no entry `model.label_thresholds`"),
        ("model.label_thresholds", [0.4, 0.4], "thresholds of labels, and the head is class"),
        ("model.label_thresholds", ["a"], r"`model.label_thresholds\[0\]` must be a number"),
        ("model.policy.score_length", 0, "score_length must be a positive integer"),
        ("model.policy.layers", [], "0 rules for 3 layers"),
        ("limits.max_batch", -1, "`limits`: limits of 0 tokens, -1 sequences"),
        ("limits.max_batch", 1.5, "`limits.max_batch` must be an integer, found 1.5"),
        ("plan.layers", {}, "`plan.layers` must be a list"),
        ("options.compact", None, "has no entry `options.compact`"),
        ("options.library", 3, "`options.library` must be a string, found 3"),
        ("engine.isa", None, "has no entry `engine.isa`"),
        ("engine.file", 7, "`engine.file` must be a string, found 7"),
        ("engine", "engine.xml", "`engine` must be an object, found 'engine.xml'"),
        ("parity.ties", "none", "`parity.ties` must be an integer"),
        ("surprise", 1, "has an unknown entry `surprise`"),
        ("precision", "f16", "unknown precisions 'f16' and 'f32'"),
        ("limits.max_length", 41, "a limit of 41 tokens, and the model takes 40"),
        ("inputs", ["input_ids", "labels"], r"unknown inputs \['labels'\]"),
        ("engine.isa", "avx3", "`engine.isa` must be one of '', avx2, found 'avx3'"),
        ("model.head", "ner", "has the head 'ner', which this version does not have"),
        ("model.policy.first_token", None, "has no entry `model.policy.first_token`"),
        ("model.policy.first_token", "kept", "first_token` must be one of keep, reference"),
        ("model.policy.mode", "topk", "has an unknown entry `model.policy.mode`"),
        ("model.policy.score_length", "16", "score_length` must be one of sequence, found '16'"),
        ("model.policy.layers", [{"mode": None, "threshold": 0}] * 3, r"layers\[0\].mode` must be"),
        ("model.policy.layers", [{"mode": "TOPK", "threshold": 0}] * 3, "must be one of none, abs"),
        ("model.policy.layers", [{"mode": "topk", "threshold": 2}] * 3, "must lie in 0..1"),
        ("model.max_length", 40.0, "`model.max_length` must be an integer, found 40.0"),
        ("options.max_batch", 0, "max_batch must be at least 1 and below 2.31, found 0"),
        ("options.not_int8", [-1], "not_int8 names layers from 0 on"),
        ("backend", 1, "names no `backend`"),
    ],
)
def test_an_entry_of_a_wrong_kind_is_refused_by_name(
    bundle: Path, place: str, value: object, message: str
) -> None:
    """`value` None takes the entry away."""
    *parents, name = place.split(".")

    def edit(manifest: dict) -> None:
        for parent in parents:
            manifest = manifest[parent]
        manifest[name] = value
        if value is None:
            del manifest[name]

    edit_manifest(bundle, edit)
    refuses(bundle, message)


@pytest.mark.parametrize("content", ["[]", "{", "null", '"text"'])
def test_a_manifest_that_is_none_is_refused(bundle: Path, content: str) -> None:
    rewrite_manifest(bundle, content)
    refuses(bundle, "not valid JSON|not the manifest of a bundle")


NAMED = (
    "engine.file",
    "engine.weights",
    "engine.plugin",
    "tokenizer.folder",
    "calibration",
    "files",
)


@pytest.mark.parametrize(
    "name",
    ["../outside.so", "/tmp/outside.so", "tokenizer/../../outside.so", "", ".", "a//b", "a\\b"],
)
@pytest.mark.parametrize("place", NAMED)
def test_a_path_that_leaves_the_bundle_is_refused(bundle: Path, place: str, name: str) -> None:
    """Of every entry that can name a file, whatever `files` lists."""
    outside = bundle.parent / "outside.so"
    outside.write_bytes(b"evil")

    def escape(manifest: dict) -> None:
        entry = {"digest": digest(b"evil"), "bytes": 4}
        manifest["files"][name] = entry
        holder, _, key = place.rpartition(".")
        if key != "files":
            (manifest[holder] if holder else manifest)[key] = name

    edit_manifest(bundle, escape)
    refuses(bundle, "is no path inside the bundle")


@pytest.mark.slow
def test_a_portable_model_cannot_lie_outside(bert_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    build(bert_checkpoint, tmp_path / "bundle", BuildOptions("onnx"))
    (tmp_path / "bundle" / "portable.onnx").rename(tmp_path / "outside.onnx")

    def escape(manifest: dict) -> None:
        manifest["files"]["../outside.onnx"] = manifest["files"].pop("portable.onnx")
        manifest["engine"]["file"] = "../outside.onnx"

    edit_manifest(tmp_path / "bundle", escape)
    refuses(tmp_path / "bundle", "is no path inside the bundle")


@pytest.mark.parametrize("name", ["libltp_openvino.so", "tokenizer"])
def test_a_symbolic_link_is_refused(bundle: Path, name: str) -> None:
    """Also one to a file or folder with the right content."""
    outside = (bundle / name).rename(bundle.parent / "outside")
    (bundle / name).symlink_to(outside)
    refuses(bundle, "is a symbolic link; a bundle holds its files themselves")


def test_a_file_that_would_never_end_is_refused(bundle: Path) -> None:
    (bundle / "engine.bin").unlink()
    os.mkfifo(bundle / "engine.bin")
    refuses(bundle, "engine.bin is no regular file")


def test_links_among_the_files_of_a_build_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="is a symbolic link"):
        BundleFiles(tmp_path).listing(())


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_was_added_to_the_tokenizer_is_refused(bundle: Path, link: bool) -> None:
    """Whoever reads the folder would read it too."""
    added = bundle / "tokenizer" / "added_tokens.json"
    outside = bundle.parent / "added_tokens.json"
    outside.write_text("{}")
    added.symlink_to(outside) if link else added.write_text("{}")
    refuses(bundle, "added_tokens.json is not in the manifest of .*; remove it, or rebuild")


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
def test_a_manifest_that_is_a_link_is_refused(bundle: Path, name: str) -> None:
    outside = (bundle / name).rename(bundle.parent / name)
    (bundle / name).symlink_to(outside)
    refuses(bundle, "is a symbolic link")


def test_a_key_that_stands_twice_is_refused(bundle: Path) -> None:
    text = (bundle / "manifest.json").read_text()
    rewrite_manifest(bundle, text.replace('"target": "cpu"', '"target": "cpu", "target": "t4"', 1))
    refuses(bundle, "not valid JSON: an object has the same key twice")


def test_a_size_or_a_hash_that_is_none_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, lambda m: m["files"]["engine.bin"].update(digest="abc"))
    refuses(bundle, "'abc' and .* are no digest and no size")


def test_names_are_found_in_tuples_and_mappings() -> None:
    """A backend whose engine has several files cannot forget to have them checked."""

    @dataclass(frozen=True)
    class Shards:
        one: FileName
        several: tuple[FileName, ...]
        named: dict[str, FileName]

    a, b, c = map(FileName, ("a.bin", "b.bin", "c.bin"))
    assert list(named_files(Shards(a, (b,), {"last": c}))) == [a, b, c]
