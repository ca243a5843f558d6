"""A bundle for the CPU runs with the base requirements alone, and the rest is asked for by name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import ltp_deploy
from ltp_deploy.errors import BUILD

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
LIBRARY = {"openvino", "numpy", "tokenizers"}
COMMAND = {"click", "tabulate"}
# What runs bundles of other kinds or serves them, which takes no compiler of ours.
RUNTIMES = {"onnxruntime", "python-tokenizers", "serve", "score", "ray"}

# Nothing but Python's own modules and those given is found from here on.
ALONE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
class Alone(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        first = name.partition(".")[0]
        if first in sys.stdlib_module_names or first in {allowed!r}:
            return super().find_spec(name, path, target)
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Alone]
"""
TEXTS = ["the film is good .", ("a very bad film", "not great"), "the " * 60]
ANSWERS = """
import json, sys, ltp_deploy
engine = ltp_deploy.load(sys.argv[1], long_texts="window", stride=4)
assert "tokenizers" in sys.modules, "ready means ready"
texts = engine({texts!r})
ids = engine(input_ids=[[2, 9, 4, 3], [2, 7, 3]])
padded = engine(input_ids=[[2, 9], [2, 0]], attention_mask=[[1, 1], [1, 0]])
later = engine.submit("dull").result()
print(json.dumps([a.logits.tolist() for a in (texts, ids, padded, later)]))
print(json.dumps([texts.windows.tolist(), list(texts.labels)]))
"""


def requirement_names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", text)[0] for text in requirements}


def alone(
    code: str, *arguments: object, allowed: set[str] = LIBRARY
) -> subprocess.CompletedProcess:
    """Run code in a process that has these packages and Python's own."""
    program = ALONE.format(allowed={*allowed, "ltp_deploy"}) + code
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_base_requirements_are_few() -> None:
    spec = spec_from_file_location("setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    setup = module_from_spec(spec)
    spec.loader.exec_module(setup)
    found = setup.dynamic_metadata({}, {})["dependencies"]
    assert requirement_names(found) == LIBRARY | COMMAND
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "dependencies" not in project
    assert "dependencies" in project["dynamic"]


def test_what_needs_a_checkpoint_is_in_the_extra_build() -> None:
    assert requirement_names(EXTRAS["build"]) == set(BUILD)


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - RUNTIMES - {"build"}))
def test_other_extras_stand_on_build(extra: str) -> None:
    seen, open_ = set(), {extra}
    while open_:
        seen |= open_
        own = [t for name in open_ for t in EXTRAS[name] if t.startswith("ltp-deploy[")]
        open_ = {name for t in own for name in t[len("ltp-deploy[") : -1].split(",")} - seen
    assert "build" in seen


def test_texts_are_answered_without_torch_and_transformers(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False)
    result = alone(ANSWERS.format(texts=TEXTS), bundle)
    assert result.returncode == 0, result.stderr
    logits, (windows, labels) = map(json.loads, result.stdout.splitlines())

    engine = ltp_deploy.load(bundle, long_texts="window", stride=4)
    expected = engine(TEXTS)
    requests = (
        expected,
        engine(input_ids=[[2, 9, 4, 3], [2, 7, 3]]),
        engine(input_ids=[[2, 9], [2]]),
        engine("dull"),
    )
    for found, answer in zip(logits, requests, strict=True):
        np.testing.assert_array_equal(np.array(found, np.float32), answer.logits)
    assert windows == expected.windows.tolist()
    assert windows[2] > 1
    assert labels == list(expected.labels)


@pytest.mark.parametrize("arguments", [["inspect"], ["inspect", "--json"], ["run"]], ids=" ".join)
def test_the_command_runs_and_inspects_bundles_likewise(
    arguments: list[str], bert_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "texts").write_text("a good film\na good film\tnot bad\n")
    call = "from ltp_deploy.cli import main; main(sys.argv[1:])"
    more = [tmp_path / "texts"] if arguments == ["run"] else []
    result = alone(call, *arguments, bert_bundle, *more, allowed=LIBRARY | COMMAND)
    assert result.returncode == 0, result.stderr
    if arguments == ["run"]:
        assert [len(json.loads(line)["logits"]) for line in result.stdout.splitlines()] == [2, 2]
    else:
        assert "engine.xml" in result.stdout


