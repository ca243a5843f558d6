"""OpenVINO IR on disk, with constants that are used where the file is mapped."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

from ltp_deploy.backends.reports import import_openvino

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def save(model: Any, graph: Path, weights: Path) -> None:
    """Write an `ov.Model`, its constants at multiples of 64 bytes."""
    with TemporaryDirectory(dir=weights.parent) as folder:
        written = Path(folder) / "model.xml"
        import_openvino().save_model(model, written, compress_to_fp16=False)
        document = ElementTree.parse(written)
        moved: dict[tuple[int, int], int] = {}
        with written.with_suffix(".bin").open("rb") as before, weights.open("wb") as after:
            for data in document.iterfind("./layers/layer[@type='Const']/data"):
                place = int(data.attrib["offset"]), int(data.attrib["size"])
                if place not in moved:
                    after.write(bytes(-after.tell() % ALIGNMENT))
                    moved[place] = after.tell()
                    before.seek(place[0])
                    after.write(before.read(place[1]))
                data.attrib["offset"] = str(moved[place])
        document.write(graph, encoding="utf-8", xml_declaration=True)
