"""OpenVINO Model Server: a model repository whose models read strings."""

from __future__ import annotations

import json
from pathlib import Path

from ltp_deploy.backends.openvino.files import save
from ltp_deploy.export.consumer import Bundle, Consumer, copy_plugin, not_openvino
from ltp_deploy.export.graph import behind

MODELS = "models"
_README = """\
# {name} for OpenVINO Model Server

Strings in, `logits` [B, {outputs}] float32 out. The server must be of OpenVINO {openvino}, as the
plugin works with no other release; TAG is that of such an image.

```bash
docker run --rm -p 9000:9000 -p 8000:8000 -v "$PWD:/export:ro" openvino/model_server:TAG \\
  --config_path /export/config.json --cpu_extension /export/{plugin} \\
  --port 9000 --rest_port 8000
```

{models}

Texts are cut where the checkpoint's tokenizer cuts, at {length} tokens or before. The answer has no
numbers, shape [B, 0], where a text has a character that `docs/export.md` of ltp-deploy speaks of:
one that openvino-tokenizers reads otherwise than the checkpoint's tokenizer.

The server batches nothing by itself here, since sizes are dynamic: send several texts at once.
"""


class Ovms(Consumer):
    """OpenVINO Model Server, which adds the operators of openvino-tokenizers by itself."""

    name = "ovms"
    summary = "a model repository of OpenVINO Model Server that reads strings"

    def refusal(self, bundle: Bundle) -> str | None:
        """Engines of other backends, and bundles without the tokenizer as a graph."""
        if reason := not_openvino(bundle):
            return reason
        record = bundle.manifest.tokenizer
        if record is None or record.cpp_texts is None:
            return "its tokenizer is no graph of OpenVINO; build it with --cpp-texts"
        return None

    def write(self, bundle: Bundle, folder: Path) -> None:
        """A model that reads texts, and one that reads pairs where the bundle does; config.json."""
        from ltp_deploy.export.texts import text_front

        manifest, record = bundle.manifest, bundle.manifest.tokenizer
        assert record is not None
        assert record.cpp_texts is not None
        texts = record.cpp_texts
        models = {bundle.name: texts.texts}
        if texts.pairs is not None:
            models[f"{bundle.name}-pairs"] = texts.pairs
        for name, tokenizer in models.items():
            front = text_front(bundle.files, texts, tokenizer, record.token_types)
            version = folder / MODELS / name / "1"
            version.mkdir(parents=True)
            graph = behind(front, bundle.files, manifest)
            save(graph, version / "model.xml", version / "model.bin")
        config = {"model_config_list": [{"config": _config(bundle, name)} for name in models]}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        kinds = ('`{}` takes "texts" [B].', '`{}` takes pairs: "texts" [B] and "seconds" [B].')
        said = [kind.format(name) for kind, name in zip(kinds, models, strict=False)]
        readme = _README.format(
            name=bundle.name,
            outputs=manifest.model.num_labels,
            openvino=manifest.version("openvino"),
            plugin=copy_plugin(bundle, folder),
            models="\n".join(said),
            length=manifest.limits.max_length,
        )
        (folder / "README.md").write_text(readme)


def _config(bundle: Bundle, name: str) -> dict[str, object]:
    """A model's entry of config.json, whose place paths are relative to."""
    return {
        "name": name,
        "base_path": f"{MODELS}/{name}",
        "target_device": "CPU",
        "plugin_config": {
            "INFERENCE_PRECISION_HINT": bundle.manifest.activations,
            "PERFORMANCE_HINT": "THROUGHPUT",
        },
    }
