"""TensorRT engines for a T4, built here without one: what is in them, and what is refused."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.backends.onnx.export import export
from ltp_deploy.backends.table import read_bundle
from ltp_deploy.backends.tensorrt import TensorRtEngine, library
from ltp_deploy.backends.tensorrt import compile as target
from ltp_deploy.backends.tensorrt.layers import LayerCounts
from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured, draft_build
from ltp_deploy.bundle.limits import Limits
from ltp_deploy.bundle.native import tensorrt_plugin
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.codec import to_json
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import BundleError, LtpError
from ltp_deploy.hardware.gpu import gpus
from ltp_deploy.report.bundle import describe
from ltp_deploy.report.plan import built as built_report
from ltp_deploy.runtime.engine import load
from tests.answers import batch_for, oracle_answers
from tests.tiny import LAYERS, random_texts

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")


def record(bundle: Path) -> TensorRtEngine:
    return read_bundle(bundle).record(TensorRtEngine)


def counts_of(engine: TensorRtEngine) -> LayerCounts:
    assert engine.layers is not None, "this TensorRT words its log otherwise"
    return engine.layers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "compact", "survivors", "syncs"),
    [
        ("absolute", "all", False, 2),  # the last layer carries the first tokens alone
        ("topk", "1", False, 1),
        ("relative", "bounded", False, 0),
        pytest.param("absolute", "all", True, 3, marks=pytest.mark.full),
        pytest.param("topk", "none", False, 0, marks=pytest.mark.full),
        pytest.param("reference", "all", False, 2, marks=pytest.mark.full),
        pytest.param(None, "auto", False, 0, marks=pytest.mark.full),
    ],
)
def test_the_engine_has_a_host_sync_for_each_compaction_and_no_other(
    policy: str | None,
    compact: str,
    survivors: bool,
    syncs: int,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("bert", policy)
    bundle = bundle_of(checkpoint, "t4", compact=compact, survivors=survivors)
    counts = counts_of(record(bundle))
    assert counts.host_syncs == syncs
    layers = json.loads((bundle / "layers.json").read_text())["layers"]
    # The same in both optimisation profiles.
    found = Counter(each["profile"] for each in layers if each["kind"] == "DeviceToShapeHost")
    assert found == ({0: syncs, 1: syncs} if syncs else {})
    assert counts.plugins == LAYERS
    # qkv, attention output, two of the FFN, and the two of the classifier
    assert counts.products == counts.products_fp16 == 4 * LAYERS + 2
    assert counts.fused_activations == LAYERS + 1
    assert counts.fused_norms >= 2 * LAYERS


@pytest.mark.slow
def test_int8_products_stand_between_q_and_dq_nodes(
    bert_checkpoint: Path, calibrated: Path, tmp_path: Path
) -> None:
    options = BuildOptions("t4", "int8", not_int8=(1,), portable=True)
    manifest = build(bert_checkpoint, tmp_path / "out", options, Measured(calibration=calibrated))
    counts = counts_of(manifest.record(TensorRtEngine))
    # All but layer 1's, and the classifier's last one, which is too narrow.
    assert counts.products_int8 == 4 * (LAYERS - 1) + 1
    assert counts.products_fp16 == 4 + 1
    assert counts.products == 4 * LAYERS + 2
    assert manifest.record(TensorRtEngine).run_by == "tensorrt"
    assert "int8 is promised for TensorRT itself" in built_report(manifest, tmp_path / "out")
    encoder = load_encoder(bert_checkpoint)
    batch = TransformersTokenizer(bert_checkpoint, encoder.config)(random_texts(32, seed=1))
    logits = load(tmp_path / "out", portable=True).run(batch).logits
    expected = oracle_answers(encoder, batch)[0]
    assert 0 < np.abs(logits - expected).mean() < 0.2 * expected.std()
    # The same nodes in both files, weights as bytes.
    for name in ("engine.onnx", "portable.onnx"):
        model = onnx.load(tmp_path / "out" / name, load_external_data=False)
        kinds = Counter(node.op_type for node in model.graph.node)
        assert kinds["QuantizeLinear"] == counts.products_int8
        assert kinds["DequantizeLinear"] == 2 * counts.products_int8


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        pytest.param("roberta", marks=pytest.mark.full),
        pytest.param("electra", marks=pytest.mark.full),
        "distilbert",
    ],
)
def test_every_family_builds(
    family: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint_of(family, "mixed"), "t4", survivors=False)
    engine = record(bundle)
    assert engine.compute_capability == "7.5"
    assert read_bundle(bundle).version(engine.library)
    assert counts_of(engine).plugins == LAYERS
    names = {path.name for path in bundle.iterdir()}
    assert {"engine.plan", "engine.onnx", "layers.json"} <= names
    layers = json.loads((bundle / "layers.json").read_text())
    assert layers["counts"] == to_json(engine.layers)


@pytest.mark.slow
def test_the_portable_model_of_a_bundle_answers_as_the_oracle(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    pytest.importorskip("onnxruntime")
    checkpoint = checkpoint_of("roberta", "topk")
    bundle = bundle_of(checkpoint, "t4", survivors=False, portable=True)
    parity = read_bundle(bundle).parity
    assert parity is not None
    assert parity.sequences > 0
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    logits, _ = oracle_answers(encoder, batch)
    found = load(bundle, portable=True).run(batch).logits
    assert abs(found - logits).max() < 0.05


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        # The typical request's tokens and sequences, then its mean length.
        ({"max_batch": 32, "usual_batch": 16}, [((1, 640, 1280), 32), ((1, 40, 40), 1)]),
        ({"max_batch": 4, "usual_batch": 16}, [((1, 160, 160), 4), ((1, 40, 40), 1)]),
        ({"max_batch": 1}, [((1, 40, 40), 1)]),
    ],
)
def test_single_sequences_have_a_profile_of_their_own(
    options: dict[str, int],
    sizes: list[tuple[Any, int]],
    checkpoint_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []

    def stop(job: Any) -> None:
        found.extend((each["input_ids"], each["offsets"]) for each in job.profiles)
        raise LtpError("enough")

    monkeypatch.setattr(target, "build_engine", stop)
    with pytest.raises(LtpError, match="enough"):
        build(checkpoint_of("bert", "absolute"), tmp_path / "out", BuildOptions("t4", **options))
    flat = [(tuple(n for (n,) in tokens), bounds[2][0] - 1) for tokens, bounds in found]
    assert flat == sizes


@pytest.mark.full
def test_limits_are_those_of_the_engine(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(
        checkpoint_of("bert", "absolute"), "t4", survivors=False, max_batch=4, max_length=20
    )
    assert read_bundle(bundle).limits == Limits(max_tokens=80, max_batch=4, max_length=20)


@pytest.mark.slow
@pytest.mark.skipif(bool(gpus()), reason="this machine has a GPU")
def test_without_a_gpu_loading_says_so(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint_of("bert", "absolute"), "t4", compact="all", survivors=False)
    with pytest.raises(BundleError, match=r"compute capability 7\.5, and this machine has no"):
        load(bundle)
    with pytest.raises(BundleError, match="has no portable model; build it with --portable-onnx"):
        load(bundle, portable=True)


def test_with_nothing_installed_that_builds_nothing_is_left(
    bert_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library.Library, "installed", property(lambda self: False))
    with pytest.raises(LtpError, match="no installed library builds engines for compute"):
        build(bert_checkpoint, tmp_path / "out", BuildOptions("t4"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_errors_of_tensorrt_are_passed_on(
    bert_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(job: Any) -> Any:
        model = export(job)
        model.graph.node[-1].op_type = "Frobnicate"
        return model

    monkeypatch.setattr(target, "export", spoilt)
    with pytest.raises(LtpError, match=r"(?s)did not build the engine:.*Frobnicate"):
        build(bert_checkpoint, tmp_path / "out", BuildOptions("t4"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 41}, "--max-length 41, but the model takes at most 40 tokens"),
        ({"max_length": 30, "max_tokens": 20}, "--max-tokens 20 leaves no room for"),
        ({"precision": "f32"}, "'t4' has no precision 'f32'; it has fp16"),
        ({"compact": "7"}, "layer 7 cannot compact"),
        ({"library": "tensorrt"}, "TensorRT"),
        (
            {"max_tokens": 12_000_000},
            r"more than a TensorRT tensor holds; pass --max-tokens 11184810",
        ),
    ],
)
def test_bad_options_are_refused(
    options: dict[str, Any], message: str, bert_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(LtpError, match=message):
        build(bert_checkpoint, tmp_path / "out", BuildOptions("t4", **options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_both_plugins_build_the_same_engine(
    bert_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tensorrt_plugin() is None:
        pytest.skip("libltp_tensorrt.so is not built: it takes TensorRT's headers")
    layers = []
    for name, plugin in (("cpp", tensorrt_plugin()), ("python", None)):
        monkeypatch.setattr(target, "tensorrt_plugin", lambda plugin=plugin: plugin)
        manifest = build(bert_checkpoint, tmp_path / name, BuildOptions("t4", compact="all"))
        assert manifest.record(TensorRtEngine).plugin == (plugin.name if plugin else None)
        found = json.loads((tmp_path / name / "layers.json").read_text())["layers"]
        layers.append([(x["kind"], x["inputs"], x["outputs"], x["nodes"]) for x in found])
    assert layers[0] == layers[1]


@pytest.mark.slow
def test_without_nvcc_the_build_says_that_there_are_no_kernels(
    bert_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "cuda_kernels", lambda: None)
    monkeypatch.setattr(target, "tensorrt_plugin", lambda: None)
    manifest = build(bert_checkpoint, tmp_path / "out", BuildOptions("t4"))
    assert "it brings no CUDA kernels" in built_report(manifest, tmp_path / "out")
    assert "no kernels: nvcc was missing" in describe(read_bundle(tmp_path / "out"))


@pytest.mark.parametrize("options", [{"portable": True}, {"library": "tensorrt_rtx"}])
def test_options_for_tensorrt_are_refused_elsewhere(
    options: dict[str, Any], bert_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(LtpError, match="is for t4, not for torchscript"):
        build(bert_checkpoint, tmp_path / "out", BuildOptions("torchscript", **options))


def test_a_dry_run_refuses_what_the_build_would(bert_checkpoint: Path) -> None:
    with pytest.raises(LtpError, match="more than a TensorRT tensor holds"):
        draft_build(bert_checkpoint, BuildOptions("t4", max_tokens=12_000_000), Measured())
