"""Files of a checkpoint that were made to do harm are refused: a line each, and no more memory or
time than the file's size is worth."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.files import WEIGHT_FILES
from ltp_deploy.checkpoint.save import new_checkpoint, save_encoder
from ltp_deploy.errors import CheckpointError, LtpError
from tests.embeddings import save_embedding
from tests.tiny import POLICIES, edit_config, save_tiny, save_tokenizer

QUERY = "bert.encoder.layer.1.attention.self.query.weight"
HUGE = (10**9, 10**18, -1, -(10**18), 1.5, "64", None, True, [64], {"a": 1})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = save_tiny(tmp_path_factory.mktemp("bert"), "bert")
    save_tokenizer(directory)
    AutoTokenizer.from_pretrained(directory).save_pretrained(directory)
    return directory


@pytest.fixture
def checkpoint(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "checkpoint")


def refused(directory: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as error:
        load_encoder(directory)
    assert "\n" not in str(error.value)


def as_bin(checkpoint: Path, edit: Callable[[Tensor], Tensor]) -> Path:
    """The weights as pytorch_model.bin, one of them edited."""
    state = load_file(checkpoint / "model.safetensors")
    state[QUERY] = edit(state[QUERY])
    (checkpoint / "model.safetensors").unlink()
    torch.save(state, checkpoint / "pytorch_model.bin")
    return checkpoint / "pytorch_model.bin"


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda t: t.to_sparse(), f"{QUERY} has the layout torch.sparse_coo"),
        (lambda t: t.to_sparse_csr(), f"{QUERY} has the layout torch.sparse_csr"),
        (lambda t: t.to("meta"), f"{QUERY} has no values"),
        (lambda t: t.to(torch.float8_e4m3fn), "not float16, .*float8_e4m3fn"),
        (lambda t: t.to(torch.complex64), "not float16, .*complex64"),
        (lambda t: t.double() * 1e300, "infinite values in float32: bert.encoder.layer.1"),
        (lambda t: t[:1, :1].expand(10**6, 10**6), f"{QUERY} repeats the same values in memory"),
        (lambda t: t[:0], "expected \\[64, 64\\], found \\[0, 64\\]"),
    ],
    ids=["sparse", "csr", "meta", "float8", "complex", "double", "expanded", "empty"],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
def test_tensors_of_other_kinds_are_refused(
    checkpoint: Path, edit: Callable[[Tensor], Tensor], match: str
) -> None:
    as_bin(checkpoint, edit)
    refused(checkpoint, match)


@pytest.mark.parametrize(
    ("dtype", "match"), [(torch.float8_e5m2, "float8_e5m2"), (torch.float64, "infinite values in")]
)
def test_so_they_are_in_safetensors(checkpoint: Path, dtype: torch.dtype, match: str) -> None:
    state = load_file(checkpoint / "model.safetensors")
    state[QUERY] = (state[QUERY].double() * (1e300 if dtype == torch.float64 else 1)).to(dtype)
    save_file(state, checkpoint / "model.safetensors")
    refused(checkpoint, match)


def test_a_type_that_pytorch_has_not_is_refused(checkpoint: Path) -> None:
    header = json.dumps(
        {QUERY: {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}
    ).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(3)
    (checkpoint / "model.safetensors").write_bytes(content)
    refused(checkpoint, "is not a readable safetensors file")


def test_a_compressed_archive_is_refused(checkpoint: Path) -> None:
    path = as_bin(checkpoint, torch.zeros_like)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    refused(checkpoint, "is compressed")


@pytest.mark.parametrize(
    "change", [(0, b"XXXX"), (6, b"\xff\xff")], ids=["no directory", "a version to come"]
)
def test_an_archive_that_is_damaged_is_refused(change: tuple[int, bytes], checkpoint: Path) -> None:
    path = as_bin(checkpoint, torch.zeros_like)
    content, (at, new) = bytearray(path.read_bytes()), change
    at += content.rindex(b"PK\x01\x02")  # an entry of the archive's directory
    content[at : at + len(new)] = new
    path.write_bytes(content)
    refused(checkpoint, "is damaged")


@pytest.mark.parametrize(
    "file",
    [
        *("config.json", "model.safetensors", "modules.json"),
        *("model.safetensors.index.json", "pytorch_model.bin"),
    ],
)
def test_files_of_holes_are_refused(file: str, checkpoint: Path) -> None:
    if file in WEIGHT_FILES:
        (checkpoint / "model.safetensors").unlink()
    with (checkpoint / file).open("wb") as empty:
        empty.truncate(10**12)
    refused(checkpoint, "nearly all of them holes")


@pytest.mark.parametrize(
    "file", ["vocab.txt", "tokenizer.json", "tokenizer_config.json", "added_tokens.json"]
)
def test_tokenizers_of_holes_are_refused(file: str, checkpoint: Path) -> None:
    with (checkpoint / file).open("wb") as empty:
        empty.truncate(10**12)
    with pytest.raises(LtpError, match="nearly all of them holes"):
        build(checkpoint, checkpoint / "bundle", BuildOptions(target="null"))


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("key", ["threshold", "score_length"])
def test_numbers_of_many_digits_are_refused(key: str, digits: int, checkpoint: Path) -> None:
    policy = POLICIES["absolute"]
    layers = [{**layer, "threshold": "@"} for layer in policy["layers"]]
    ltp = {**policy, "layers": layers} if key == "threshold" else {**policy, key: "@"}
    edit_config(checkpoint, ltp=ltp)
    path = checkpoint / "config.json"
    path.write_text(path.read_text().replace('"@"', "-1" + "0" * digits))
    refused(checkpoint, "the number -1000")


def test_names_that_no_bundle_can_hold_are_refused(checkpoint: Path) -> None:
    path = checkpoint / "config.json"
    edit_config(checkpoint, id2label={0: "@", 1: "good"})
    path.write_text(path.read_text().replace("@", "\\ud800"))
    refused(checkpoint, "surrogates")


@pytest.mark.parametrize("value", HUGE, ids=str)
@pytest.mark.parametrize(
    "key",
    [
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "vocab_size",
        "max_position_embeddings",
        "type_vocab_size",
        "pad_token_id",
        "num_labels",
    ],
)
def test_sizes_that_are_none_are_refused(key: str, value: Any, checkpoint: Path) -> None:
    if value in (None, -1) and key in ("pad_token_id", "num_labels"):
        value = -2  # those say that there is none
    edit_config(checkpoint, **{key: value})
    refused(checkpoint, ".")


@pytest.mark.parametrize("value", [[5], [[]], [None], {"a": 1}, 5, [True]], ids=str)
def test_architectures_are_names(value: Any, checkpoint: Path) -> None:
    edit_config(checkpoint, architectures=value)
    refused(checkpoint, "architectures must be a list of names")


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "file", ["config.json", "model.safetensors.index.json", "modules.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize("content", [NESTED, '{"a": ' * 100_000, "\udcff", '{"a": 1e', "5", "null"])
def test_files_that_hold_no_object_are_refused(file: str, content: str, checkpoint: Path) -> None:
    if "index" in file:
        (checkpoint / "model.safetensors").unlink()
    (checkpoint / file).write_text(content, errors="surrogateescape")
    with pytest.raises(LtpError) as error:
        build(checkpoint, checkpoint / "bundle", BuildOptions(target="null"))
    assert "\n" not in str(error.value)


def test_nested_pipelines_are_refused(tmp_path: Path) -> None:
    save_embedding(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").write_text(NESTED)
    refused(tmp_path, "is not valid JSON")


@pytest.mark.parametrize("file", ["tokenizer.json", "vocab.txt", "added_tokens.json"])
def test_a_link_out_of_the_checkpoint_is_not_copied(
    file: str, checkpoint: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text((checkpoint / file).read_text() if (checkpoint / file).exists() else "{}")
    (checkpoint / file).unlink(missing_ok=True)
    (checkpoint / file).symlink_to(secret)
    with pytest.raises(LtpError, match=r"is a link to .*secret, outside of the checkpoint"):
        new_checkpoint(tmp_path / "saved", checkpoint)
    encoder = load_encoder(checkpoint)
    with pytest.raises(LtpError, match="outside of the checkpoint"):
        save_encoder(encoder, checkpoint, tmp_path / "saved")
    assert not (tmp_path / "saved" / file).exists()


def test_a_link_out_of_a_pipeline_is_not_copied(tmp_path: Path) -> None:
    secret, checkpoint = tmp_path / "secret", tmp_path / "checkpoint"
    save_embedding(checkpoint)
    settings = checkpoint / "config_sentence_transformers.json"
    secret.write_text(settings.read_text() if settings.exists() else "{}")
    settings.unlink(missing_ok=True)
    settings.symlink_to(secret)
    encoder = load_encoder(checkpoint)
    with pytest.raises(LtpError, match="outside of the checkpoint"):
        save_encoder(encoder, checkpoint, tmp_path / "saved")
    assert not (tmp_path / "saved" / settings.name).exists()


def test_the_hubs_cache_is_made_of_links(original: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "revision"
    shutil.copytree(original, blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    build(snapshot, tmp_path / "bundle", BuildOptions(target="null"))
    save_encoder(load_encoder(snapshot), snapshot, tmp_path / "saved")
    assert not any(path.is_symlink() for path in (tmp_path / "saved").iterdir())
