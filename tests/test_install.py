"""Installing from a checkout: every way works, works again, and leaves git nothing to report.

The C++ is compiled five times here. Environments see this one's packages, so that only the isolated
build asks a package index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUIET = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
PLUGIN = "import ltp_deploy.bundle.native as n; print(n.openvino_plugin())"
LTP_RUN = "import ltp_deploy.bundle.native as n; print(n.PACKAGE / 'bin' / 'ltp-run')"
NATIVE = re.compile(r"ltp_deploy/(bin|lib)/")

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not shutil.which("git"), reason="git lists the files of the checkout"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout"),
]


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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of its own with this one's tracked files, as they are now."""
    clone = tmp_path / "checkout"
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if name and (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    run("git", "init", "--quiet", cwd=clone)
    run("git", "add", "--all", cwd=clone)
    run("git", *author, "commit", "--quiet", "--message", "all", cwd=clone)
    return clone


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of a new environment, which sees the packages of the one that runs this test."""
    run(sys.executable, "-m", "venv", tmp_path / "environment", cwd=tmp_path)
    found = tmp_path / "environment" / "bin" / "python"
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
        "from ltp_deploy.backends.openvino.reports import import_openvino;"
        f"import_openvino().Core().add_extension({str(plugin)!r})",
        cwd=elsewhere,
    )
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
        "ltp_deploy/lib/libltp_openvino.so",
        "ltp_deploy/lib/plugin_sources.sha256",
        "ltp_deploy/lib/sources/cuda/pruned_attention.cu",
    }
    assert not [name for name in native if "stale" in name]


def wheel_contents(wheel: Path) -> set[str]:
    """The names of the package's files, after a look at what the wheel asks for."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        plugin = archive.read("ltp_deploy/lib/libltp_openvino.so")
        check_pin(archive.read(metadata).decode(), plugin)
    return {name for name in names if ".dist-info/" not in name}


def test_an_editable_install_follows_the_checkout(
    checkout: Path, python: Path, tmp_path: Path
) -> None:
    install = [python, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--verbose"]
    install += ["--config-settings", "build-dir=build/editable", "--editable", "."]
    assert "Building CXX object" in run(*install, cwd=checkout)
    check_native_parts(python, checkout / "ltp_deploy", tmp_path)
    assert status(checkout) == ""

    # Edited and new Python files count at once; another checkout on PYTHONPATH comes first.
    (checkout / "ltp_deploy" / "__init__.py").write_text("__version__ = '7.0'\n")
    (checkout / "ltp_deploy" / "added.py").write_text("ADDED = 8\n")
    say = (
        "import ltp_deploy, ltp_deploy.added; print(ltp_deploy.__version__, ltp_deploy.added.ADDED)"
    )
    assert run(python, "-c", say, cwd=tmp_path) == "7.0 8"
    other = tmp_path / "other" / "ltp_deploy"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("__version__ = '9.0'\n")
    say = "import ltp_deploy; print(ltp_deploy.__version__)"
    assert run(python, "-c", say, cwd=tmp_path, PYTHONPATH=str(other.parent)) == "9.0"
    run("git", "checkout", "--quiet", ".", cwd=checkout)
    (checkout / "ltp_deploy" / "added.py").unlink()

    # Again: nothing is compiled; with one source touched, that one.
    assert "Building CXX object" not in run(*install, cwd=checkout)
    (checkout / "engines" / "tools" / "ltp_run.cpp").touch()
    output = run(*install, cwd=checkout)
    assert len(re.findall("Building CXX object", output)) == 1
    check_native_parts(python, checkout / "ltp_deploy", tmp_path)
    assert status(checkout) == ""


def leave_traces(checkout: Path) -> None:
    """What an editable install and a build by setuptools leave, its environment being gone."""
    for name in (
        "ltp_deploy/lib/stale.so",
        "ltp_deploy/bin/stale",
        "build/lib/ltp_deploy/stale.py",
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("stale")
    (checkout / "build" / "CMakeCache.txt").write_text("CMAKE_MAKE_PROGRAM:FILEPATH=/nowhere/ninja")


def test_an_sdist_holds_what_its_wheel_needs(checkout: Path, python: Path, tmp_path: Path) -> None:
    leave_traces(checkout)
    backend = "import scikit_build_core.build as b, sys; print(b.build_sdist(sys.argv[1]))"
    sdist = tmp_path / run(python, "-c", backend, tmp_path, cwd=checkout).splitlines()[-1]
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = set(run("git", "ls-files", cwd=checkout).splitlines())
    assert names == {name for name in tracked if not name.startswith(".ci/")} | {"PKG-INFO"}
    assert status(checkout) == ""

    options = ["--no-build-isolation", "--no-deps", "--wheel-dir", tmp_path / "wheel"]
    run(python, "-m", "pip", "wheel", *options, sdist, cwd=tmp_path)
    (wheel,) = (tmp_path / "wheel").iterdir()
    check_contents(wheel_contents(wheel), checkout)


def test_isolated_installs_work_in_a_row(checkout: Path, python: Path, tmp_path: Path) -> None:
    probe = [python, "-m", "pip", "download", "--no-deps", "--dest", tmp_path, "scikit-build-core"]
    if subprocess.run(list(map(str, probe)), capture_output=True, check=False).returncode != 0:
        pytest.skip("no package index is reached")
    leave_traces(checkout)
    packages = site_packages(python)
    for options in (["."], ["--editable", "."], ["."]):
        run(python, "-m", "pip", "install", "--no-deps", *options, cwd=checkout)
        package = (checkout if "--editable" in options else packages) / "ltp_deploy"
        plugin = Path(run(python, "-c", PLUGIN, cwd=tmp_path))
        assert plugin == package / "lib" / "libltp_openvino.so"
        (metadata,) = packages.glob("ltp_deploy-*.dist-info/METADATA")
        check_pin(metadata.read_text(), plugin.read_bytes())
        assert status(checkout) == ""
    files = (packages / "ltp_deploy").rglob("*")
    names = {path.relative_to(packages).as_posix() for path in files if path.is_file()}
    check_contents({name for name in names if not name.endswith(".pyc")}, checkout)
