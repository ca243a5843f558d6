"""The wheel and the sdist that `make wheel` writes: what is in them, and that the wheel runs with
every Python here, in new environments that have nothing else.

They are those in the folder LTP_DIST, or, where that is not set, made from this checkout.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.runtime.engine import load
from tests.installs import (
    ROOT,
    check_contents,
    check_native_parts,
    clone_to,
    leave_traces,
    run,
    site_packages,
    status,
    wheel_contents,
)
from tests.once import Once
from tests.runtime.test_requirements import COMMAND, LIBRARY, requirement_names
from tests.test_readme import blocks

BIN = Path(sys.executable).parent
TEXTS = ["the film is good .", "dull"]
ROWS = [[2, 9, 4, 3], [2, 7, 3]]
ANSWER = f"""
import json, sys, ltp_deploy
engine = ltp_deploy.load(sys.argv[1])
print(json.dumps([engine({TEXTS}).logits.tolist(), engine(input_ids={ROWS}).logits.tolist()]))
"""
# The commands for a smaller environment are the last of the page.
SHRINK = blocks((ROOT / "docs/install.md").read_text())[-1]

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not shutil.which("git"), reason="git lists the files of the checkout"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout"),
    pytest.mark.skipif(
        not (BIN / "auditwheel").exists(),
        reason="auditwheel is not installed, as `make setup` does",
    ),
]


def make_dist(place: Path) -> None:
    """The commands of the Makefile, in a checkout where other builds have left their traces."""
    checkout = clone_to(place / "checkout")
    leave_traces(checkout)
    run("make", "dist", f"BIN={BIN}", cwd=checkout)
    assert status(checkout) == ""


@pytest.fixture(scope="module")
def dist(once: Once) -> Path:
    """A folder with one wheel and one sdist."""
    given = os.environ.get("LTP_DIST")
    return Path(given) if given else once(make_dist, "dist") / "checkout" / "dist"


@pytest.fixture
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


def tracked() -> set[str]:
    return set(run("git", "ls-files", cwd=ROOT).splitlines())


def test_the_sdist_holds_the_tracked_files(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {name for name in tracked() if not name.startswith(".ci/")} | {"PKG-INFO"}


def test_the_wheel_holds_the_package_and_the_native_parts(wheel: Path) -> None:
    check_contents(wheel_contents(wheel), ROOT)


def test_the_wheel_asks_for_the_base_requirements_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    asked = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert requirement_names(asked) == LIBRARY | COMMAND
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_tag_is_the_one_that_the_documentation_names(wheel: Path) -> None:
    pages = [(ROOT / page).read_text() for page in ("docs/install.md", "README.md")]
    (tag,) = {tag for page in pages for tag in re.findall(r"manylinux_\d+_\d+_x86_64", page)}
    assert wheel.name.endswith(f"-py3-none-{tag}.whl")
    assert all(f"pip install {wheel.name}" in page for page in pages)
    shown = " ".join(run(BIN / "auditwheel", "show", wheel, cwd=ROOT).split())
    assert f'constrains the platform tag to "{tag}"' in shown


def find_python(minor: int) -> Path:
    """A Python of this version that makes environments."""
    managers = [Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"]
    names = [f"{prefix}3.{minor}.*/bin/python3" for prefix in ("", "cpython-")]
    candidates = [shutil.which(f"python3.{minor}"), sys.executable]
    candidates += [path for place in managers for name in names for path in place.glob(name)]
    probe = f"import ensurepip, venv, sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
    for path in filter(None, candidates):
        result = subprocess.run([path, "-c", probe], capture_output=True, check=False)
        if result.returncode == 0:
            return Path(path)
    pytest.skip(f"this machine has no Python 3.{minor}")


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Callable[[int], Path]:
    """(minor version) -> the Python of a new environment with the wheel and what it asks for."""

    def install(minor: int) -> Path:
        run(find_python(minor), "-m", "venv", tmp_path / "clean", cwd=tmp_path)
        python = tmp_path / "clean" / "bin" / "python"
        index = [python, "-m", "pip", "download", "--no-deps", "--dest", tmp_path, "tokenizers"]
        if subprocess.run(list(map(str, index)), capture_output=True, check=False).returncode != 0:
            pytest.skip("no package index is reached")
        run(python, "-m", "pip", "install", wheel, cwd=tmp_path)
        return python

    return install


@pytest.mark.parametrize("minor", range(11, 16))
def test_the_wheel_runs_alone(
    minor: int,
    installed: Callable[[int], Path],
    bert_checkpoint: Path,
    bundle_of: Callable[..., Path],
    tmp_path: Path,
) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False)
    engine = load(bundle)
    texts, rows = engine(TEXTS).logits, engine(input_ids=ROWS).logits
    python = installed(minor)
    packages = site_packages(python)
    assert not {"torch", "transformers", "safetensors"} & {path.name for path in packages.iterdir()}
    check_native_parts(python, packages / "ltp_deploy", tmp_path)

    answers = json.loads(run(python, "-c", ANSWER, bundle, cwd=tmp_path))
    np.testing.assert_array_equal(np.array(answers[0], np.float32), texts)
    np.testing.assert_array_equal(np.array(answers[1], np.float32), rows)

    command = python.parent / "ltp-deploy"
    assert "engine.xml" in run(command, "inspect", bundle, cwd=tmp_path)
    (tmp_path / "texts").write_text("\n".join(TEXTS))
    lines = run(command, "run", bundle, tmp_path / "texts", cwd=tmp_path).splitlines()
    printed = np.array([json.loads(line)["logits"] for line in lines], np.float32)
    np.testing.assert_array_equal(printed, texts)

    (tmp_path / "rows").write_text("".join(" ".join(map(str, row)) + "\n" for row in ROWS))
    ltp_run = packages / "ltp_deploy" / "bin" / "ltp-run"
    found = run("bash", "-c", f"'{ltp_run}' '{bundle}' < rows", cwd=tmp_path)
    logits = np.array([line.split() for line in found.splitlines()], np.float32)
    np.testing.assert_allclose(logits, rows, atol=1e-6)

    run("bash", "-euc", SHRINK.text, cwd=tmp_path, PATH=f"{python.parent}:{os.environ['PATH']}")
    assert json.loads(run(python, "-c", ANSWER, bundle, cwd=tmp_path)) == answers


def test_cmake_finds_the_wheel_and_openvino_beside_it(
    installed: Callable[[int], Path], tmp_path: Path
) -> None:
    python, build = installed(sys.version_info[1]), tmp_path / "build"
    where = run(python, "-c", "import ltp_deploy; print(ltp_deploy.cmake_dir())", cwd=tmp_path)
    tools = f"{BIN}:{os.environ['PATH']}"
    options = ["-S", ROOT / "examples/cpp", "-B", build, f"-Dltp-deploy_DIR={where}"]
    run("cmake", *options, cwd=tmp_path, PATH=tools)
    run("cmake", "--build", build, cwd=tmp_path, PATH=tools)
    refused = subprocess.run([build / "classify", "/nowhere"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "/nowhere" in refused.stderr


def test_the_extra_is_added_to_the_installed_wheel(
    installed: Callable[[int], Path], tmp_path: Path
) -> None:
    """As the message about a missing extra says; no index has this package."""
    python = installed(sys.version_info[1])
    code = "import ltp_deploy.errors as e; print(e.how_to_install('onnxruntime'))"
    pip, *arguments = run(python, "-c", code, cwd=tmp_path).replace('"', "").split()
    assert pip == "pip"
    run(python, "-m", pip, *arguments, cwd=tmp_path)
    run(python, "-c", "import onnxruntime", cwd=tmp_path)
