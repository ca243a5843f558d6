"""Builds the C++ parts with CMake, against the OpenVINO that is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent


class CMakeBuild(build_ext):
    """One CMake project makes the plugin and the C++ runtime; both go into the package."""

    def run(self) -> None:
        import openvino

        build = Path(self.build_temp).absolute()
        in_source = self.inplace or self.editable_mode
        prefix = ROOT if in_source else Path(self.build_lib).absolute()
        package = Path(openvino.__file__).parent
        configure = ["-S", ROOT, "-B", build, "-G", "Ninja", f"-DOpenVINO_DIR={package / 'cmake'}"]
        if in_source:  # an installed ltp-run finds OpenVINO beside its package instead
            configure.append(f"-DLTP_RUN_RPATH={package / 'libs'}")
        for arguments in (
            configure,
            ["--build", build],
            ["--install", build, "--component", "python", "--prefix", prefix],
        ):
            subprocess.run(["cmake", *map(str, arguments)], check=True)

    def get_outputs(self) -> list[str]:
        return []


def openvino_release() -> str:
    """The plugin works with the OpenVINO release it was compiled against, and no other."""
    import openvino

    return openvino.__version__.split("-")[0]


setup(
    ext_modules=[Extension("ltp_deploy.native_parts", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
    install_requires=[
        f"openvino=={openvino_release()}",
        "torch>=2.6",
        "transformers>=4.50,<6",
        "safetensors>=0.5",
        "numpy>=1.26",
        "click>=8.1",
        "tqdm>=4.66",
        "tabulate>=0.9",
    ],
)
