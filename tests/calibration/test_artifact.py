"""The file: it comes back as it was, and is refused where it does not belong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.builder.draft import Measured, draft_build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.artifact import Calibration
from ltp_deploy.compiler.int8 import ActivationRange
from ltp_deploy.data.examples import DataOptions
from ltp_deploy.errors import LtpError
from ltp_deploy.parity.profile import ProfileData
from tests.tiny import LAYERS, POLICIES, save_tiny, save_tokenizer, write_texts


def test_a_range_covers_its_ends_and_has_an_exact_zero() -> None:
    given = ActivationRange(-1.0, 3.0, (1.0,))
    scale, zero_point = given.asymmetric()
    assert -zero_point * scale == pytest.approx(-1.0, abs=scale / 2)
    assert (255 - zero_point) * scale == pytest.approx(3.0, abs=scale / 2)
    assert given.symmetric() * 127 == 3.0
    assert ActivationRange(0.0, 2.0, (1.0,)).asymmetric() == (2.0 / 255, 0)


def test_it_comes_back_as_it_was_written(calibrated: Path, tmp_path: Path) -> None:
    once = Calibration.read(calibrated)
    once.write(tmp_path / "again.json")
    again = Calibration.read(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == calibrated.read_text()
    assert again.ranges == once.ranges
    assert again.policy == once.policy
    np.testing.assert_array_equal(again.profile.alive, once.profile.alive)


def test_survivors_are_summed_up_by_length(calibrated: Path) -> None:
    document = json.loads(calibrated.read_text())
    entries, alive = document["survivors"], np.array(document["alive"])
    assert sum(entry["sequences"] for entry in entries) == len(alive) == 40
    short = alive[alive[:, 0] <= 16]
    assert entries[0]["up_to"] == 16
    np.testing.assert_allclose(entries[0]["mean"], short[:, 1:].mean(0), atol=0.01)
    assert document["lengths"]["most"] == alive[:, 0].max()


def spoiled(path: Path, output: Path, **changes: Any) -> Path:
    output.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "another"}, "is no calibration"),
        ({"format_version": 9}, "has calibration format 9, this version reads 1"),
        ({"ranges": {"layers.0.output": {}}}, "holds an entry of a wrong kind"),
        ({"ranges": {"a": {"low": 0, "high": 0, "smooth": [1]}}}, "holds an entry of a wrong kind"),
        ({"alive": []}, "holds an entry of a wrong kind"),
        ({"sample": 3}, "holds an entry of a wrong kind"),
    ],
)
def test_damaged_files_are_refused(
    changes: dict[str, Any], words: str, calibrated: Path, tmp_path: Path
) -> None:
    with pytest.raises(LtpError, match=words):
        Calibration.read(spoiled(calibrated, tmp_path / "c.json", **changes))


def test_what_is_no_file_and_what_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{")
    (tmp_path / "digits.json").write_text('{"alive": [[1' + "0" * 400 + "]]}")
    for name in ("c.json", "digits.json", "absent.json"):
        with pytest.raises(LtpError, match="cannot read the calibration"):
            Calibration.read(tmp_path / name)


def draft(checkpoint: Path, calibration: Path, data: ProfileData | None = None, **options: Any):
    return draft_build(checkpoint, BuildOptions(**options), Measured(data, calibration))


def test_the_plan_rests_on_its_survivors(bert_checkpoint: Path, calibrated: Path) -> None:
    plan = draft(bert_checkpoint, calibrated).plan
    alive = Calibration.read(calibrated).profile.alive.mean(0)
    assert [layer.entering for layer in plan.layers] == pytest.approx(alive[:LAYERS].tolist())


def test_it_serves_its_own_checkpoint_and_policy_alone(
    bert_checkpoint: Path, calibrated: Path, tmp_path: Path
) -> None:
    other = save_tiny(tmp_path / "other", "bert", POLICIES["absolute"], seed=1)
    save_tokenizer(other)
    with pytest.raises(LtpError, match="was measured on another checkpoint"):
        draft(other, calibrated)
    with pytest.raises(LtpError, match="was measured with score length 16, first token keep"):
        draft(bert_checkpoint, calibrated, score_length="sequence")


def test_profile_data_must_be_that_of_the_calibration(
    bert_checkpoint: Path, calibrated: Path, texts: Path, tmp_path: Path
) -> None:
    draft(bert_checkpoint, calibrated, ProfileData(str(texts), DataOptions()))
    changed = ProfileData(str(write_texts(tmp_path / "texts.tsv", seed=1)), DataOptions())
    with pytest.raises(LtpError, match=r"was measured on texts\.tsv as it was then"):
        draft(bert_checkpoint, calibrated, changed)


def test_int8_needs_it_and_other_precisions_have_no_layers_to_keep_out(
    bert_checkpoint: Path, calibrated: Path
) -> None:
    with pytest.raises(LtpError, match="--precision int8 needs --calibration FILE"):
        draft_build(bert_checkpoint, BuildOptions(precision="int8"), Measured())
    with pytest.raises(LtpError, match="--not-int8 is for"):
        draft(bert_checkpoint, calibrated, not_int8=(0,))
    with pytest.raises(LtpError, match="the model has layers 0 to 2"):
        draft(bert_checkpoint, calibrated, precision="int8", not_int8=(3,))
