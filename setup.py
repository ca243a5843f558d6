"""What pyproject.toml cannot say: the dependencies, one of which depends on the build.

scikit-build-core, the build backend, asks here (`[[tool.dynamic-metadata]]`). Nothing is run as a
script: `pip install .` installs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

# What runs a bundle. The library itself needs OpenVINO and the first two; the command, also where
# it only runs and inspects bundles, the others, which are small and need nothing in turn.
DEPENDENCIES = ["numpy>=1.26", "tokenizers>=0.21", "click>=8.1", "tabulate>=0.9"]


def dynamic_metadata(settings: Mapping[str, object], project: Mapping[str, object]) -> dict:
    """The dependencies, with the OpenVINO release that the plugin is compiled against: it is loaded
    into that release and no other. CMakeLists.txt finds the same one."""
    return {"dependencies": [f"openvino=={version('openvino')}", *DEPENDENCIES]}


def dynamic_wheel(settings: Mapping[str, object]) -> dict[str, bool]:
    """A wheel built from the sdist may meet another OpenVINO, and then asks for that one."""
    return {"dependencies": True}


if __name__ == "__main__":
    raise SystemExit("setup.py is no script: run `pip install .` in its folder")
