"""The table of backends, and reading bundles with it."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.backends.answers import check_answer
from ltp_deploy.backends.backend import Backend, Engine, RunOptions, Session
from ltp_deploy.backends.messages import opening
from ltp_deploy.backends.null import Null
from ltp_deploy.backends.onnx import Onnx
from ltp_deploy.backends.openvino import OpenVino
from ltp_deploy.backends.process import keep_in_forks, native_calls
from ltp_deploy.backends.tensorrt import TensorRt
from ltp_deploy.backends.torch_cuda import TorchCuda
from ltp_deploy.backends.torchscript import TorchScript
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Compiled, EngineRecord, Manifest, read_manifest
from ltp_deploy.data.batch import one_token
from ltp_deploy.errors import BundleError
from ltp_deploy.heads import HEADS

_ALL: tuple[Backend, ...] = (OpenVino(), TensorRt(), TorchCuda(), Onnx(), TorchScript(), Null())

BACKENDS = {backend.name: backend for backend in _ALL}


def find_backend(name: str) -> Backend:
    """A backend by the name that manifests use.

    Raises:
        BundleError: there is none.
    """
    if name not in BACKENDS:
        raise BundleError(
            f"the bundle was built for the backend {name!r}, which this version does not have; "
            f"it has {', '.join(BACKENDS)}"
        )
    return BACKENDS[name]


def read_bundle(bundle: str | Path | BundleFiles) -> Manifest:
    """Read and check a bundle, see `read_manifest`."""
    files = BundleFiles.of(bundle)

    def record_of(backend: str) -> type[EngineRecord]:
        return find_backend(backend).record

    manifest = read_manifest(files, record_of)
    if manifest.model.head not in HEADS:
        raise BundleError(
            f"{files.directory} has the head {manifest.model.head!r}, which this version does not "
            f"have; it has {', '.join(HEADS)}"
        )
    return manifest


def open_session(
    bundle: Path | BundleFiles, engine: Compiled, options: RunOptions | None = None
) -> Session:
    """Load an engine with its backend; see `Backend.open`.

    Args:
        bundle: where the engine's files are; where they were checked, those that were.

    Raises:
        BundleError: also where the options ask for what engines of this kind cannot do.
    """
    files = BundleFiles.of(bundle)
    directory = files.directory
    backend, options = find_backend(engine.backend), options or RunOptions()
    if options.pruning != 1 and engine.model.policy.prunes and not backend.scales:
        raise BundleError(
            f"{directory} runs in {backend.name}, whose engines have their thresholds compiled in, "
            f"so pruning={options.pruning:g} needs a build of a checkpoint with other thresholds, "
            "or of this one for a target that runs in "
            f"{', '.join(b.name for b in _ALL if b.scales)}"
        )
    if (options.alive or options.survivors) and not counts(engine):
        raise BundleError(
            f"{directory} runs in {backend.name}, whose engines say what is alive only where they "
            "are built with `--outputs survivors`"
        )
    with opening(f"{backend.name} cannot run the engine in {directory}"), native_calls:
        session = backend.open(files, engine, options)
        # Engines prepare things at their first request, which no user is to wait for.
        first = one_token()
        check_answer(session.run(first), first["offsets"], engine)
    keep_in_forks(session)
    return session


def counts(engine: Compiled) -> bool:
    """Whether the engine can say how many tokens are alive after each layer."""
    return engine.options.survivors or find_backend(engine.backend).counts


def can_run(engine: Compiled) -> bool:
    """Whether this machine can run an engine."""
    return find_backend(engine.backend).can_run(engine)


def portable(engine: Engine) -> Engine | None:
    """The engine's form for the CPU, see `Backend.portable`."""
    return find_backend(engine.backend).portable(engine)
