"""The calibration file: one JSON document, described in calibration/README.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.bundle.directory import new_file
from ltp_deploy.bundle.document import parse
from ltp_deploy.compiler.int8 import ActivationRange
from ltp_deploy.data.examples import Examples
from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile

FORMAT = "ltp-deploy calibration"
FORMAT_VERSION = 1
UP_TO = (16, 32, 64, 128, 256, 512)  # tokens; the survivors are summed up by these lengths
PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class Sample:
    """What was looked at: `sha256` is of all texts of `name`, of which `count` were drawn."""

    name: str
    sha256: str
    count: int
    seed: int


@dataclass(frozen=True)
class Calibration:
    """What was measured of a checkpoint.

    Attributes:
        checkpoint: its hash, see `checkpoint_hash`.
        policy: the pruning policy under which it ran.
        profile: which tokens survived, sample by sample.
        ranges: of every linear layer's input, by the name of its module in the compiler's graph.
    """

    checkpoint: str
    policy: PrunePolicy
    sample: Sample
    profile: SurvivorProfile
    ranges: Mapping[str, ActivationRange]

    def check(self, path: Path, checkpoint: str, policy: PrunePolicy) -> None:
        """Refuse to serve another model.

        Raises:
            LtpError: another checkpoint, or other conventions of pruning.
        """
        again = "run `ltp-deploy calibrate` on this one"
        if self.checkpoint != checkpoint:
            raise LtpError(f"{path} was measured on another checkpoint than this; {again}")
        if self.policy != policy:
            raise LtpError(
                f"{path} was measured with score length {self.policy.score_length or 'sequence'}, "
                f"first token {'keep' if self.policy.keep_first else 'reference'}; {again}, with "
                "the same --score-length and --first-token"
            )

    def check_data(self, path: Path, name: str, sha256: str) -> None:
        """Raises LtpError if `name` is not the data that this was measured on."""
        if self.sample.sha256 != sha256:
            raise LtpError(
                f"{path} was measured on {self.sample.name} as it was then, not on this {name}; "
                "leave --profile-data out, or calibrate on it"
            )

    def write(self, path: Path) -> None:
        profile = self.profile
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "checkpoint": self.checkpoint,
            "policy": self.policy.to_config(),
            "sample": asdict(self.sample),
            "lengths": self.lengths(),
            "survivors": self.survivors(),
            "alive": profile.alive.tolist(),
            "finished": profile.finished.astype(int).tolist(),
            "ranges": {name: asdict(entry) for name, entry in self.ranges.items()},
        }
        with new_file(path) as work:
            work.write_text(json.dumps(document) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Raises LtpError if the file is absent, damaged, or of another version."""
        try:
            document = parse(path.read_bytes())
        except (OSError, ValueError) as error:
            raise LtpError(f"cannot read the calibration {path}: {error}") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise LtpError(f"{path} is no calibration; `ltp-deploy calibrate` writes one")
        if document.get("format_version") != FORMAT_VERSION:
            raise LtpError(
                f"{path} has calibration format {document.get('format_version')}, this version "
                f"reads {FORMAT_VERSION}; calibrate again"
            )
        try:
            return cls._from(document)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise LtpError(f"{path} holds an entry of a wrong kind: {error!r}") from None

    @classmethod
    def _from(cls, document: dict[str, Any]) -> Calibration:
        alive = np.array(document["alive"], np.int64)
        return cls(
            checkpoint=document["checkpoint"],
            policy=PrunePolicy.from_config(document["policy"], alive.shape[1] - 1),
            sample=Sample(**document["sample"]),
            profile=SurvivorProfile(alive, np.array(document["finished"], bool)),
            ranges={
                name: ActivationRange(
                    float(entry["low"]), float(entry["high"]), tuple(map(float, entry["smooth"]))
                )
                for name, entry in document["ranges"].items()
            },
        )

    def lengths(self) -> dict[str, float]:
        """Tokens in a sequence."""
        lengths = self.profile.alive[:, 0]
        percentiles = {f"p{p}": float(np.percentile(lengths, p)) for p in (*PERCENTILES, 99)}
        return {"mean": float(lengths.mean()), **percentiles, "most": float(lengths.max())}

    def survivors(self) -> list[dict[str, Any]]:
        """For sequences up to each of several lengths: tokens alive after every layer."""
        lengths, found, shorter = self.profile.alive[:, 0], list[dict[str, Any]](), 0
        longest = int(lengths.max())
        for up_to in (*UP_TO, *([longest] if longest > UP_TO[-1] else [])):
            chosen = self.profile.alive[(lengths > shorter) & (lengths <= up_to), 1:]
            shorter = up_to
            if len(chosen):
                percentiles = {
                    f"p{p}": np.percentile(chosen, p, axis=0).tolist() for p in PERCENTILES
                }
                mean = chosen.mean(0).round(2).tolist()
                found.append(
                    {"up_to": up_to, "sequences": len(chosen), "mean": mean, **percentiles}
                )
        return found


def texts_hash(examples: Examples) -> str:
    """SHA-256 of all texts, whatever kind of file they were in."""
    return hashlib.sha256(json.dumps(examples.texts).encode()).hexdigest()
