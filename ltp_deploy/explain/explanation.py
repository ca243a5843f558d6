"""What is shown of one request, ready for JSON (`ltp_deploy.codec.to_json`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """One token of a sequence.

    Attributes:
        token: its name in the vocabulary.
        text: the characters that it stands for; "" where the token before it stands for them too.
        space: whether white space, or the beginning of the text, stands before it.
        segment: 0 of the first text, 1 of a pair's second, None of a special token.
        start, end: the place of `text` in its segment; None of special tokens, and where the
            tokenizer does not say.
        pruned: the layer, from 0 on, that pruned it; None where it survived all.
    """

    token: str
    text: str
    space: bool
    segment: int | None
    start: int | None
    end: int | None
    pruned: int | None


@dataclass(frozen=True)
class TokenSequence:
    """What the engine reads at once: a text or a pair, or one window of it.

    Attributes:
        alive: how many tokens are alive before the first layer and after each one, layers + 1
            numbers.
        finished: the layer that pruned the first token, with which the answer was known and all
            others were dropped; None where none did.
    """

    tokens: tuple[Token, ...]
    alive: tuple[int, ...]
    finished: int | None


@dataclass(frozen=True)
class Segment:
    """A text as it was given; of an embedding model after its prompt.

    Attributes:
        start, end: the characters that were read; None where the tokenizer does not say.
    """

    text: str
    start: int | None
    end: int | None


@dataclass(frozen=True)
class Score:
    """One output.

    Attributes:
        name: the class or label; "score" of a value.
        value: a probability, or the value.
        chosen: whether it is the answer, or part of it.
        threshold: above which a label of several holds; None of others.
    """

    name: str
    value: float
    chosen: bool
    threshold: float | None


@dataclass(frozen=True)
class Answer:
    """What the model says of one text or pair.

    Attributes:
        labels: the names of the chosen labels, best first; () of models that give none.
        scores: every output in its order; () of an embedding.
        probabilities: whether scores lie in 0..1 and mean probabilities.
        cosine: of an embedding with that of the same engine without pruning; None of others, and
            where nothing is pruned.
    """

    labels: tuple[str, ...]
    scores: tuple[Score, ...]
    probabilities: bool
    cosine: float | None


@dataclass(frozen=True)
class ExplainedText:
    """One text or pair.

    Attributes:
        index: of a passage its place among those given, 0 of others.
        answer: of the engine.
        dense: of the same engine without pruning; None where there is none to compare with.
        truncated: whether the text is longer than what was read of it.
        segments: the text, or both of the pair.
        sequences: one, or one for each window.
    """

    index: int
    answer: Answer
    dense: Answer | None
    truncated: bool
    segments: tuple[Segment, ...]
    sequences: tuple[TokenSequence, ...]


@dataclass(frozen=True)
class Explanation:
    """One request.

    Attributes:
        bundle: the name of its directory.
        target, precision: of the bundle.
        pruning: the factor of the thresholds.
        head: what the answer is, a name in `ltp_deploy.heads.HEADS`.
        layers: how many the model has.
        rules: how each prunes, in words, with the thresholds in force.
        milliseconds: from texts to answers, of all texts together; a median.
        dense_milliseconds: the same of the engine without pruning; None where there is none.
        no_dense: why there is none; "" where there is one.
        ranked: whether the texts are passages of one query, the best first.
        texts: one, or each passage.
    """

    bundle: str
    target: str
    precision: str
    pruning: float
    head: str
    layers: int
    rules: tuple[str, ...]
    milliseconds: float
    dense_milliseconds: float | None
    no_dense: str
    ranked: bool
    texts: tuple[ExplainedText, ...]
