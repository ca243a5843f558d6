"""An explanation as text for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import click

from ltp_deploy.explain.explanation import Answer, ExplainedText, Explanation, Token, TokenSequence
from ltp_deploy.report.table import table

BAR = 24  # columns of a bar for all tokens
INDENT = "  "
SHOWN = 5  # scores, and all that are chosen

Line = list[tuple[str, Token]]  # what stands before a token, and the token


def describe(explanation: Explanation, width: int = 100, colour: bool = False) -> str:
    """The answer and the time, then for each layer what is left of the text.

    A token that a layer prunes is struck out there, is faint after the next layer, and dots from
    then on; without colours it is dots at once.

    Args:
        width: columns of a line.
    """
    dial = "" if explanation.pruning == 1 else f", pruning {explanation.pruning:g}"
    head = f"{explanation.bundle}: target {explanation.target}, {explanation.precision}{dial}"
    blocks = [f"{head}\n{_times(explanation)}"]
    for rank, text in enumerate(explanation.texts, 1):
        if explanation.ranked:
            blocks.append(f"{rank}. passage {text.index + 1}")
        blocks.append(_scores(text.answer, text.dense))
        for number, sequence in enumerate(text.sequences, 1):
            if len(text.sequences) > 1:
                blocks.append(f"window {number} of {len(text.sequences)}")
            blocks.append(_layers(sequence, width, colour))
        blocks += [_unread(text)] if text.truncated else []
    return "\n\n".join(blocks)


def _times(explanation: Explanation) -> str:
    own, dense = explanation.milliseconds, explanation.dense_milliseconds
    if dense is None:
        return f"{own:.2f} ms; not compared with pruning off: {explanation.no_dense}"
    return f"{own:.2f} ms, {dense:.2f} ms with pruning off: {dense / own:.2f}x"


def _scores(answer: Answer, dense: Answer | None) -> str:
    """The best outputs, and all that are chosen."""
    if not answer.scores:
        near = "" if answer.cosine is None else f", cosine {answer.cosine:.4f} with pruning off's"
        return f"a vector{near}"
    if len(answer.scores) == 1 and answer.scores[0].threshold is None:
        without = f", {dense.scores[0].value:.4f} with pruning off" if dense else ""
        return f"score {answer.scores[0].value:.4f}{without}"
    order = sorted(range(len(answer.scores)), key=lambda i: -answer.scores[i].value)
    rows = []
    for rank, i in enumerate(order):
        score = answer.scores[i]
        if rank < SHOWN or score.chosen:
            name = f"{score.name} *" if score.chosen else score.name
            other = [f"{dense.scores[i].value:.4f}"] if dense else []
            rows.append([name, f"{score.value:.4f}", *other])
    found = table(["label", "score", *(["pruning off"] if dense else [])], rows)
    left = len(order) - len(rows)
    return f"{found}\n{left} more" if left else found


def _layers(sequence: TokenSequence, width: int, colour: bool) -> str:
    lines = _wrapped(sequence.tokens, max(20, width - len(INDENT)))
    blocks = [_layer("read", sequence.alive, 0), _picture(lines, 0, colour)]
    for step in range(1, len(sequence.alive)):
        blocks.append(_layer(f"layer {step - 1}", sequence.alive, step))
        if sequence.alive[step] < sequence.alive[step - 1]:
            blocks.append(_picture(lines, step, colour))
        if sequence.finished == step - 1:
            blocks.append(f"{INDENT}The first token is pruned, and all others go with it.")
    return "\n".join(blocks)


def _layer(name: str, alive: Sequence[int], step: int) -> str:
    bar = "█" * round(BAR * alive[step] / alive[0])
    return f"{name:<10}{alive[step]:>5} of {alive[0]} alive  {bar}".rstrip()


def _picture(lines: Sequence[Line], step: int, colour: bool) -> str:
    return "\n".join(
        INDENT + "".join(gap + _faded(token, step, colour) for gap, token in line) for line in lines
    )


def _faded(token: Token, step: int, colour: bool) -> str:
    """A token as it stands after so many layers."""
    text, dots = _printable(token), "·" * _columns(_printable(token))
    age = -1 if token.pruned is None else step - 1 - token.pruned
    if age < 0:
        return text
    if not colour:
        return dots
    if age == 0:
        return click.style(text, fg="yellow", strikethrough=True)
    return click.style(text if age == 1 else dots, dim=True)


def _wrapped(tokens: Sequence[Token], width: int) -> list[Line]:
    """Tokens in lines, broken between words; a pair's second text begins a line."""
    lines: list[Line] = [[]]
    used, segment = 0, None
    for word in _words(tokens):
        size = sum(_columns(_printable(token)) for token in word)
        new = word[0].segment == 1 and segment == 0
        if lines[-1] and (new or used + 1 + size > width):
            lines.append([])
            used = 0
        segment = segment if word[0].segment is None else word[0].segment
        gap = " " if lines[-1] else ""
        lines[-1] += [(gap, word[0]), *(("", token) for token in word[1:])]
        used += len(gap) + size
    return lines


def _words(tokens: Sequence[Token]) -> list[list[Token]]:
    """Tokens that no white space parts."""
    words: list[list[Token]] = []
    for token in tokens:
        apart = token.space or token.segment is None or words[-1][-1].segment is None
        if not words or apart:
            words.append([])
        words[-1].append(token)
    return words


def _printable(token: Token) -> str:
    text = token.text or "·"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _columns(text: str) -> int:
    """How wide a terminal shows a text."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text
    )


def _unread(text: ExplainedText) -> str:
    """Which characters were too many."""
    parts = []
    for segment in text.segments:
        if segment.start is None or segment.end is None:
            continue
        before, after = segment.text[: segment.start].strip(), segment.text[segment.end :].strip()
        parts += [f"the first {len(before)}"] if before else []
        parts += [f"the last {len(after)}"] if after else []
    if not parts:
        return "The text is longer than what was read of it."
    return f"The text is too long: {' and '.join(parts)} characters were not read."
