"""Installing from a checkout: every way works, works again, and leaves git nothing to report.

The C++ is compiled four times here. Environments see this one's packages, so that only the isolated
build asks a package index.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.installs import (
    PLUGIN,
    ROOT,
    check_contents,
    check_native_parts,
    check_pin,
    clone_to,
    leave_traces,
    new_environment,
    run,
    site_packages,
    status,
)

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not shutil.which("git"), reason="git lists the files of the checkout"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return clone_to(tmp_path / "checkout")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return new_environment(tmp_path / "environment")


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
