"""Checkouts, environments and what is installed in them, for tests of packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUIET = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
PLUGIN = "import ltp_deploy.bundle.native as n; print(n.openvino_plugin())"
LTP_RUN = "import ltp_deploy.bundle.native as n; print(n.PACKAGE / 'bin' / 'ltp-run')"
CMAKE = "import ltp_deploy; print(ltp_deploy.cmake_dir())"
NATIVE = re.compile(r"ltp_deploy/(bin|include|lib)/")


def run(*command: object, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**QUIET, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    return result.stdout.strip()


def clone_to(clone: Path) -> Path:
    """A repository of its own with this one's tracked files, as they are now."""
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if name and (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    run("git", "init", "--quiet", cwd=clone)
    run("git", "add", "--all", cwd=clone)
    run("git", *author, "commit", "--quiet", "--message", "all", cwd=clone)
    return clone


def new_environment(place: Path) -> Path:
    """The Python of a new environment, which sees the packages of the one that runs this test."""
    run(sys.executable, "-m", "venv", place, cwd=place.parent)
    found = place / "bin" / "python"
    ours = [path for path in sys.path if Path(path).name == "site-packages"]
    (site_packages(found) / "ours.pth").write_text("\n".join(ours))
    return found


def site_packages(python: Path) -> Path:
    say = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(python, "-c", say, cwd=python.parent))


def status(checkout: Path) -> str:
    return run("git", "status", "--short", cwd=checkout)


def check_native_parts(python: Path, package: Path, elsewhere: Path) -> None:
    """The plugin and ltp-run are those of `package`, and work with the OpenVINO installed."""
    plugin = Path(run(python, "-c", PLUGIN, cwd=elsewhere))
    assert plugin == package / "lib" / "libltp_openvino.so"
    run(
        python,
        "-c",
        "from ltp_deploy.backends.reports import import_openvino;"
        f"import_openvino().Core().add_extension({str(plugin)!r})",
        cwd=elsewhere,
    )
    assert Path(run(python, "-c", CMAKE, cwd=elsewhere)) == package / "lib/cmake/ltp-deploy"
    ltp_run = Path(run(python, "-c", LTP_RUN, cwd=elsewhere))
    assert ltp_run == package / "bin" / "ltp-run"
    assert "BUNDLE" in run(ltp_run, "--help", cwd=elsewhere)
    assert "build" in run(python.parent / "ltp-deploy", "--help", cwd=elsewhere)


def check_pin(metadata: str, plugin: bytes) -> None:
    """The package asks for the OpenVINO release that the plugin is linked with."""
    asked = re.search(r"^Requires-Dist: openvino==(\d+)\.(\d+)\.(\d+)$", metadata, re.MULTILINE)
    linked = re.search(rb"libopenvino\.so\.(\d+)", plugin)
    assert asked is not None
    assert linked is not None
    year, minor, patch = asked.groups()
    assert linked[1].decode() == f"{year[2:]}{minor}{patch}"


def check_contents(names: set[str], checkout: Path) -> None:
    """The package has its tracked files and what CMake installs, and nothing else."""
    native = {name for name in names if NATIVE.match(name)}
    assert names - native == set(run("git", "ls-files", "ltp_deploy", cwd=checkout).splitlines())
    assert native >= {
        "ltp_deploy/bin/ltp-run",
        "ltp_deploy/include/ltp/engine.h",
        "ltp_deploy/lib/cmake/ltp-deploy/ltp-deploy-config.cmake",
        "ltp_deploy/lib/libltp_engine.a",
        "ltp_deploy/lib/libltp_openvino.so",
        "ltp_deploy/lib/plugin_sources.sha256",
        "ltp_deploy/lib/sources/cuda/pruned_attention.cu",
    }
    assert ("ltp_deploy/lib/ltp_cuda.fatbin" in native) == bool(shutil.which("nvcc"))
    assert not [name for name in native if "stale" in name]


def wheel_contents(wheel: Path) -> set[str]:
    """The names of the package's files, after a look at what the wheel asks for."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        plugin = archive.read("ltp_deploy/lib/libltp_openvino.so")
        check_pin(archive.read(metadata).decode(), plugin)
    return {name for name in names if ".dist-info/" not in name and not name.endswith("/")}


def leave_traces(checkout: Path) -> None:
    """What an editable install and a build by setuptools leave, its environment being gone."""
    for name in (
        "ltp_deploy/lib/stale.so",
        "ltp_deploy/bin/stale",
        "ltp_deploy/include/stale.h",
        "build/lib/ltp_deploy/stale.py",
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("stale")
    (checkout / "build" / "CMakeCache.txt").write_text("CMAKE_MAKE_PROGRAM:FILEPATH=/nowhere/ninja")
