"""Explaining what an engine answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType

import numpy as np

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.metrics import cosines
from ltp_deploy.data.texts import Text, as_texts
from ltp_deploy.data.tokenizer import Tokenized
from ltp_deploy.errors import BundleError, EngineClosed, InputError
from ltp_deploy.explain.answers import answers_of
from ltp_deploy.explain.explanation import (
    Answer,
    ExplainedText,
    Explanation,
    Segment,
    TokenSequence,
)
from ltp_deploy.explain.timing import milliseconds
from ltp_deploy.explain.tokens import segments_of, sequence_of
from ltp_deploy.heads import head_of
from ltp_deploy.runtime.encoding import with_prompt
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.runtime.ranking import in_order, pairs
from ltp_deploy.runtime.request import Request


def explain(engine: Engine, text: Text, passages: Sequence[str] | None = None) -> Explanation:
    """See `Explainer.__call__`; for several texts make an `Explainer`, which opens no bundle
    anew for each."""
    with Explainer(engine) as explainer:
        return explainer(text, passages)


class Explainer:
    """Explains what an engine answers.

    Beside the engine it uses two more of the same bundle, which read the same weights in memory:
    one that reports survivors, and one that prunes nothing. They are opened at the first text and
    closed at the end of `with`, or by `close`. Calls from several threads wait for each other, so
    that no one's times are disturbed by the others'.
    """

    def __init__(self, engine: Engine, most_tokens: int = 0):
        """
        Args:
            most_tokens: of all texts of a request together; 0 for any number.
        """
        self.engine = engine
        self._most_tokens = most_tokens
        self._lock = threading.Lock()
        self._variants = ExitStack()
        self._reporting: Engine | None = None
        self._dense: Engine | None = None
        self._no_dense = ""
        self._closed = False

    def __call__(self, text: Text, passages: Sequence[str] | None = None) -> Explanation:
        """Explain a text or a pair of texts; or a query with passages, for models with one output.

        Args:
            text: a string, or a tuple of two.
            passages: of the query `text`; they are read together, as one request.

        Raises:
            InputError: what is no text, too long, or more than the engine takes at once.
            LtpError: passages, and the model has several outputs.
            BundleError: the bundle cannot report its survivors.
            EngineClosed: the explainer or its engine was closed.
        """
        with self._lock:
            if self._closed:
                raise EngineClosed("the explainer was closed; make another one")
            texts = self._texts(text, passages)
            read = self.engine.tokenizer.tokenize(texts, pieces=True)
            self._check_tokens(len(read.batch.input_ids))
            self._open()
            return self._explanation(texts, read, ranked=passages is not None)

    def close(self) -> None:
        """Close the engines that were opened here, not the one that is explained."""
        with self._lock:
            self._closed = True
            self._variants.close()

    def __enter__(self) -> Explainer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _texts(self, text: Text, passages: Sequence[str] | None) -> list[Text]:
        """What the engine reads."""
        if passages is not None:
            texts = as_texts(pairs(text, passages))
            self.engine.rank(str(text), [])  # refused where the model ranks nothing
            if not texts:
                raise InputError("a query without passages; give at least one")
            return texts
        texts = as_texts([text])
        if self.engine.config.embedding is not None:
            texts = list(with_prompt(texts, self.engine.config.embedding, None, None))
        return texts

    def _check_tokens(self, tokens: int) -> None:
        if tokens > self._most_tokens > 0:
            raise InputError(
                f"the request has {tokens} tokens, and {self._most_tokens} are allowed; shorten it"
            )

    def _open(self) -> None:
        """Open what is not open yet.

        Raises:
            BundleError: the bundle cannot report its survivors.
        """
        engine = self.engine
        if self._reporting is None:
            self._reporting = engine if engine.survivors else self._variant(survivors=True)
        if self._dense is not None or self._no_dense:
            return
        if not engine.config.policy.prunes:
            self._no_dense = "nothing is pruned as it is"
            return
        try:
            self._dense = self._variant(pruning=False)
        except BundleError as error:
            self._no_dense = str(error)

    def _variant(self, pruning: bool | None = None, survivors: bool = False) -> Engine:
        return self._variants.enter_context(self.engine.variant(pruning, survivors))

    def _explanation(self, texts: list[Text], read: Tokenized, ranked: bool) -> Explanation:
        engine = self.engine
        request = engine.request(read)
        logits = engine.answer(request).logits
        answers, dense = self._answers(request, logits)
        sequences = self._sequences(texts, read)
        explained = [
            ExplainedText(i, answers[i], dense[i] if dense else None, cut, *sequences[i])
            for i, cut in enumerate(read.truncated.tolist())
        ]
        if ranked:
            order = in_order(logits[:, 0], logits[:, 0], None)
            explained = [explained[i] for i, _ in order]
        times = self._times(texts)
        return Explanation(
            bundle=engine.directory.resolve().name,
            target=engine.manifest.target,
            precision=engine.manifest.precision,
            pruning=engine.pruning,
            head=engine.config.head,
            layers=engine.config.layers,
            rules=tuple(str(rule) for rule in engine.config.policy.layers),
            milliseconds=times[0],
            dense_milliseconds=times[1] if len(times) > 1 else None,
            no_dense=self._no_dense,
            ranked=ranked,
            texts=tuple(explained),
        )

    def _answers(
        self, request: Request, logits: np.ndarray
    ) -> tuple[list[Answer], list[Answer] | None]:
        """The engine's answers, and those without pruning."""
        head = head_of(self.engine.config)
        answers = answers_of(head, logits)
        if self._dense is None:
            return answers, None
        dense = self._dense.answer(request).logits
        if self.engine.config.embedding is not None:
            near = cosines(logits, dense).tolist()
            answers = [replace(a, cosine=c) for a, c in zip(answers, near, strict=True)]
        return answers, answers_of(head, dense)

    def _sequences(
        self, texts: list[Text], read: Tokenized
    ) -> list[tuple[tuple[Segment, ...], tuple[TokenSequence, ...]]]:
        """Each text's parts, and its sequences with the tokens that survive in them."""
        found, survivors = [], iter(self._survivors(read.batch))
        for text, windows in zip(texts, read.pieces, strict=True):
            parts = text if isinstance(text, tuple) else (text,)
            sequences = [sequence_of(pieces, parts, next(survivors)) for pieces in windows]
            found.append((segments_of(parts, windows), tuple(sequences)))
        return found

    def _survivors(self, batch: PackedBatch) -> list[list[np.ndarray]]:
        """[N][layer] the positions that are alive after it."""
        engine = self._reporting
        assert engine is not None
        found: list[list[np.ndarray]] = [[] for _ in range(batch.sequences)]
        for chosen in engine.limits.requests(batch.lengths):
            reported = engine.run(batch.select(chosen)).survivors
            assert reported is not None
            for place, layers in zip(chosen, reported, strict=True):
                found[place] = layers
        return found

    def _times(self, texts: list[Text]) -> list[float]:
        """Milliseconds of the engine, and of the one without pruning where there is one."""
        engines = [engine for engine in (self.engine, self._dense) if engine is not None]
        return milliseconds([partial(engine, texts) for engine in engines])
