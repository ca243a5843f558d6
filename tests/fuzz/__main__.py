"""python -m tests.fuzz: hostile bundles, checkpoints and requests for so many seconds.

Exit status 1 where something went wrong; the cases are kept, and `--replay` runs one again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.cases import KINDS, Case
from tests.fuzz.fuzzer import REQUESTS, Fuzzer
from tests.fuzz.seeds import make_seeds

ALL = (*KINDS, REQUESTS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kinds", default=",".join(ALL), help="of %(default)s")
    parser.add_argument("--seed", type=int, help="by default another one each time")
    parser.add_argument("--cpp", type=Path, help="where ltp_fuzz was built; without, no C++")
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="for failing cases")
    parser.add_argument("--replay", type=Path, metavar="CASE.json", help="run this case alone")
    given = parser.parse_args()
    seed = time.time_ns() % 2**32 if given.seed is None else given.seed
    with tempfile.TemporaryDirectory(prefix="ltp-fuzz-") as folder:
        fuzzer = Fuzzer(make_seeds(Path(folder)), given.keep, given.cpp)
        try:
            if given.replay:
                case = Case.from_json(json.loads(given.replay.read_text()))
                print("\n".join(fuzzer.judge(case)) or "nothing is wrong")
                return len(fuzzer.found)
            return fuzz(fuzzer, given.kinds.split(","), given.seconds, seed)
        finally:
            fuzzer.close()


def fuzz(fuzzer: Fuzzer, kinds: list[str], seconds: float, seed: int) -> int:
    """Cases of all kinds in turn, and as many of each as its share of the time allows."""
    print(f"seed {seed}, {seconds:g} s", flush=True)
    rng = random.Random(seed)
    spent = dict.fromkeys(kinds, 0.0)
    end = time.monotonic() + seconds
    try:
        for number in itertools.count():
            begin = time.monotonic()
            if begin >= end:
                break
            kind = min(spent, key=spent.__getitem__)
            fuzzer.run(kind, number, rng)
            spent[kind] += time.monotonic() - begin
    except KeyboardInterrupt:
        print("stopped")
    print(fuzzer.report())
    print(f"{len(fuzzer.found)} cases went wrong")
    return int(bool(fuzzer.found))


if __name__ == "__main__":
    sys.exit(main())
