"""TensorRT sessions on a fake GPU: buffers, shapes, refusals. What a real one computes is not
tested here."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.backends.tensorrt import BuildCost, TensorRtEngine
from ltp_deploy.backends.tensorrt import session as tensorrt_session
from ltp_deploy.backends.tensorrt.library import Library
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.files import FileName
from ltp_deploy.bundle.manifest import write_manifest
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cuda import memory
from ltp_deploy.errors import BundleError, InputError, LtpError
from ltp_deploy.hardware.gpu import Gpu
from ltp_deploy.model.policy import Carry
from ltp_deploy.runtime.engine import Engine, load
from tests.answers import as_lists, batch_for, oracle_answers
from tests.backends import fake_cuda
from tests.backends.fake_cuda import Error, FakeContext, FakeRuntime, fake_tensorrt

VERSION = "10.3.0"
RECORD = TensorRtEngine(
    file=FileName("engine.plan"),
    onnx=FileName("engine.plan"),
    weights=FileName("engine.plan"),
    layers_file=FileName("engine.plan"),
    plugin=None,
    kernels=FileName("kernels"),
    plugin_sources=None,
    library="tensorrt",
    run_by="tensorrt",
    compute_capability="7.5",
    layers=None,
    built=BuildCost(1.0, 1.0),
    portable=None,
)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime()
    monkeypatch.setattr(memory, "runtime", lambda: fake)
    monkeypatch.setattr(tensorrt_session, "gpus", lambda: [Gpu("T4", "7.5")])
    monkeypatch.setattr(tensorrt_session, "cuda_kernels", lambda: None)
    return fake


@pytest.fixture
def bundle(
    request: pytest.FixtureRequest,
    checkpoint_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cuda: FakeRuntime,
) -> Path:
    """A bundle that says it is TensorRT's; its engine computes what TorchScript does."""
    output = tmp_path / "bundle"
    options = BuildOptions("torchscript", survivors=True, max_batch=8, max_tokens=120)
    manifest = build(checkpoint_of("bert", "mixed"), output, options)
    model = load(output).session
    changes = {"versions": {"tensorrt": VERSION}, **getattr(request, "param", {})}
    versions = changes.pop("versions")
    record = replace(RECORD, **changes)
    (output / "engine.plan").write_bytes(b"ftrt and so on")
    (output / "kernels").write_bytes(b"compiled")
    (output / "engine.pt").unlink()
    manifest = replace(manifest, backend="tensorrt", engine=record, versions=versions)
    assert Carry.SURVIVORS in manifest.plan.carries
    write_manifest(output, manifest)
    monkeypatch.setattr(Library, "load", lambda self: fake_tensorrt(VERSION, model, cuda))
    return output


