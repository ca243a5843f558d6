"""Texts and labels are found by their columns' names; what is not clear is asked for."""

from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.data.columns import (
    LABELS,
    PAIRS,
    SINGLES,
    TEXTS,
    find_column,
    label_columns,
    text_columns,
)
from ltp_deploy.errors import LtpError


def texts(row: dict[str, Any], named: str | None = None) -> tuple[str, ...]:
    """The text columns of a data set of one row."""
    columns = list(row)
    return text_columns("d.csv", [row], columns, named, set(label_columns("d.csv", columns, None)))


@pytest.mark.parametrize("pair", PAIRS)
def test_known_pairs_are_read_as_pairs(pair: tuple[str, str]) -> None:
    assert texts({"label": "1", pair[1]: "a film", pair[0]: "the film"}) == pair


@pytest.mark.parametrize("name", [*SINGLES, " Text", "TEXT "])
def test_known_texts_are_read(name: str) -> None:
    assert texts({name: "a film", "label": "1"}) == (name,)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (
            {"Quality": "1", "#1 ID": "7", "#2 ID": "8", "#1 String": "a", "#2 String": "b"},
            ("#1 String", "#2 String"),
        ),
        (
            {"id": "0", "qid1": "1", "question1": "a b", "question2": "c d", "is_duplicate": "0"},
            ("question1", "question2"),
        ),
        (
            {
                "promptID": "31193", "pairID": "31193n", "genre": "government",
                "premise_parse": "(ROOT (S (NP a) (VP b)))", "premise": "a b", "hypothesis": "c d",
                "label1": "very neutral", "gold_label": "neutral",
            },
            ("premise", "hypothesis"),
        ),
        ({"sentence_A": "a b", "sentence_B": "c", "relatedness_score": "4.5", "pair_ID": "1"},
         ("sentence_A", "sentence_B")),
        ({"text": "a b", "label": "4", "label_text": "very good"}, ("text",)),
        ({"text": "a b", "date": "2015-02-24 11:35:52 -0800", "url": "http://a.b/c"}, ("text",)),
        ({"text": "a b", "tokens": ["a", "b"], "answers": {"text": ["a b"]}}, ("text",)),
        ({"question": "a b", "passage": "c d", "answer": True}, ("question", "passage")),
        ({"text": "a b", "target": "5", "label": "1"}, ("text",)),
        ({"sentence": "a b", "aspect": "food", "label": "1"}, ("sentence",)),
        ({"text": "a b", "title": None, "summary": "", "answer": "7"}, ("text",)),
    ],
)  # fmt: skip
def test_what_is_no_text_does_not_matter(row: dict[str, Any], found: tuple[str, ...]) -> None:
    assert texts(row) == found


@pytest.mark.parametrize(
    ("row", "choices"),
    [
        ({"title": "A", "text": "the film", "label": "1"}, "text or --text-columns title,text$"),
        ({"title": "A", "content": "the film"}, "content or --text-columns title,content$"),
        ({"text": "a", "review": "b"}, "text or --text-columns review or --text-columns text,rev"),
        ({"text": "a", "note": "it is good"}, "text or --text-columns text,note$"),
        ({"text": "a", "note": "\u6211\u559c\u6b22"}, "text or --text-columns text,note$"),
        ({"text": "a", "Text": "b c"}, "text or --text-columns text,Text$"),
        ({"sentence1": "a", "sentence2": "b", "text": "c"}, "sentence1,sentence2 or .* text$"),
        ({"text": "a", "target": "the vote", "label": "1"}, "text or .* text,target$"),
        ({"sentence": "a", "class": "so good", "label": "1"}, "sentence or .* sentence,class$"),
        ({"text": "a", "score": "b c", "label": "1"}, "text or .* text,score$"),
        ({"premise": "a", "hypothesis": "b", "reason": "c d"}, "premise,hypothesis$"),
        (
            {"question": "a", "answer": "b", "context": "c"},
            "question,context or .*question,answer$",
        ),
        ({"query": "a", "text": "b", "text_pair": "c"}, "text,text_pair or .*query,text$"),
    ],
)
def test_what_has_two_readings_is_asked_for(row: dict[str, Any], choices: str) -> None:
    with pytest.raises(
        LtpError, match=rf"which columns hold text\? .* use --text-columns {choices}"
    ):
        texts(row)


def test_every_row_counts_for_whether_a_column_is_text() -> None:
    rows = [{"text": "a", "note": "x"}, {"text": "b", "note": "it is good"}]
    with pytest.raises(LtpError, match="--text-columns text,note"):
        text_columns("d.csv", rows, ["text", "note"], None, set())


def test_columns_that_are_named_are_taken() -> None:
    row = {"a,b": "x", "a": "y", " B": "z"}
    assert texts(row, "a,b") == ("a,b",)
    del row["a,b"]
    assert texts(row, "a,b") == ("a", " B")
    with pytest.raises(LtpError, match=r"no text columns 'a,c'; its columns are \['a', ' B'\]"):
        texts(row, "a,c")


def test_names_that_differ_in_case_alone_are_refused() -> None:
    assert find_column("text", ["Text", "text"]) == "text"
    with pytest.raises(LtpError, match=r"\['Text', 'TEXT'\] differ in case and spaces alone"):
        find_column("text", ["Text", "TEXT"])


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["text", " label"], (" label",)),
        (["Text", "Label"], ("Label",)),
        (["text", "score", "label"], ("label",)),
        (["label1", "label2", "gold_label"], ("gold_label",)),
        (["Quality", "#1 String"], ("Quality",)),
        (["question1", "is_duplicate"], ("is_duplicate",)),
        (["text", "target"], ("target",)),
        (["text", "sentiment"], ("sentiment",)),
        (["query", "text", "relevance"], ("relevance",)),
        (["text", "stars"], ()),
        (["text", "true_label"], ()),
    ],
)
def test_the_label_is_found_by_name(columns: list[str], found: tuple[str, ...]) -> None:
    assert label_columns("d.csv", columns, None) == found


def test_a_label_with_two_readings_is_asked_for() -> None:
    with pytest.raises(LtpError, match="--label-column label or --label-column gold_label"):
        label_columns("d.csv", ["text", "label", "gold_label"], None)
    with pytest.raises(LtpError, match="--label-column score or --label-column sentiment"):
        label_columns("d.csv", ["text", "sentiment", "score"], None)
    with pytest.raises(LtpError, match=r"column score or --label-column true_label$"):
        label_columns("d.csv", ["text", "true_label", "score"], None)
    with pytest.raises(LtpError, match=r"relatedness_score or --label-column entailment_label$"):
        label_columns("d.csv", ["sentence_A", "entailment_label", "relatedness_score"], None)


def test_the_page_on_data_has_the_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    paired = {name for pair in PAIRS for name in pair}
    abbreviated = {name for name in paired if name[-2] == "_"}
    for name in {*TEXTS, *LABELS[0], *LABELS[1]} - abbreviated:
        assert f"`{name}`" in page
