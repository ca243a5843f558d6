"""Load a bundle and run it: the same call for every backend."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ltp_deploy.backends.answers import check_answer
from ltp_deploy.backends.backend import RunOptions, Session
from ltp_deploy.backends.messages import in_one_line, opening
from ltp_deploy.backends.process import native_calls
from ltp_deploy.backends.table import counts, open_session, read_bundle
from ltp_deploy.backends.table import portable as portable_form
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.limits import Limits, shared_batches
from ltp_deploy.bundle.manifest import Manifest, bundle_digest
from ltp_deploy.data.batch import PackedBatch, check, pack, packed
from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.texts import Texts, single_texts
from ltp_deploy.data.tokenizer import Tokenized, Tokenizer, open_tokenizer
from ltp_deploy.errors import BundleError, EngineClosed, EngineFailed, InputError, LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.heads.prediction import Prediction
from ltp_deploy.model.policy import Carry, pruning_factor
from ltp_deploy.model.survivors import SurvivorSummary
from ltp_deploy.runtime.drift import Drift, LiveCounts, drift
from ltp_deploy.runtime.encoding import with_prompt
from ltp_deploy.runtime.queue import QueueOptions, RequestQueue
from ltp_deploy.runtime.ranking import check_top_k, in_order, pairs
from ltp_deploy.runtime.request import Request, joined
from ltp_deploy.runtime.result import Ran, Result, Watcher, gathered, make_result, part
from ltp_deploy.runtime.zero_shot import TEMPLATE, decided, hypotheses, outputs


def load(
    path: str | Path,
    threads: int | None = None,
    throughput: bool = False,
    portable: bool = False,
    long_texts: str = "truncate",
    stride: int | None = None,
    batch_tokens: int = QueueOptions.batch_tokens,
    max_waiting: int = QueueOptions.max_waiting,
    pruning: bool | float = True,
    alive: bool | None = False,
    survivors: bool = False,
) -> Engine:
    """Open a bundle. Its tokenizer is opened as well, so that the first text waits for nothing.

    A tokenizer that exists in Python alone is not: transformers, which runs it, takes seconds to
    import, and token ids do not need it. It is opened at the first text, or by `engine.tokenizer`.

    Args:
        path: the bundle's directory.
        threads: CPU threads to use, all by default. Give it where processes share a machine: only
            then OpenVINO binds none of them to a core.
        throughput: favour many requests at once (`engine.submit`) over the latency of one.
        portable: run a bundle for a GPU on the CPU: its portable ONNX model in ONNX Runtime, or a
            torch-cuda engine with the op's reference. Slow, but it shows what the engine computes
            where there is no GPU. An engine for the CPU is portable as it is.
        long_texts: what becomes of texts with more tokens than the engine takes. "truncate": they
            are cut where the checkpoint's tokenizer cuts, and the result says which. "window": they
            are read in windows that overlap, and the head pools the windows' answers. "refuse":
            they are an InputError.
        stride: tokens that two windows share, a quarter of a window by default.
        batch_tokens: tokens up to which `engine.submit` answers requests together.
        max_waiting: requests that may wait in `engine.submit` at the same time.
        pruning: False: nothing is pruned; the answers are the dense model's. A number: thresholds
            are multiplied by it, and so are the shares that top-k layers prune; see
            `ltp_deploy.model.policy.LayerRule.scaled`.
        alive: results say how many tokens are alive after each layer, and `engine.drift` sums it
            up. It costs a little time; without it, none. None: where the bundle's engine can.
        survivors: results say which tokens are alive after each layer, as those of a bundle that
            was built with `--outputs survivors`. It costs time, and in f32 the last layer may round
            otherwise; `variant` opens a second engine for it.

    Raises:
        LtpError: an option that says nothing, or that the bundle cannot do.
        BundleError: the bundle is damaged, edited, or made for other hardware or versions, the
            tokenizer's among them.
    """
    directory, long = Path(path), LongTexts(long_texts, stride)
    queue = QueueOptions(batch_tokens, max_waiting)
    options = RunOptions(threads, throughput, pruning_factor(pruning), bool(alive), survivors)
    files = BundleFiles(directory)
    manifest = read_bundle(files)
    if portable:
        found = portable_form(manifest)
        if found is None:
            raise BundleError(f"{directory} has no portable model; build it with --portable-onnx")
        manifest = found
    _check_long_texts(directory, manifest, long, survivors or manifest.options.survivors)
    if alive is None:
        options = replace(options, alive=counts(manifest))
    session = open_session(files, manifest, options)
    engine = Engine(files, manifest, session, portable, long, queue, options)
    if manifest.tokenizer is not None and manifest.tokenizer.library == "tokenizers":
        _ = engine.tokenizer
    return engine


def _reopened(directory: Path, options: dict[str, Any], manifest: Manifest) -> Engine:
    """Load a bundle that was open before.

    Raises:
        BundleError: it has another manifest now.
    """
    engine = load(directory, **options)
    if engine.manifest != manifest:
        engine.close()
        raise BundleError(
            f"{directory} was replaced after it was loaded, so what is there now is another "
            "bundle; load it again"
        )
    return engine


def _check_long_texts(
    directory: Path, manifest: Manifest, long: LongTexts, survivors: bool
) -> None:
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
    if long.windows and survivors:
        raise BundleError(
            f"{directory} reports the survivors of a sequence, and in windows a text is several"
        )


class Engine:
    """A loaded bundle. Calls are safe from several threads at once.

    `with load(...) as engine:` closes it at the end, as `close` does. Pickled, it is its path and
    options: whoever unpickles it opens the bundle there, which must be the same one.

    Attributes:
        manifest: what the bundle says of itself; of its portable form, where that was loaded.
        digest: of the bundle as it was loaded, see `bundle_digest`.
        config, limits: the model's shape with the thresholds that are in force, and the largest
            request.
        pruning: the factor for the thresholds with which the bundle was loaded.
        survivors: whether results say which tokens are alive after each layer.
    """

    def __init__(
        self,
        files: BundleFiles,
        manifest: Manifest,
        session: Session,
        portable: bool = False,
        long: LongTexts | None = None,
        queue: QueueOptions | None = None,
        options: RunOptions | None = None,
    ):
        self.directory = files.directory
        self.digest = bundle_digest(files)
        self._path = files.directory.absolute()  # also where the process goes elsewhere
        self.manifest = manifest
        record = manifest.tokenizer
        # A tokenizer that is opened later is still the one that was loaded.
        self._tokenizer_files = files.only(record.folder) if record is not None else None
        self._run_options = options or RunOptions()
        self.pruning = self._run_options.pruning
        policy = manifest.model.policy.scaled(self.pruning)
        self.config = replace(manifest.model, policy=policy)
        self.survivors = self._run_options.survivors or manifest.options.survivors
        self._counts = self._run_options.alive or self.survivors
        self.limits = manifest.limits
        self.portable = portable
        self.long = long or LongTexts()
        self._lock = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._session: Session | None = session
        self._closed = False
        self._process = os.getpid()
        self._live = LiveCounts(self.config.layers)
        self._watcher: Watcher | None = None
        self._options = queue or QueueOptions()
        self._queue = RequestQueue(session.concurrency, self.limits, self._options)

    @property
    def carries(self) -> tuple[Carry, ...]:
        """Which rows each layer hands to the next one."""
        return self.manifest.plan.carries

    @property
    def session(self) -> Session:
        """What runs packed batches.

        Raises:
            EngineClosed: the engine was closed, or its process forked.
        """
        self._check_process()
        if self._session is None:
            raise EngineClosed(f"{self.directory}: the engine was closed; load the bundle again")
        return self._session

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
            EngineClosed: the engine was closed.
        """
        request = self._given(texts, input_ids, token_type_ids, attention_mask, ids, offsets)
        return self.answer(request)

    def submit(
        self,
        texts: Texts | None = None,
        *,
        input_ids: Any = None,
        token_type_ids: Any = None,
        attention_mask: Any = None,
        ids: Any = None,
        offsets: Any = None,
        deadline: float | None = None,
    ) -> Future[Result]:
        """The same request, answered in a future, together with others that wait.

        Answers of engines for the CPU are those of a call, bit for bit, whatever they are computed
        with; PyTorch and ONNX Runtime may round otherwise. A request that finds the engine free
        begins at once. One that was cancelled before it began is skipped.
        Texts are tokenized here, in the caller's thread. The callback of a future runs in a thread
        of the engine: it must not wait for another request's answer.

        Args:
            deadline: seconds within which the engine must have begun with the request, or its
                future fails with DeadlineExceeded, once the engine comes to it.

        Raises:
            InputError: the request is refused.
            Overloaded: too many requests are waiting.
            EngineClosed: the engine was closed.
        """
        request = self._given(texts, input_ids, token_type_ids, attention_mask, ids, offsets)
        self._check(request)
        return self.enqueue(request, deadline)

    def split(
        self,
        texts: Texts | None = None,
        *,
        input_ids: Any = None,
        token_type_ids: Any = None,
        attention_mask: Any = None,
        ids: Any = None,
        offsets: Any = None,
    ) -> list[Request]:
        """The same request, of any number of sequences, as several that the engine takes, each of
        at most `batch_tokens` tokens where its texts allow: for `enqueue`, one after another, so
        that others come in between.

        Raises:
            InputError: the request is refused.
            EngineClosed: the engine was closed.
        """
        request = self._given(texts, input_ids, token_type_ids, attention_mask, ids, offsets)
        if not request.in_windows:
            check(request.batch, self.config, Limits(0, 0, self.limits.max_length))
        return request.pieces(self._most_tokens, self.limits.max_batch)

    def enqueue(self, request: Request, deadline: float | None = None) -> Future[Result]:
        """One of the requests that `split` gave, answered as by `submit`.

        Raises:
            Overloaded: too many requests are waiting.
            EngineClosed: the engine was closed.
        """
        self._check_process()
        return self._queue.submit(request, deadline, self._answer)

    @property
    def waiting(self) -> int:
        """Requests in the queue that have not begun."""
        return self._queue.waiting

    def watch(self, ran: Watcher | None, waiting: Callable[[int], None] | None = None) -> None:
        """Have functions told what happens; None for nothing. They must not raise.

        Args:
            ran: told every batch that was computed, in the thread that computed it.
            waiting: told how many requests wait in the queue, whenever that changes. It must not
                call the engine.
        """
        self._watcher = ran
        self._queue.told = waiting

    def predict(self, texts: Texts) -> list[Prediction]:
        """Labels with their probabilities, or values, of any number of texts.

        Probabilities are the softmax of a classifier's logits, and the sigmoid of each where a text
        may have several labels. A value is the logit, or what the checkpoint says that becomes of
        it, as those of rerankers do.

        Args:
            texts: as for a call, in any number: they are computed in batches that the engine takes.

        Raises:
            InputError: what is no text.
        """
        return head_of(self.config).read(self._logits(texts))

    def encode(
        self, texts: Texts, prompt_name: str | None = None, prompt: str | None = None
    ) -> np.ndarray:
        """A vector for each text, by an embedding model.

        Args:
            texts: a string or a list of strings, in any number: they are computed in batches that
                the engine takes.
            prompt_name: of the model's prompt that goes before each text; its default, if it has
                one, where nothing is said.
            prompt: goes before each text in its place.

        Returns:
            [N, d] float32, of unit length where the model says so.

        Raises:
            LtpError: the model gives labels or values.
            InputError: what is no text, or an unknown prompt.
        """
        embedding = self.config.embedding
        if embedding is None:
            raise LtpError(
                f"{self.directory} answers with {head_of(self.config).noun}, not with vectors; "
                "encode needs an embedding model, and predict says what this one answers"
            )
        return self._logits(with_prompt(texts, embedding, prompt_name, prompt))

    def rank(
        self, query: str, documents: Sequence[str], top_k: int | None = None
    ) -> list[tuple[int, float]]:
        """The documents that fit the query best, the best first, by a model with one output.

        Args:
            documents: any number of texts; each is read as the second of a pair.
            top_k: how many are wanted, all by default.

        Returns:
            (index, score) of each: its place in `documents`, and the score as `predict` gives it.

        Raises:
            LtpError: the model has several outputs, which have no order.
            InputError: what is no text, or no number.
        """
        if self.config.num_labels != 1:
            raise LtpError(
                f"{self.directory} gives {self.config.num_labels} numbers for a pair of texts, and "
                "a ranking needs one; predict says what they are"
            )
        check_top_k(top_k)
        logits = self._logits(pairs(query, documents))
        scores = head_of(self.config).activation(logits)
        # By logits, which keep apart what the activation may have rounded to one number.
        return in_order(logits[:, 0], scores[:, 0], top_k)

    def classify(
        self,
        texts: Texts,
        labels: Sequence[str],
        template: str = TEMPLATE,
        several: bool = False,
    ) -> list[Prediction]:
        """Labels of one's own, by a model for natural language inference: a text has a label as far
        as it entails the template's sentence with it.

        All pairs of a text and a sentence go to the engine together, packed. A text's tokens are in
        each of its pairs, and are computed anew in each: attention lets both parts see each other.

        Args:
            texts: a string or a list of strings, in any number.
            labels: what is chosen from, in words that fit the template.
            template: a sentence with {} where a label goes.
            several: whether a text may have any number of labels, each decided on its own.

        Returns:
            As `predict` for a model with these classes: the label and its probability; with
            `several` those above a half. `scores` are in the order of `labels`.

        Raises:
            LtpError: the model's classes are not those of inference.
            InputError: what is no text, no list of labels, or no template.
        """
        found = outputs(self.config)
        sentences = hypotheses(labels, template)
        single = single_texts(texts, "a label's sentence is what each text pairs with")
        logits = self._logits([(text, said) for text in single for said in sentences])
        return decided(logits, labels, found, self.config, several)

    def run(self, batch: PackedBatch) -> Result:
        """Classify a packed batch."""
        return self.answer(Request(batch))

    def request(self, read: Tokenized) -> Request:
        """Texts that this engine's tokenizer has read, for `answer`."""
        return Request(read.batch, read.truncated, read.windows if self.long.windows else None)

    def answer(self, request: Request) -> Result:
        """What a call answers to the same texts or token ids.

        Raises:
            InputError: the request is refused.
            EngineClosed: the engine was closed.
        """
        self._check_open()
        self._check(request)
        return self._answer([request])[0]

    def variant(self, pruning: bool | float | None = None, survivors: bool = False) -> Engine:
        """The same bundle opened once more, for comparisons. It reads the same weights, and is to
        be closed on its own.

        Args:
            pruning: as `load` takes it; this engine's by default.
            survivors: as `load` takes it. Such an engine cuts texts that this one reads in windows.

        Raises:
            BundleError: the bundle cannot do it, or was replaced since.
            EngineClosed: this engine was closed.
        """
        options = self._load_options() | {"survivors": survivors}
        if survivors:
            options["alive"] = False
        if survivors and self.long.windows:
            options |= {"long_texts": LongTexts().rule, "stride": None}
        if pruning is not None:
            options["pruning"] = pruning
        return _reopened(self._path, options, self.manifest)

    def __reduce__(self) -> tuple[Any, ...]:
        """An engine is pickled as its path and options, and opened again where it is unpickled."""
        return _reopened, (self._path, self._load_options(), self.manifest)

    def _load_options(self) -> dict[str, Any]:
        """The arguments of `load` that open the same once more.

        Raises:
            EngineClosed: the engine was closed.
        """
        self._check_open()
        run = self._run_options
        return {
            "threads": run.threads,
            "throughput": run.throughput,
            "portable": self.portable,
            "long_texts": self.long.rule,
            "stride": self.long.stride,
            "batch_tokens": self._options.batch_tokens,
            "max_waiting": self._options.max_waiting,
            "pruning": run.pruning,
            "alive": run.alive,
            "survivors": run.survivors,
        }

    def drift(self) -> Drift:
        """How much of live texts was kept since the bundle was loaded, against the texts that its
        plan rests on (`--profile-data` or `--calibration` of the build).

        Raises:
            LtpError: the bundle has no profile, or one of a single sequence; the engine does not
                count; it has seen nothing yet; or thresholds are not those of the profile.
        """
        profile = self._profile()
        if not self._live.sequences:
            raise LtpError(f"{self.directory} has answered nothing yet")
        return self._live.against(profile, self._decided)

    def drift_of(self, sequences: int, tokens: int, kept: np.ndarray) -> Drift:
        """The same, of sums over what several processes have answered; see `drift.drift`.

        Args:
            kept: [layers].
        """
        return drift(self._profile(), sequences, tokens, kept[: self._decided])

    @property
    def _decided(self) -> int:
        """Layers whose pruning is computed."""
        return self.config.layers - (self.carries[-1] is Carry.FIRST)

    def _profile(self) -> SurvivorSummary:
        """What live texts are compared with.

        Raises:
            LtpError: nothing is, with the reason.
        """
        profile, where = self.manifest.profile, self.directory
        if profile is None or profile.sequences < 2:
            found = "no profile" if profile is None else "a profile of one sequence"
            raise LtpError(
                f"{where} has {found} to compare with; build it with --profile-data or "
                "--calibration, on texts such as it will meet"
            )
        if not self._counts:
            raise LtpError(f"{where} was loaded without alive=True, so nothing was counted")
        if self.pruning != 1:
            raise LtpError(
                f"{where} was loaded with pruning={self.pruning:g}, and its profile is of the "
                "thresholds that it was built with"
            )
        return profile

    def close(self, cancel: bool = False) -> None:
        """Refuse further requests, answer those that `submit` has taken, and let the engine go.

        It returns when the last one is answered; no thread is left then, except where the callback
        of a future closes the engine: its thread ends after it. Calls in other threads end as
        usual, or raise EngineClosed. A second `close` does nothing.

        Args:
            cancel: those that have not begun fail with EngineClosed instead of being answered.
        """
        self._closed = True
        if self._queue.close(cancel):
            self._session = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise EngineClosed(
                f"{self.directory}: the process was forked after the engine was loaded, and its "
                "threads are in the parent; load the bundle in each process"
            )

    def _check_open(self) -> None:
        self._check_process()
        if self._closed:
            raise EngineClosed(f"{self.directory}: the engine was closed; load the bundle again")

    def _check(self, request: Request) -> None:
        if not request.in_windows:  # those are computed in pieces that fit
            check(request.batch, self.config, self.limits)

    def _given(
        self,
        texts: Texts | None,
        input_ids: Any,
        token_type_ids: Any,
        attention_mask: Any,
        ids: Any,
        offsets: Any,
    ) -> Request:
        """A request in one of the four ways, of any size."""
        self._check_open()
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
            return self._read(texts)
        if ids is not None:
            return Request(packed(ids, offsets, token_type_ids))
        return Request(pack(input_ids, token_type_ids, attention_mask))

    def _read(self, texts: Texts) -> Request:
        return self.request(self.tokenizer.tokenize(texts))

    def _logits(self, texts: Texts) -> np.ndarray:
        """[N, outputs] of any number of texts, none included."""
        self._check_open()
        request = self._read(texts)
        if not request.batch.sequences:
            return np.zeros((0, self.config.num_labels), np.float32)
        found = self.run_in_pieces(request.batch)
        return part(found, 0, request.batch.sequences, request, self.config).logits

    def _answer(self, requests: Sequence[Request]) -> list[Result]:
        """Answer requests together. More than the engine takes may be one request in windows."""
        batch = joined(requests)
        together = self.run_in_pieces(batch) if requests[0].in_windows else self._run(batch)
        ends = np.cumsum([request.batch.sequences for request in requests]).tolist()
        return [
            part(together, first, end, request, self.config)
            for request, first, end in zip(requests, [0, *ends], ends, strict=False)
        ]

    def _run(self, batch: PackedBatch) -> Result:
        """Run a batch that was checked."""
        begin = time.perf_counter()
        session, feeds = self.session, batch.feeds(self.config)
        with in_one_line(f"the engine in {self.directory} failed", EngineFailed), native_calls:
            outputs = session.run(feeds)
        check_answer(outputs, batch.offsets, self.manifest)
        result = make_result(outputs, batch, self.config, self.survivors)
        if result.alive is not None:
            self._live.add(batch.lengths, result.alive)
        if watcher := self._watcher:
            watcher(Ran(batch.lengths, result.alive, time.perf_counter() - begin))
        return result

    def run_in_pieces(self, batch: PackedBatch) -> Result:
        """Run sequences of any number, in batches of similar length that the engine takes, as many
        side by side as it runs."""
        lengths, at_once = batch.lengths, self.session.concurrency
        most = self.limits.max_batch or len(lengths)
        pieces = shared_batches(lengths, most, self._most_tokens, at_once)
        parts = (batch.select(rows) for rows in pieces)
        if at_once == 1 or len(pieces) == 1:
            return gathered([self._run(part) for part in parts], pieces)
        with ThreadPoolExecutor(at_once, "ltp-pieces") as workers:
            try:
                results = workers.map(self._run, parts)
            except RuntimeError:
                raise EngineClosed("the process is ending, so nothing new begins") from None
            return gathered(list(results), pieces)

    @property
    def _most_tokens(self) -> int:
        """Tokens that are computed together."""
        return min(n for n in (self._options.batch_tokens, self.limits.max_tokens) if n)

    def tokenize(self, texts: Texts) -> PackedBatch:
        """Tokenize with the checkpoint's own tokenizer, which the bundle carries."""
        return self.tokenizer(texts)

    @property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's own tokenizer.

        Raises:
            InputError: the bundle has none.
            EngineClosed: the engine was closed.
        """
        self._check_open()
        with self._lock:
            if self._tokenizer is None:
                record, files = self.manifest.tokenizer, self._tokenizer_files
                if record is None or files is None:
                    raise InputError(
                        f"{self.directory} carries no tokenizer, since its checkpoint had none or "
                        "the build left it out; pass input_ids"
                    )
                with opening(f"the tokenizer of {self.directory} cannot be used"):
                    self._tokenizer = open_tokenizer(
                        files, record, self.config, self.limits.max_length, self.long
                    )
                self._tokenizer_files = None
            return self._tokenizer