@pytest.mark.parametrize("throughput", [False, True])
def test_requests_of_changing_sizes_are_answered(
    throughput: bool, bundle: Path, cuda: FakeRuntime, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(checkpoint_of("bert", "mixed"))
    engine = load(bundle, throughput=throughput)
    for lengths in ((25, 5, 1, 18), (1,), (40, 40, 40), (3, 3)):
        batch = batch_for(encoder, lengths)
        logits, survivors = oracle_answers(encoder, batch)
        result = engine.run(batch)
        np.testing.assert_allclose(result.logits, logits, atol=1e-4)
        assert as_lists(result.survivors) == survivors


@pytest.fixture
def bounded(bundle: Path) -> Path:
    """The bundle, if no size in it depended on the data."""
    manifest = read_bundle(bundle)
    layers = tuple(replace(each, carry=Carry.BOUNDED) for each in manifest.plan.layers)
    write_manifest(bundle, replace(manifest, plan=replace(manifest.plan, layers=layers)))
    return bundle


@pytest.mark.parametrize("throughput", [False, True])
def test_bounded_engines_run_as_cuda_graphs_from_the_third_time_on(
    throughput: bool, bounded: Path, cuda: FakeRuntime, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(checkpoint_of("bert", "mixed"))
    engine = load(bounded, throughput=throughput)
    lanes = 2 if throughput else 1
    times = 3 * lanes  # lanes take turns
    # In the same bucket: 56 rows and 4 sequences, 16 and 1, 120 (no more are there) and 3 or 8.
    for lengths in (
        (25, 5, 1, 18),
        (25, 7, 20),
        (10,),
        (14,),
        (40, 40, 40),
        (15,) * 8,
        (40, 40, 39),
    ):
        for time in range(times):
            batch = batch_for(encoder, lengths)
            logits, survivors = oracle_answers(encoder, batch)
            before = cuda.launches
            result = engine.run(batch)
            np.testing.assert_allclose(result.logits, logits, atol=1e-4)
            assert as_lists(result.survivors) == survivors
            again = lengths in ((25, 7, 20), (14,)) or time // lanes == 2
            assert cuda.launches - before == again, (lengths, time)


def test_single_sequences_use_their_own_profile(bundle: Path, cuda: FakeRuntime) -> None:
    engine = load(bundle)
    general, single = engine.session.lanes[0].executor.by_profile
    for count, context in ((1, single), (2, general), (1, single)):
        general.shapes.clear()
        single.shapes.clear()
        engine(input_ids=[[2, 9, 4]] * count)
        assert context.shapes["offsets"] == (count + 1,)
        assert not (general if context is single else single).shapes


def test_the_first_graphs_stay_where_there_are_too_many(bounded: Path, cuda: FakeRuntime) -> None:
    engine = load(bounded)
    engine.session.lanes[0].executor._graphs._most = 2
    for tokens in (9, 17, 25, 33) * 3:
        engine(input_ids=[[2] * tokens])
    assert cuda.launches == 2
    assert (
        len(engine.session.lanes[0].executor._loaded._engine.contexts) == 2 + 2
    )  # of the profiles, and of the graphs


def test_an_engine_for_less_than_the_manifest_says_is_refused(
    bundle: Path, cuda: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_cuda, "PROFILES", ((119, 8), (40, 1)))
    with pytest.raises(BundleError, match="takes 119 tokens in 8 sequences, the manifest says 120"):
        load(bundle)


def test_what_cannot_be_captured_runs_as_it_is(
    bounded: Path, cuda: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cuda, "cudaGraphInstantiate", lambda *_: (Error.cudaErrorMemoryAllocation, None)
    )
    engine = load(bounded)
    first = engine(input_ids=[[2] * 9]).logits
    with pytest.warns(UserWarning, match="not captured in a CUDA graph, and so slower: CUDA fail"):
        engine(input_ids=[[2] * 9])
    for _ in range(3):
        np.testing.assert_array_equal(engine(input_ids=[[2] * 9]).logits, first)
    assert cuda.launches == 0


def test_answers_stay_when_the_next_request_runs(bundle: Path, cuda: FakeRuntime) -> None:
    engine = load(bundle)
    first = engine(input_ids=[[2, 9, 4, 3]])
    kept = first.logits.copy()
    engine(input_ids=[[2, 7, 3]])
    np.testing.assert_array_equal(first.logits, kept)


@pytest.mark.parametrize(
    "bundle",
    [{"plugin": None}, {"plugin": FileName("kernels")}],
    indirect=True,
    ids=["python", "cpp"],
)
def test_a_process_may_load_several_bundles(bundle: Path, cuda: FakeRuntime) -> None:
    engines = [load(bundle) for _ in range(3)]
    first, *others = [engine(input_ids=[[2, 9, 4]]).logits for engine in engines]
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_failed_request_leaves_the_engine_usable(
    bundle: Path, cuda: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(bundle)
    waits = []
    monkeypatch.setattr(cuda, "cudaStreamSynchronize", lambda stream: waits.append(stream) or (0,))
    with monkeypatch.context() as broken:
        broken.setattr(FakeContext, "execute_async_v3", lambda self, stream: False)
        with pytest.raises(LtpError, match="TensorRT could not run the engine: no reason was"):
            engine(input_ids=[[2, 3]])
    assert waits
    assert len(engine(input_ids=[[2, 3]]).logits) == 1


@pytest.mark.parametrize("static", [False, True])
def test_memory_is_given_back(
    static: bool, cuda: FakeRuntime, request: pytest.FixtureRequest
) -> None:
    engine: Engine | None = load(request.getfixturevalue("bounded" if static else "bundle"))
    for _ in range(3):
        engine(input_ids=[[2] * 9])
    assert cuda.blocks
    del engine
    assert not cuda.blocks


def test_requests_beyond_the_limits_never_reach_the_gpu(bundle: Path, cuda: FakeRuntime) -> None:
    engine = load(bundle)
    with pytest.raises(InputError, match="9 sequences, the engine takes 8"):
        engine(input_ids=[[2, 3]] * 9)
    with pytest.raises(InputError, match="121 tokens, the engine takes 120"):
        engine(input_ids=[[2] * 40] * 3 + [[2]])
    assert len(engine(input_ids=[[2] * 40] * 3).logits) == 3


def test_too_little_memory_is_an_error(bundle: Path, cuda: FakeRuntime) -> None:
    cuda.memory = 100
    with pytest.raises(LtpError, match="CUDA failed: cudaErrorMemoryAllocation"):
        load(bundle)


@pytest.mark.parametrize(
    ("bundle", "message"),
    [
        ({"compute_capability": "8.6"}, r"for compute capability 8\.6, this is T4 with 7\.5"),
        ({"versions": {"tensorrt": "10.4.0"}}, r"with TensorRT 10\.4\.0, this is 10\.3\.0"),
        (
            {"library": "tensorrt_2"},
            "`engine.library` must be one of tensorrt, tensorrt_rtx, found 'tensorrt_2'",
        ),
        ({"kernels": None}, "built without nvcc, so it brings no kernels"),
    ],
    indirect=["bundle"],
)
def test_what_does_not_fit_is_refused(message: str, bundle: Path, cuda: FakeRuntime) -> None:
    with pytest.raises(BundleError, match=message):
        load(bundle)


def test_what_tensorrt_refuses_is_in_the_error(bundle: Path, cuda: FakeRuntime) -> None:
    manifest = read_bundle(bundle)
    (bundle / "engine.plan").write_bytes(b"no engine")
    write_manifest(bundle, manifest)
    with pytest.raises(BundleError, match=r"tensorrt refuses .* magic tag does not match"):
        load(bundle)
