"""NVIDIA Triton Inference Server: a model repository whose python backend runs the bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

from ltp_deploy.backends.table import portable
from ltp_deploy.bundle.manifest import MANIFEST, MANIFEST_HASH, Manifest
from ltp_deploy.export.consumer import Bundle, Consumer
from ltp_deploy.heads import head_of

MODELS = "models"
LABELS = "labels.txt"
# What the server is to collect, where the engine itself has no limit.
MOST_SEQUENCES = 64
_INPUT = """  {{
    name: "{name}"
    data_type: {kind}
    dims: [ -1 ]
    allow_ragged_batch: true
    optional: true
  }}"""
_INPUTS = {"text": "TYPE_STRING"} | dict.fromkeys(
    ("input_ids", "token_type_ids", "attention_mask"), "TYPE_INT64"
)
_CONFIG = """\
name: "{name}"
backend: "python"
max_batch_size: {batch}
input [
{inputs}
]
output [
  {{
    name: "logits"
    data_type: TYPE_FP32
    dims: [ {outputs} ]{labels}
  }}
]
dynamic_batching {{ }}
instance_group [
  {{
    count: 1
    kind: {kind}{gpus}
  }}
]
"""
_README = """\
# {name} for Triton Inference Server

```bash
tritonserver --model-repository {models}
```

The Python of the python backend needs ltp-deploy {version}{packages}.

A request has `text`, [B, 1] strings, or [B, 2] for pairs; or it has `input_ids` [B, n] int64, with
`token_type_ids` and `attention_mask` of the same shape or without them; B is {batch} at most. The
answer is `logits` [B, {outputs}] float32. Requests of all lengths are computed together, without
padding; one that is refused gets an error of its own.
"""


class Triton(Consumer):
    """Triton's python backend, which runs bundles of every backend."""

    name = "triton"
    summary = "a model repository of Triton Inference Server, for its python backend"

    def refusal(self, bundle: Bundle) -> str | None:
        """None: what `ltp_deploy.load` opens, it serves."""
        return None

    def write(self, bundle: Bundle, folder: Path) -> None:
        """The model's folder: config.pbtxt, model.py and a copy of the bundle."""
        manifest = bundle.manifest
        model = folder / MODELS / bundle.name
        _copy_bundle(bundle, model / "1" / "bundle")
        source = Path(__file__).with_name("triton_model.py")
        shutil.copyfile(source, model / "1" / "model.py")
        if manifest.model.labels:
            labels = [" ".join(str(name).split()) for name in head_of(manifest.model).names()]
            text = "".join(f"{label}\n" for label in labels)
            (model / LABELS).write_text(text, encoding="utf-8")
        (model / "config.pbtxt").write_text(_config(bundle.name, manifest))
        with_torch = "torch" in manifest.backend
        runs_in = ("torch",) if with_torch else ("openvino", "tensorrt", "onnxruntime")
        needed = [f"{p} {v}" for p, v in manifest.versions.items() if p.startswith(runs_in)]
        readme = _README.format(
            name=bundle.name,
            models=MODELS,
            version=manifest.version("ltp_deploy"),
            packages="".join(f", {package}" for package in needed),
            outputs=manifest.model.num_labels,
            batch=_most_sequences(manifest),
        )
        (folder / "README.md").write_text(readme)


def _most_sequences(manifest: Manifest) -> int:
    return manifest.limits.max_batch or MOST_SEQUENCES


def _copy_bundle(bundle: Bundle, folder: Path) -> None:
    """The files that were checked, and the manifest."""
    for name in (*bundle.manifest.files, MANIFEST, MANIFEST_HASH):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(bundle.files.file(name).data)


def _config(name: str, manifest: Manifest) -> str:
    """config.pbtxt. Sequences of different lengths wait together: `allow_ragged_batch`."""
    on_cpu = portable(manifest) is manifest
    return _CONFIG.format(
        name=name,
        batch=_most_sequences(manifest),
        inputs=",\n".join(_INPUT.format(name=n, kind=kind) for n, kind in _INPUTS.items()),
        outputs=manifest.model.num_labels,
        labels=f'\n    label_filename: "{LABELS}"' if manifest.model.labels else "",
        kind="KIND_CPU" if on_cpu else "KIND_GPU",
        gpus="" if on_cpu else "\n    gpus: [ 0 ]",  # the one that `load` takes
    )
