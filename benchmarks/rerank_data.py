"""Data for reranking, made of reviews or of paraphrases: queries, and passages of which one belongs
to each.

Usage: python benchmarks/rerank_data.py --data FOLDER -o OUTPUT [--seed N] [--paraphrases]

FOLDER holds train.tsv and test.tsv with a column `text`. A review is cut in two: its first
sentences are the query, and sentences that follow are the passage that belongs to it. With
`--paraphrases` the columns are text_a, text_b and label, as MRPC has them: of two sentences with
the label 1 the first is the query, without the words that both have, and the second its passage.
OUTPUT gets train.tsv, dev.tsv and test.tsv with the columns query, passage and label (0 or 1), the
rows of a query together.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np

from ltp_deploy.data.files import Row, read_rows

T = TypeVar("T")

QUERY_WORDS = (15, 60)  # whole sentences with at least so many words; longer queries are cut
PASSAGE_WORDS = (20, 190)  # likewise; about 30 and 250 tokens
MEDIAN, SIGMA = 62, 0.5  # of the log-normal number of words at which a passage ends
LEAST_LEFT = 5  # words of a paraphrase's query
NEAR = 200  # passages that share most words with a query; hard ones are drawn from them
SENTENCE = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(]*[A-Z0-9])")
MARK = re.compile(r"<[^<>]{1,20}>")  # <br /> and its like
WORD = re.compile(r"\w[\w'-]*")


@dataclass(frozen=True)
class Halves:
    """Two parts of a review."""

    query: str
    passage: str


@dataclass(frozen=True)
class Pair:
    """A row of the data; `label` is 1 where both come from the same review."""

    query: str
    passage: str
    label: int


@dataclass(frozen=True)
class Split:
    """How many queries a file has, and how many passages of other reviews each of them."""

    queries: int
    others: int


SPLITS = {"train": Split(4000, 4), "dev": Split(100, 49), "test": Split(150, 49)}
DEV_SHARE = 0.15  # of the reviews for training, from which queries and passages of dev come


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--paraphrases", action="store_true")
    options = parser.parse_args()
    train, test = (list(read_rows(options.data / name)) for name in ("train.tsv", "test.tsv"))
    if options.paraphrases:
        found = make_of_paraphrases(train, test, options.seed)
    else:
        found = make(*([row["text"] for row in rows] for rows in (train, test)), options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, rows in found.items():
        write(options.output / f"{name}.tsv", rows)
        words = [len(row.passage.split()) for row in rows]
        print(
            f"{name}: {len(rows)} rows, {sum(row.label for row in rows)} queries, passages of "
            f"{min(words)} to {max(words)} words, {np.median(words):g} in the middle"
            + (f"; MRR by words alone {lexical_mrr(rows):.3f}" if name != "train" else "")
        )


def make(
    train: Sequence[str], test: Sequence[str], seed: int, splits: dict[str, Split] = SPLITS
) -> dict[str, list[Pair]]:
    """The rows of every file, by its name without the extension.

    No review is in two files. Queries and passages of a file come from its own reviews.

    Args:
        train: reviews for training; dev gets some of them.
        test: reviews for test.
    """
    rng = np.random.default_rng(seed)
    known = names([*train, *test])
    reviews = divided(train, test, rng)
    seen: set[str] = set()
    found = {}
    for name in ("test", "dev", "train"):  # what is in two of them stays in the first
        texts = [t for t in dict.fromkeys(map(clean, reviews[name])) if t not in seen]
        seen.update(texts)
        parts = [part for text in texts if (part := halves(text, rng, known)) is not None]
        found[name] = pairs(without_doubles(parts), splits[name], rng)
    return {name: found[name] for name in splits}


def divided(train: Sequence[T], test: Sequence[T], rng: np.random.Generator) -> dict[str, list[T]]:
    """What each file is made of, in random order; dev gets `DEV_SHARE` of the training data."""
    order = rng.permutation(len(train))
    held_out = int(DEV_SHARE * len(train))
    return {
        "train": [train[i] for i in order[held_out:]],
        "dev": [train[i] for i in order[:held_out]],
        "test": [test[i] for i in rng.permutation(len(test))],
    }


def make_of_paraphrases(
    train: Sequence[Row], test: Sequence[Row], seed: int, splits: dict[str, Split] = SPLITS
) -> dict[str, list[Pair]]:
    """The same of pairs of sentences, each file with its own."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, of in divided(train, test, rng).items():
        alike = [Halves(r["text_a"], r["text_b"]) for r in of if r["label"] == "1"]
        parts = [part for half in alike if (part := without_shared(half)) is not None]
        found[name] = pairs(without_doubles(parts), splits[name], rng)
    return found


