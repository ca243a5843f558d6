"""A TensorRT bundle as a PyTorch module, for services that are PyTorch already."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.backends.tensorrt import TensorRt, TensorRtEngine
from ltp_deploy.backends.tensorrt.plugin import NAMESPACE, VERSION
from ltp_deploy.backends.tensorrt.session import prepare, use_plugin
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Manifest
from ltp_deploy.errors import BundleError, InputError, how_to_install
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.positions import position_ids
from ltp_deploy.model.signature import NAME


def wrap(bundle: str | Path) -> WrappedEngine:
    """Open a TensorRT bundle through Torch-TensorRT.

    Raises:
        BundleError: the bundle is for another backend, this machine cannot run it, or
            Torch-TensorRT is missing or cannot be imported.
    """
    directory, files = Path(bundle), BundleFiles(bundle)
    manifest = read_bundle(files)
    record = manifest.engine
    if not isinstance(record, TensorRtEngine):
        misfit = TensorRt().misfit(manifest.model, manifest.precision)
        raise BundleError(
            f"{directory} was built for {manifest.backend}, and Torch-TensorRT runs TensorRT "
            f"engines alone: {misfit or 'build it with --target t4'}"
        )
    try:
        from torch_tensorrt._features import ENABLED_FEATURES
        from torch_tensorrt.dynamo.runtime import TorchTensorRTModule
    except Exception as error:  # without its libraries it raises many kinds
        raise BundleError(
            "Torch-TensorRT cannot be imported; install the release that fits this PyTorch with "
            f"{how_to_install('torch-tensorrt')} ({error})"
        ) from None
    own = "tensorrt_rtx" if getattr(ENABLED_FEATURES, "tensorrt_rtx", False) else "tensorrt"
    if record.library != own:
        raise BundleError(
            f"{directory} was built with {record.library}, this Torch-TensorRT runs {own}; "
            f"build it with --library {own}"
        )
    trt = prepare(directory, manifest)
    registry = trt.get_plugin_registry()
    if registry.get_creator(NAME, VERSION, NAMESPACE) is None:  # another bundle's serves as well
        use_plugin(trt, registry, files, record)
    engine = TorchTensorRTModule(
        bytes(files.file(record.file).data),
        input_binding_names=list(manifest.inputs),
        output_binding_names=list(manifest.outputs),
        name=directory.name,
        requires_output_allocator=manifest.options.survivors,
    )
    return WrappedEngine(engine, manifest)


class WrappedEngine(nn.Module):
    """The engine on packed CUDA tensors, without a copy through the host."""

    def __init__(self, engine: nn.Module, manifest: Manifest):
        super().__init__()
        self.engine = engine
        self.inputs = manifest.inputs
        self.config = manifest.model
        self.limits = manifest.limits

    def forward(
        self, input_ids: Tensor, offsets: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """Classify packed sequences.

        Args:
            input_ids, token_type_ids: [T] integers on the GPU, all sequences one after another.
            offsets: [B+1] integers on the GPU, where each begins and ends. No sequence may be
                longer than `limits.max_length`: that is not checked, as it would take a host sync.

        Returns:
            logits [B, labels] float32; with a bundle that reports survivors, a tuple that begins
            with them, followed by the bundle's other outputs.

        Raises:
            InputError: more tokens or sequences than the engine takes.
        """
        limits = self.limits
        tokens, sequences = len(input_ids), len(offsets) - 1
        if tokens > limits.max_tokens or sequences > limits.max_batch:
            raise InputError(
                f"{tokens} tokens in {sequences} sequences; the engine takes {limits.max_tokens} "
                f"in {limits.max_batch}"
            )
        given = {
            "input_ids": input_ids,
            "position_ids": device_position_ids(input_ids, offsets, self.config),
            "token_type_ids": torch.zeros_like(input_ids)
            if token_type_ids is None
            else token_type_ids,
            "offsets": offsets,
        }
        return self.engine(*(given[name].int() for name in self.inputs))


def device_position_ids(input_ids: Tensor, offsets: Tensor, config: EncoderConfig) -> Tensor:
    """[T] int32 on the tensors' own device, without a host sync."""

    def repeat(values: Tensor, counts: Tensor, total: int) -> Tensor:
        return torch.repeat_interleave(values, counts, output_size=total)

    return position_ids(input_ids, offsets, config, torch, repeat).to(torch.int32)
