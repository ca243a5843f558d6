"""benchmarks/rerank_data.py: queries and passages out of reviews."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ltp_deploy.data.examples import read_examples

NOUNS = "boat dog storm garden piano river castle robot train letter".split()
SHORT = "The plot is thin."


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delitem(sys.modules, "rerank_data", raising=False)
    import rerank_data

    return rerank_data


def review(number: int) -> str:
    """A review of at least 80 words, another one for every number up to 100."""
    noun, other = NOUNS[number % 10], NOUNS[number // 10]
    about = f"There is a {noun} and also a {other} that nobody in the whole story wants to see."
    return " ".join([f"Review {number} is about Greta, who likes a {noun}.", about] * 4)


def test_marks_and_doubled_quotation_marks_become_plain_text(data: ModuleType) -> None:
    given = 'One.<br /><br />Two  <i>three</i> said ""four"".\tFive'
    assert data.clean(given) == 'One. Two three said "four". Five'


def test_names_are_words_that_mostly_begin_with_a_capital(data: ModuleType) -> None:
    found = data.names(["The boat of Greta, I think.", "the end. Greta saw the boat. The end."])
    assert found == {"greta"}


def test_a_query_goes_before_its_passage_and_shares_no_name_with_it(data: ModuleType) -> None:
    first = "Greta Garbo is a star who walks along the long river with Anna's dog every day."
    second = "Nobody would think that Garbo or Anna could do what she does in this film."
    text = " ".join([first, second, "It is a very fine film and I would see it again."])
    found = data.halves(text, np.random.default_rng(0), {"greta", "garbo", "anna"})
    assert found.query == "Greta is a star who walks along the long river with dog every day."
    assert found.passage.startswith(second)


def test_a_text_of_one_sentence_has_no_halves(data: ModuleType) -> None:
    assert data.halves(SHORT, np.random.default_rng(0), set()) is None


def test_reviews_that_share_a_half_count_once(data: ModuleType) -> None:
    parts = [data.Halves(*both) for both in ("ax", "by", "az", "cy", "dw")]
    found = data.without_doubles(parts)
    assert len({part.query for part in found}) == len(found) == 3
    assert len({part.passage for part in found}) == 3


def test_each_query_has_one_right_passage_and_every_file_its_own_reviews(data: ModuleType) -> None:
    pytest.importorskip("sklearn")
    train, test = ([review(i) for i in numbers] for numbers in (range(60), range(50, 100)))
    splits = {"train": data.Split(20, 2), "dev": data.Split(5, 5), "test": data.Split(10, 9)}
    found = data.make([*train, SHORT], test, 3, splits)
    assert found == data.make([*train, SHORT], test, 3, splits)
    for name, split in splits.items():
        groups = [list(rows) for _, rows in groupby(found[name], lambda row: row.query)]
        assert len(groups) == split.queries
        for rows in groups:
            assert len({row.passage for row in rows}) == len(rows) == split.others + 1
            (right,) = [row for row in rows if row.label]
            assert right.passage.startswith(f"Review {right.query.split()[0]} ")
    queries = [row.query for rows in found.values() for row in rows if row.label]
    assert len(set(queries)) == len(queries)


def test_hard_passages_share_words_with_the_query(data: ModuleType) -> None:
    pytest.importorskip("sklearn")
    passages = ["a boat on a river", "the piano plays", "a river of letters", "robots and trains"]
    assert data.nearest(["river boat"], passages, 2).tolist() == [[0, 2]]
    rows = [data.Pair("river boat", passage, int(i == 2)) for i, passage in enumerate(passages)]
    assert data.lexical_mrr(rows) == 0.5


def test_what_is_written_is_read_as_pairs_with_labels(data: ModuleType, tmp_path: Path) -> None:
    rows = [data.Pair("a query", 'a "quoted" passage', 1), data.Pair("a query", "another", 0)]
    data.write(tmp_path / "test.tsv", rows)
    found = read_examples(str(tmp_path / "test.tsv"))
    assert found.texts == [(row.query, row.passage) for row in rows]
    assert found.labels == ["1", "0"]