def without_shared(half: Halves) -> Halves | None:
    """The query without words of more than three letters that its passage has as well, or TF-IDF
    alone would rank; None where too little is left of it."""
    shared = {word.lower() for word in WORD.findall(half.passage)}
    left = [w for w in half.query.split() if len(w) <= 3 or not shared.intersection(_parts(w))]
    return Halves(" ".join(left), half.passage) if len(left) >= LEAST_LEFT else None


def clean(text: str) -> str:
    """The text without marks of HTML, doubled quotation marks and doubled spaces."""
    return " ".join(MARK.sub(" ", text).replace('""', '"').split())


def names(reviews: Iterable[str]) -> set[str]:
    """The words that mostly begin with a capital: names of people, places and films."""
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for review in reviews:
        for word in WORD.findall(review):
            (capital if word[0].isupper() else small)[word.lower()] += 1
    return {word for word, count in capital.items() if count > small[word]} - {"i", "i'm", "i've"}


def halves(text: str, rng: np.random.Generator, known: set[str]) -> Halves | None:
    """A review's query and passage, or None where it is too short.

    Args:
        text: the review, cleaned.
        rng: decides how long the passage is.
        known: names; those that both parts share are left out of the query, or they alone would
            tell which passage belongs to it.
    """
    sentences = SENTENCE.split(text)
    first, rest = _gathered(sentences, QUERY_WORDS[0])
    low, high = PASSAGE_WORDS
    wanted = int(np.clip(np.round(rng.lognormal(np.log(MEDIAN), SIGMA)), low, high))
    second, _ = _gathered(rest, wanted)
    shared = {word.lower() for word in WORD.findall(" ".join(second))} & known
    query = [w for w in first if not shared.intersection(_parts(w))][: QUERY_WORDS[1]]
    if len(query) < QUERY_WORDS[0] // 2 or len(second) < low:
        return None
    return Halves(" ".join(query), " ".join(second[:high]))


def _parts(word: str) -> list[str]:
    """A written word without punctuation, without the possessive's ending as well."""
    found = [part.lower() for part in WORD.findall(word)]
    return found + [part.removesuffix("'s") for part in found]


def _gathered(sentences: Sequence[str], words: int) -> tuple[list[str], Sequence[str]]:
    """The words of the first sentences that have at least so many together, and the sentences that
    are left."""
    found: list[str] = []
    for used, sentence in enumerate(sentences):
        if len(found) >= words:
            return found, sentences[used:]
        found += sentence.split()
    return found, ()


def pairs(parts: Sequence[Halves], split: Split, rng: np.random.Generator) -> list[Pair]:
    """For each of the first queries its own passage and passages of other reviews, in random order.

    Half of the others, rounded up, are hard: drawn from the `NEAR` passages that share most words
    with the query, by TF-IDF. The rest are random.

    Args:
        parts: of all reviews whose passages may be used.
    """
    if len(parts) <= split.others:
        raise SystemExit(f"{len(parts)} reviews are too few for {split.others} other passages")
    queries = parts[: split.queries]
    passages = [part.passage for part in parts]
    hard = (split.others + 1) // 2
    near = nearest([part.query for part in queries], passages, max(NEAR, hard) + 1)
    found = []
    for i, part in enumerate(queries):
        chosen = [j for j in rng.permutation(near[i]).tolist() if j != i][:hard]
        taken = {i, *chosen}
        left = [j for j in rng.permutation(len(parts)).tolist() if j not in taken]
        chosen = [i, *chosen, *left[: split.others - hard]]
        for j in rng.permutation(chosen).tolist():
            found.append(Pair(part.query, passages[j], int(i == j)))
    return found


def without_doubles(parts: Sequence[Halves]) -> list[Halves]:
    """Those of which neither the query nor the passage is another one's."""
    once = {part.query: part for part in parts}.values()
    return list({part.passage: part for part in once}.values())


def nearest(queries: Sequence[str], passages: Sequence[str], count: int) -> np.ndarray:
    """[queries, count] the numbers of the passages that share most with each query, the nearest
    first."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit(passages)
    theirs = vectors.transform(passages).T.tocsr()
    found = []
    for start in range(0, len(queries), 256):  # so that a product of all never lies in memory
        likeness = (vectors.transform(queries[start : start + 256]) @ theirs).toarray()
        found.append(np.argsort(-likeness, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)


def lexical_mrr(rows: Sequence[Pair]) -> float:
    """The mean reciprocal rank of the right passage where TF-IDF alone orders them."""
    ranks = []
    for query, group in groupby(rows, lambda row: row.query):
        several = list(group)
        order = nearest([query], [row.passage for row in several], len(several))[0].tolist()
        ranks.append(1 + next(r for r, i in enumerate(order) if several[i].label))
    return float(np.mean([1 / rank for rank in ranks]))


def write(path: Path, rows: Sequence[Pair]) -> None:
    """A .tsv file with a header."""
    lines = ["query\tpassage\tlabel", *(f"{r.query}\t{r.passage}\t{r.label}" for r in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
