"""The names of a checkpoint's weights, freed of what wrappers around the model put into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from ltp_deploy.checkpoint.family import Family
from ltp_deploy.errors import CheckpointError

# Parts of names that mean a wrapper, wherever they stand: data parallelism, torch.compile, FSDP,
# activation checkpointing.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# At a name's beginning: PEFT's wrapper, and the attribute that a training class often has.
_OUTER = ("base_model.model.", "model.")
# What an adapter (LoRA and its like) that was not merged leaves in names.
_ADAPTERS = {"adapter", "adapters", "base_layer", "modules_to_save", "original_module"}


def family_names(state: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """The same tensors, under the names that a model of the family itself gives them.

    Names of wrappers (`module.`, `_orig_mod.`, `model.`, ...) are taken out, and weights that were
    saved from the bare encoder (`encoder.layer...`) get its prefix (`bert.encoder.layer...`), as
    transformers adds it. Each name becomes one name, or nothing is read.

    Raises:
        CheckpointError: two tensors for one name, or an adapter's weights among the others.
    """
    _refuse_adapters(state)
    base, below = family.base()
    sources: dict[str, str] = {}
    for source in state:
        name = _unwrapped(source)
        if name.partition(".")[0] in below:
            name = f"{base}.{name}"
        if name in sources:
            raise CheckpointError(
                f"the weights hold {name} twice, as {sources[name]} and as {source}; keep one"
            )
        sources[name] = source
    return {name: state[source] for name, source in sources.items()}


def _unwrapped(name: str) -> str:
    parts = [part for part in name.split(".") if part not in _WRAPPERS]
    name = ".".join(parts)
    for prefix in _OUTER:
        name = name.removeprefix(prefix)
    return name


def _refuse_adapters(names: Iterable[str]) -> None:
    for name in names:
        if any(part.startswith("lora_") or part in _ADAPTERS for part in name.split(".")):
            raise CheckpointError(
                f"the weights hold an adapter that is not merged ({name}); merge it first (PEFT: "
                "`merge_and_unload()`) and save the whole model"
            )