def test_the_command_explains_texts_likewise(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle, page = bundle_of(bert_checkpoint, survivors=False), tmp_path / "page.html"
    call = "from ltp_deploy.cli import main; main(sys.argv[1:])"
    result = alone(call, "explain", bundle, "a film", "--html", page, allowed=LIBRARY | COMMAND)
    assert result.returncode == 0, result.stderr
    assert page.is_file()


def test_the_command_reports_likewise(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle, page = bundle_of(bert_checkpoint, survivors=False), tmp_path / "page.html"
    (tmp_path / "texts.txt").write_text("a film\n")
    call = "from ltp_deploy.cli import main; main(sys.argv[1:])"
    options = ["--texts", tmp_path / "texts.txt", "-o", page]
    result = alone(call, "report", bundle, *options, allowed=LIBRARY | COMMAND)
    assert result.returncode == 0, result.stderr
    assert page.is_file()


NEEDS = re.compile(
    r"needs torch, transformers, safetensors, tqdm: pip install "
    r"(\"ltp-deploy\[build\]\"|-e '\.\[build\]')"
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "CHECKPOINT", "-o", "OUT"],
        ["build", "CHECKPOINT", "--dry-run"],
        ["verify", "BUNDLE", "--against", "CHECKPOINT", "--data", "TEXTS"],
        ["bench", "BUNDLE"],
        ["calibrate", "CHECKPOINT", "--data", "TEXTS", "-o", "OUT"],
        ["learn", "CHECKPOINT", "--data", "TEXTS", "--dev", "TEXTS", "-o", "OUT"],
        ["tune", "CHECKPOINT", "--data", "TEXTS", "-o", "OUT"],
        ["inspect", "CHECKPOINT"],
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_commands_that_need_more_name_the_extra(
    arguments: list[str], bert_checkpoint: Path, bert_bundle: Path, texts: Path, tmp_path: Path
) -> None:
    places = {
        "CHECKPOINT": bert_checkpoint,
        "BUNDLE": bert_bundle,
        "TEXTS": texts,
        "OUT": tmp_path / "out",
    }
    code = "from ltp_deploy.cli import main; main(sys.argv[1:])"
    given = [places.get(argument, argument) for argument in arguments]
    result = alone(code, *given, allowed=LIBRARY | COMMAND)
    assert result.returncode == 1, result.stderr
    assert NEEDS.search(result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_serving_names_its_extra(bert_bundle: Path) -> None:
    call = "from ltp_deploy.cli import main; main(sys.argv[1:])"
    result = alone(call, "serve", bert_bundle, allowed=LIBRARY | COMMAND)
    assert result.returncode == 1, result.stderr
    assert "serving bundles takes FastAPI, uvicorn and prometheus-client" in result.stderr
    assert "[serve]" in result.stderr
    assert "Traceback" not in result.stderr


def test_scoring_names_its_extra(bert_bundle: Path, texts: Path, tmp_path: Path) -> None:
    call = "from ltp_deploy.cli import main; main(sys.argv[1:])"
    command = ["score", bert_bundle, texts, "-o", tmp_path / "out.csv"]
    result = alone(call, *command, allowed=LIBRARY | COMMAND)
    assert result.returncode == 1, result.stderr
    assert "scoring data sets takes pyarrow: pip install" in result.stderr
    assert "[score]" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_serving_takes_no_compiler(bert_bundle: Path) -> None:
    pytest.importorskip("fastapi", reason="FastAPI is not installed")
    code = """
import sys
from pathlib import Path
from ltp_deploy.serve.app import create_app
from ltp_deploy.serve.settings import Settings
service = create_app(Settings({"model": Path(sys.argv[1])})).state.service
service.load()
print(list(service.models), sorted({"torch", "transformers"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code, str(bert_bundle)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "['model'] []"


@pytest.mark.parametrize("name", ["build", "verify"])
def test_functions_that_need_more_name_the_extra(name: str) -> None:
    code = f"import ltp_deploy\ntry: ltp_deploy.{name}\nexcept ltp_deploy.LtpError as e: print(e)"
    result = alone(code)
    assert NEEDS.search(result.stdout), result.stderr


@pytest.mark.parametrize("target", ["torchscript", "null"])
def test_bundles_that_run_in_torch_name_the_extra(
    target: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    code = """
import ltp_deploy
try: ltp_deploy.load(sys.argv[1])
except ltp_deploy.BundleError as error: print(error)
"""
    result = alone(code, bundle_of(bert_checkpoint, target))
    assert "runs in PyTorch: pip install" in result.stdout, result.stderr
    assert "[build]" in result.stdout


def test_bundles_of_onnx_run_with_onnx_runtime_alone(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript, which builds the bundle, is missing")
    bundle = bundle_of(bert_checkpoint, "onnx")
    code = (
        "import ltp_deploy, json;"
        "print(json.dumps(ltp_deploy.load(sys.argv[1])('a film').logits.tolist()))"
    )
    result = alone(code, bundle, allowed={"numpy", "tokenizers", "onnxruntime"})
    assert result.returncode == 0, result.stderr
    found = np.array(json.loads(result.stdout), np.float32)
    np.testing.assert_array_equal(found, ltp_deploy.load(bundle)("a film").logits)
