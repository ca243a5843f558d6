"""Load a bundle and run it: the same call for every backend."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.backend import RunOptions, Session
from ltp_deploy.backends.table import open_session, read_bundle
from ltp_deploy.backends.table import portable as portable_form
from ltp_deploy.bundle.manifest import Manifest
from ltp_deploy.data.batch import PackedBatch, check, pack, packed
from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.texts import Texts
from ltp_deploy.data.tokenizer import Tokenized, Tokenizer, open_tokenizer
from ltp_deploy.errors import BundleError, InputError
from ltp_deploy.heads import head_of
from ltp_deploy.model.policy import Carry
from ltp_deploy.runtime.result import Result, make_result


def load(
    path: str | Path,
    threads: int | None = None,
    throughput: bool = False,
    portable: bool = False,
    long_texts: str = "truncate",
    stride: int | None = None,
) -> Engine:
    """Open a bundle.

    Args:
        path: the bundle's directory.
        threads: CPU threads to use, all by default.
        throughput: favour many requests at once (`engine.submit`) over the latency of one.
        portable: run a bundle for a GPU on the CPU: its portable ONNX model in ONNX Runtime, or a
            torch-cuda engine with the op's reference. Slow, but it shows what the engine computes
            where there is no GPU. An engine for the CPU is portable as it is.
        long_texts: what becomes of texts with more tokens than the engine takes. "truncate": they
            are cut where the checkpoint's tokenizer cuts, and the result says which. "window": they
            are read in windows that overlap, and the head pools the windows' answers. "refuse":
            they are an InputError.
        stride: tokens that two windows share, a quarter of a window by default.

    Raises:
        LtpError: `long_texts` or `stride` say nothing, or the bundle cannot do it.
        BundleError: the bundle is damaged, edited, or made for other hardware or versions.
    """
    directory, long = Path(path), LongTexts(long_texts, stride)
    manifest = read_bundle(directory)
    if portable:
        found = portable_form(manifest)
        if found is None:
            raise BundleError(f"{directory} has no portable model; build it with --portable-onnx")
        manifest = found
    _check_long_texts(directory, manifest, long)
    session = open_session(directory, manifest, RunOptions(threads, throughput))
    return Engine(directory, manifest, session, portable, long)


def _check_long_texts(directory: Path, manifest: Manifest, long: LongTexts) -> None:
    """Refuse what the bundle cannot do.

    Raises:
        BundleError: by its reason.
    """
    record = manifest.tokenizer
    if record is None and long != LongTexts():
        raise BundleError(f"{directory} carries no tokenizer, so no text is long to it")
    if record is not None and long.windows and record.library != "tokenizers":
        raise BundleError(
            f"the tokenizer of {directory} exists in Python alone and makes no windows; let long "
            "texts be truncated"
        )
    if long.windows and manifest.options.survivors:
        raise BundleError(
            f"{directory} reports the survivors of a sequence, and in windows a text is several"
        )


class Engine:
    """A loaded bundle. Calls are safe from several threads at once.

    Attributes:
        manifest: what the bundle says of itself; of its portable form, where that was loaded.
        config, limits: the model's shape, and the largest request.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        session: Session,
        portable: bool = False,
        long: LongTexts | None = None,
    ):
        self.directory = directory
        self.manifest = manifest
        self.config = manifest.model
        self.limits = manifest.limits
        self.session = session
        self.portable = portable
        self.long = long or LongTexts()
        self._lock = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._executor: ThreadPoolExecutor | None = None

    @property
    def carries(self) -> tuple[Carry, ...]:
        """Which rows each layer hands to the next one."""
        return self.manifest.plan.carries

    def __call__(
        self,
        texts: Texts | None = None,
        *,
        input_ids: Any = None,
        token_type_ids: Any = None,
        attention_mask: Any = None,
        ids: Any = None,
        offsets: Any = None,
    ) -> Result:
        """Classify sequences of any lengths, given in one of four ways.

        Args:
            texts: a string or a list of strings; a pair of strings is a tuple, inside a list also a
                list. What becomes of long ones was said when the bundle was loaded.
            input_ids: lists of token ids, one per sequence; or, with `attention_mask`, a padded
                [B, n] array as transformers' tokenizers return it.
            token_type_ids: the same shape as the ids; all zero by default.
            ids, offsets: packed already: [T] token ids of all sequences one after another, and
                [B+1] where each begins and ends.

        Raises:
            InputError: the request is refused; the engine stays usable.
        """
        given = [
            name
            for name, v in (("texts", texts), ("input_ids", input_ids), ("ids", ids))
            if v is not None
        ]
        if len(given) != 1:
            raise InputError(f"give exactly one of texts, input_ids, ids; found {given or 'none'}")
        if (ids is None) != (offsets is None):
            raise InputError("ids and offsets go together")
        if attention_mask is not None and input_ids is None:
            raise InputError("attention_mask goes with input_ids, since nothing else has padding")
        if token_type_ids is not None and texts is not None:
            raise InputError("token_type_ids go with ids; the tokenizer gives texts their own")
        if texts is not None:
            return self._run_texts(self.tokenizer.tokenize(texts))
        if ids is not None:
            batch = packed(ids, offsets, token_type_ids)
        else:
            batch = pack(input_ids, token_type_ids, attention_mask)
        return self.run(batch)

    def run(self, batch: PackedBatch) -> Result:
        """Classify a packed batch."""
        check(batch, self.config, self.limits)
        outputs = self.session.run(batch.feeds(self.config))
        return make_result(outputs, batch, self.config, self.manifest.options.survivors)

    def _run_texts(self, texts: Tokenized) -> Result:
        """Classify texts; those in windows in as many requests as the limits ask for."""
        if not (texts.windows > 1).any():
            windows = texts.windows if self.long.windows else None
            return replace(self.run(texts.batch), truncated=texts.truncated, windows=windows)
        logits = np.zeros((texts.batch.sequences, self.config.num_labels), np.float32)
        for rows in self.limits.requests(texts.batch.lengths):
            logits[rows] = self.run(texts.batch.select(rows)).logits
        head = head_of(self.config)
        pooled = head.pool(logits, texts.windows)
        return Result(
            pooled,
            head.labels(pooled, self.config),
            windows=texts.windows,
            truncated=texts.truncated,
        )

    def submit(self, *args: Any, **kwargs: Any) -> Future[Result]:
        """The same call as `engine(...)`, answered in a future."""
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self.session.concurrency, "ltp-engine")
        return self._executor.submit(self, *args, **kwargs)

    def tokenize(self, texts: Texts) -> PackedBatch:
        """Tokenize with the checkpoint's own tokenizer, which the bundle carries."""
        return self.tokenizer(texts)

    @property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's own tokenizer, opened at the first text.

        Raises:
            InputError: the bundle has none.
        """
        with self._lock:
            if self._tokenizer is None:
                record = self.manifest.tokenizer
                if record is None:
                    raise InputError(
                        f"{self.directory} carries no tokenizer, since its checkpoint had none or "
                        "the build left it out; pass input_ids"
                    )
                self._tokenizer = open_tokenizer(
                    self.directory, record, self.config, self.limits.max_length, self.long
                )
            return self._tokenizer
