"""Texts whose tokens fade in the layer that prunes them, as on the page of `explain`.

Nothing runs in the page: a layer is chosen by a radio button, and the style sheet does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from ltp_deploy.explain.explanation import Answer, ExplainedText, Explanation, Token, TokenSequence
from ltp_deploy.report.page.findings import Examples, Findings
from ltp_deploy.report.page.markup import Child, element, folded, note, table
from ltp_deploy.report.page.section import Missing

LONG = 140  # tokens, above which letters are smaller; as on the page of `explain`
SHOWN = 3  # scores of an answer
MOST_NUMBERS = 13  # below the bars


def content(findings: Findings) -> Sequence[Child] | Missing:
    """Each text with its answer and its tokens."""
    examples = findings.examples
    if examples is None:
        reason = findings.no_examples or "no texts were given"
        return Missing(reason, "" if findings.no_examples else "report --texts FILE")
    shown = len(examples.explanations)
    which = f"The first {shown} of {examples.of:,} texts" if shown < examples.of else "The texts"
    words = (
        f"{which} of {examples.source}. Choose a layer by its bar: a token is struck out in the "
        "layer that prunes it, and fades from the next one on."
    )
    articles = (_article(i, explanation) for i, explanation in enumerate(examples.explanations))
    return [element("p", words), *articles]


def style(examples: Examples) -> str:
    """The rules by which a chosen layer shows what it leaves."""
    layers = max(explanation.layers for explanation in examples.explanations)
    rules = [f".p{layer} {{ --pruned: {layer}; }}" for layer in range(layers)]
    for step in range(layers + 1):
        chosen = f".example:has(.s{step}:checked)"
        rules.append(f"{chosen} {{ --step: {step}; }} {chosen} .n{step} {{ display: inline; }}")
        if step:
            struck = "color: var(--going); text-decoration: line-through 0.06em;"
            rules.append(f"{chosen} .p{step - 1} {{ {struck} }}")
    return "\n".join(rules)


def _article(number: int, explanation: Explanation) -> Element:
    (text,) = explanation.texts
    alive = _alive(text)
    tokens = [_paragraphs(text, i) for i in range(len(text.sequences))]
    long = sum(len(sequence.tokens) for sequence in text.sequences) > LONG
    return element(
        "article",
        element("h3", f"Text {number + 1}"),
        *_answer(text.answer, text.dense),
        note(_times(explanation)),
        _chooser(number, alive),
        *(paragraph for sequence in tokens for paragraph in sequence),
        *([note("The text is longer than what was read of it.")] if text.truncated else []),
        folded("As a table", _layers(explanation, text, alive)),
        class_="example long" if long else "example",
    )


def _alive(text: ExplainedText) -> list[int]:
    """Tokens alive in all sequences together, before layer 0 and after each layer."""
    return [sum(counts) for counts in zip(*(s.alive for s in text.sequences), strict=True)]


def _answer(answer: Answer, dense: Answer | None) -> list[Child]:
    """The label, and the best outputs with their values without pruning."""
    if not answer.scores:
        near = "" if answer.cosine is None else f", cosine {answer.cosine:.4f} with pruning off's"
        return [element("p", f"A vector{near}")]
    order = sorted(range(len(answer.scores)), key=lambda i: -answer.scores[i].value)
    rows = [
        _score(answer, dense, i)
        for rank, i in enumerate(order)
        if rank < SHOWN or answer.scores[i].chosen
    ]
    return [element("ul", *rows, class_="bars")]


def _score(answer: Answer, dense: Answer | None, number: int) -> Element:
    """An output, with a mark where it is without pruning."""
    score = answer.scores[number]
    other = dense.scores[number].value if dense else None
    value: list[Child] = [_value(answer, score.value)]
    if other is not None:
        off = f" {_value(answer, other)} with pruning off"
        value.append(element("span", off, class_="note"))
    parts = [element("span", score.name), element("span", *value, class_="value")]
    if answer.probabilities:
        mark = [] if other is None else [element("b", style=f"left: {100 * other:.1f}%")]
        filled = element("i", style=f"width: {100 * score.value:.1f}%")
        parts.append(element("div", filled, *mark, class_="bar"))
    return element("li", *parts, class_="chosen" if score.chosen else None)


def _value(answer: Answer, value: float) -> str:
    return f"{100 * value:.1f} %" if answer.probabilities else f"{value:.4f}"


def _times(explanation: Explanation) -> str:
    own, dense = explanation.milliseconds, explanation.dense_milliseconds
    if dense is None:
        return f"{own:.2f} ms; not compared with pruning off: {explanation.no_dense}."
    return f"{own:.2f} ms, {dense:.2f} ms with pruning off; this text alone, on this machine."


def _chooser(number: int, alive: Sequence[int]) -> Element:
    """A bar for each layer, and a sentence for the one that is chosen."""
    first = max(0, len(alive) - 2)  # what the last layer reads: its own pruning mostly hides all
    every = -(-len(alive) // MOST_NUMBERS)
    bars, sentences = [], []
    for step, count in enumerate(alive):
        after = "before the first layer" if step == 0 else f"after layer {step - 1}"
        said = f"{after}: {count} of {alive[0]} tokens alive"
        radio = element(
            "input",
            type="radio",
            name=f"step{number}",
            class_=f"s{step}",
            aria_label=said,
            checked="" if step == first else None,
        )
        name = "in" if step == 0 else str(step - 1)
        bar = element("i", style=f"height: {100 * count / alive[0]:.0f}%")
        label = element("span", name if step % every == 0 else "\N{NO-BREAK SPACE}")
        bars.append(element("label", radio, element("b", bar), label, title=said))
        sentences.append(element("span", said.capitalize(), class_=f"n{step}"))
    return element(
        "fieldset",
        element("legend", "Tokens alive", class_="unseen"),
        element("div", *bars, class_="steps"),
        element("p", *sentences, class_="state"),
    )


def _paragraphs(text: ExplainedText, number: int) -> list[Element]:
    """A sequence as it reads: each text of a pair on its own."""
    sequence, windows = text.sequences[number], len(text.sequences)
    found = []
    if windows > 1:
        found.append(element("p", f"window {number + 1} of {windows}", class_="part"))
    parts: list[list[Child]] = [[]]
    segment = None
    for token in sequence.tokens:
        if token.segment is not None and segment is not None and token.segment != segment:
            parts.append([])
        segment = segment if token.segment is None else token.segment
        if parts[-1] and (token.space or token.segment is None):
            parts[-1].append(" ")
        parts[-1].append(_token(token))
    found += [element("p", *part, class_="tokens") for part in parts]
    return [*found, *_finished(sequence)]


def _token(token: Token) -> Element:
    names = [*(["special"] if token.segment is None else [])]
    names += [] if token.pruned is None else [f"p{token.pruned}"]
    return element("span", token.text or "·", class_=" ".join(names) or None)


def _finished(sequence: TokenSequence) -> list[Element]:
    if sequence.finished is None:
        return []
    return [
        note(
            f"Layer {sequence.finished} prunes the first token, from which the answer is read: all "
            "others go with it."
        )
    ]


def _layers(explanation: Explanation, text: ExplainedText, alive: Sequence[int]) -> Element:
    tokens = [token for sequence in text.sequences for token in sequence.tokens]
    rows: list[list[Child]] = [["in", "", str(alive[0]), ""]]
    for layer, rule in enumerate(explanation.rules):
        gone = " ".join(token.token for token in tokens if token.pruned == layer)
        rows.append([str(layer), rule, str(alive[layer + 1]), gone])
    headers = ["layer", "rule", "alive", "pruned here"]
    return table(headers, rows, "Tokens that each layer prunes", numbers=False)
