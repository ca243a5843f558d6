"""Groups of a query and its passages, in the forms that public data sets have."""

import json
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.data.examples import DataOptions, read_examples, required_labels
from ltp_deploy.data.groups import query_numbers
from ltp_deploy.errors import LtpError

Rows = list[dict[str, Any]]
LISTS = {"query": "who?", "passages": ["she", "he", "it"], "labels": [0, 1, 0]}
SIDES = {"query": "who?", "pos": ["he"], "neg": ["she", "it"]}
PAIRS = [("who?", "she"), ("who?", "he"), ("who?", "it")]


def write(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("passages", ["passages", "documents", "docs", "texts", "candidates"])
@pytest.mark.parametrize("labels", ["labels", "label", "relevance", "scores"])
def test_a_list_of_passages_is_a_pair_for_each(passages: str, labels: str, tmp_path: Path) -> None:
    row = {"query": "who?", passages: ["she", "he", "it"], labels: [0, 1, 0.5]}
    found = read_examples(write(tmp_path, row, {**row, "query": "what?", passages: list("abc")}))
    assert found.texts == [*PAIRS, ("what?", "a"), ("what?", "b"), ("what?", "c")]
    assert found.labels == ["0", "1", "0.5"] * 2
    assert found.columns == ("query", passages, labels)


@pytest.mark.parametrize(
    "passages",
    [
        {"passage_text": ["she", "he", "it"], "is_selected": [0, 1, 0], "url": ["a", "b", "c"]},
        [{"passage_text": text, "is_selected": int(text == "he")} for text in ("she", "he", "it")],
    ],
)
@pytest.mark.parametrize("options", [{}, {"label_column": "is_selected"}])
def test_ms_marco_has_its_labels_beside_the_passages(
    passages: object, options: dict, tmp_path: Path
) -> None:
    row = {"answers": ["yes"], "passages": passages, "query": "who?", "query_type": "PERSON"}
    found = read_examples(write(tmp_path, row), DataOptions(**options))
    assert (found.texts, found.labels) == (PAIRS, ["0", "1", "0"])


@pytest.mark.parametrize(
    "row",
    [
        {"query": "who?", "pos": ["he"], "neg": ["she", "it"]},
        {"question": "who?", "positive": "he", "negative": ["she", "it"]},
        {"Query": "who?", "positives": ["he"], "negatives": ["she", "it"]},
        {"anchor": "who?", "positive": "he", "negative_1": "she", "negative_2": "it"},
        {"anchor": "who?", "positive": "he", "negative1": "she", "negative2": "it"},
        {"query": "who?", "pos": ["he"], "neg": ["she", "it"], "pos_scores": [1], "type": "short"},
        {"query": "who?", "pos": "he", "neg": "she", "neg_2": None, "neg_3": "it", "neg_4": ""},
    ],
)
def test_positives_and_negatives_have_the_labels_1_and_0(row: dict, tmp_path: Path) -> None:
    found = read_examples(write(tmp_path, row))
    assert found.texts == [("who?", "he"), ("who?", "she"), ("who?", "it")]
    assert found.labels == ["1", "0", "0"]


def test_triplets_of_a_csv_file_are_groups_too(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("anchor,positive,negative_1,negative_2\na,42,c,d\ne,fun,g,\n")
    found = read_examples(str(path))
    assert found.texts == [("a", "42"), ("a", "c"), ("a", "d"), ("e", "fun"), ("e", "g")]
    assert found.labels == ["1", "0", "0", "1", "0"]


def test_a_limit_counts_rows_of_the_file(tmp_path: Path) -> None:
    source = write(tmp_path, LISTS, {**LISTS, "query": "what?"}, {"query": "which?"})
    found = read_examples(source, DataOptions(limit=2))
    assert [query for query, _ in found.texts] == ["who?"] * 3 + ["what?"] * 3


def test_lists_may_come_without_labels(tmp_path: Path) -> None:
    source = write(tmp_path, {"query": "who?", "passages": ["she", "he", "it"], "ranks": [1, 2, 3]})
    found = read_examples(source)
    assert (found.texts, found.labels) == (PAIRS, None)
    with pytest.raises(LtpError, match=r"'passages', 'ranks'\] with --label-column"):
        required_labels(found, "training")
    assert read_examples(source, DataOptions(label_column="ranks")).labels == ["1", "2", "3"]


@pytest.mark.parametrize(
    "row",
    [
        {**LISTS, "labels": [1]},
        {**LISTS, "labels": None},
        {**LISTS, "labels": [1, None, 0]},
        {**LISTS, "scores": [0.1, 0.2, 0.3]},
        {**LISTS, "labels": 1},
    ],
)
def test_labels_that_nothing_reads_do_not_matter(row: dict, tmp_path: Path) -> None:
    source = write(tmp_path, row, LISTS)
    found = read_examples(source, labels=False)
    assert (found.texts, found.labels) == (PAIRS * 2, None)
    absent = DataOptions(label_column="gold")
    assert read_examples(source, absent, labels=False).texts == PAIRS * 2
    with pytest.raises(LtpError):
        read_examples(source)


def test_columns_may_be_named(tmp_path: Path) -> None:
    row = {"q": "who?", "hits": ["she", "he", "it"], "gold": [0, 1, 0], "query": "x", "text": "y"}
    options = DataOptions(text_columns="q,hits", label_column="gold")
    found = read_examples(write(tmp_path, row), options)
    assert (found.texts, found.labels) == (PAIRS, ["0", "1", "0"])
    both = write(tmp_path, {**LISTS, **SIDES, "text": "a text"})
    found = read_examples(both, DataOptions(text_columns="query,passages"))
    assert (found.texts, found.labels) == (PAIRS, ["0", "1", "0"])
    found = read_examples(both, DataOptions(text_columns="text,pos,neg"))
    assert found.texts == [("a text", "he"), ("a text", "she"), ("a text", "it")]
    assert found.labels == ["1", "0", "0"], "the column `labels` belongs to the passages"


@pytest.mark.parametrize(
    ("row", "options", "text", "label"),
    [
        ({"query": "a", "passage": "b", "label": 1}, {}, ("a", "b"), "1"),
        ({"query": "a", "pos": "b", "neg": "c"}, {"text_columns": "query,pos"}, ("a", "b"), None),
        ({"query": "a", "pos": "b", "neg": "c"}, {"text_columns": "neg"}, "c", None),
        ({**LISTS, "labels": 1}, {"text_columns": "query"}, "who?", "1"),
        ({"text": ["a", "b"], "label": 1}, {}, ("a", "b"), "1"),
        ({"texts": ["a", "b"], "label": 1}, {"text_columns": "texts"}, ("a", "b"), "1"),
        (
            {"question": "a", "positive": "0", "negative": "1"},
            {"text_columns": "question", "label_column": "positive,negative"},
            "a",
            {"positive": False, "negative": True},
        ),
        (
            {"question": "a b", "text": "c", "positive": "yes", "negative": "no"},
            {"text_columns": "text", "label_column": "positive"},
            "c",
            "yes",
        ),
    ],
)
def test_rows_without_lists_stay_as_they_are(
    row: dict, options: dict, text: object, label: object, tmp_path: Path
) -> None:
    found = read_examples(write(tmp_path, row), DataOptions(**options))
    assert found.texts == [text]
    assert found.labels == (None if label is None else [label])


def test_columns_that_hold_labels_hold_no_passages(tmp_path: Path) -> None:
    row = {"anchor": "a", "text": "c", "positive": "yes", "negative": "no"}
    options = DataOptions(label_column="positive")
    found = read_examples(write(tmp_path, row), options)
    assert (found.texts, found.labels) == (["c"], ["yes"])


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [LISTS, {**LISTS, "labels": [0, 1]}],
            {},
            "row 2: 3 passages in 'passages', but 2 labels in 'labels'; give one label for each",
        ),
        ([LISTS, {**LISTS, "passages": []}], {}, "row 2: 0 passages in 'passages', but 3 labels"),
        (
            [LISTS, {**LISTS, "passages": [], "labels": []}],
            {},
            r"row 2: the query 'who\?' has no passages; leave out the row",
        ),
        ([SIDES, {**SIDES, "pos": [], "neg": []}], {}, "row 2: .* has no passages"),
        (
            [LISTS, {**LISTS, "passages": ["she", None, "it"]}],
            {},
            "row 2, passage 2: a passage must be a string, found None",
        ),
        (
            [{**LISTS, "passages": [{"text": "she"}, "he", "it"]}],
            {},
            r"row 1, passage 1: a passage must be a string, found \{'text': 'she'\}",
        ),
        ([SIDES, {**SIDES, "neg": ["she", 5]}], {}, "row 2, neg 2: a passage must be .* found 5"),
        ([SIDES, {**SIDES, "neg": 7}], {}, "row 2, neg: a passage must be a string, found 7"),
        ([{**LISTS, "passages": ["a", "\ud83d", "b"]}], {}, "row 1, passage 2: .* half a charac"),
        ([LISTS, {**LISTS, "query": "a\udc00"}], {}, "row 2: the query .* half a character"),
        ([LISTS, {**LISTS, "query": None}], {}, "row 2: the query in 'query' is missing or no"),
        (
            [LISTS, {"query": "what?", "passages": ["a"]}],
            {},
            "row 2: the labels in 'labels' are missing; give a list with one label for each pass",
        ),
        ([LISTS, {**LISTS, "labels": [1, None, 0]}], {}, "row 2, passage 2: the label is missing"),
        ([{**LISTS, "labels": [1, 0, float("nan")]}], {}, "row 1, passage 3: the label is nan"),
        (
            [{**LISTS, "labels": 2}],
            {},
            "row 1: 'labels' holds 2; give a list with one label for each of the 3 passages, or",
        ),
        (
            [
                {"query": "a", "passages": {"passage_text": ["b"], "is_selected": [1]}},
                {"query": "a", "passages": {"passage_text": ["b"]}},
            ],
            {},
            "row 2: the labels in 'is_selected' are missing",
        ),
        (
            [LISTS, {"query": "what?", "passage": "a", "label": 1}],
            {},
            "row 2 holds no passages in 'passages', and row 1 passages in 'passages': each row",
        ),
        (
            [{"query": "a", "passage": "b"}, LISTS],
            {},
            "row 2 holds passages in 'passages', and row 1",
        ),
        (
            [LISTS, {**LISTS, "passages": "a text"}],
            {"text_columns": "query,passages"},
            "row 2 holds no passages in 'passages'",
        ),
        (
            [LISTS, LISTS, SIDES],
            {},
            "row 3 holds passages in 'pos', 'neg', and row 1 passages in 'passages': each row must",
        ),
        (
            [{**LISTS, **SIDES}],
            {},
            "which columns hold the query and its passages.* query,passages or --text-columns qu"
            "ery,pos,neg$",
        ),
        (
            [{"question": "a b", "positive": "0", "negative": "1"}],
            {},
            "which columns hold text",
        ),
        (
            [{**LISTS, "question": "why?"}],
            {},
            "--text-columns query,passages or --text-columns question,passages$",
        ),
        (
            [{"question": "a", "answer": "b c", "documents": ["d", "e"]}],
            {},
            "--text-columns question,documents or --text-columns question,answer$",
        ),
        (
            [{**LISTS, "scores": [1, 2, 3]}],
            {},
            r"which column holds the labels\? found \['labels', 'scores'\]; pass --label-column l",
        ),
        (
            [LISTS],
            {"label_column": "gold"},
            r"no label column 'gold'; its columns are \['query', 'passages', 'labels'\]",
        ),
        (
            [{**LISTS, "gold": [0, 1, 0]}],
            {"label_column": "labels,gold"},
            r"names 2 columns; the labels of a list of passages \('passages'\) are one list",
        ),
        ([LISTS], {"text_columns": "query,hits"}, "no text columns 'query,hits'; its columns are"),
        (
            [SIDES],
            {"text_columns": "query,pos"},
            "--text-columns query,pos names one side of the passages; name both, as in .*pos,neg",
        ),
        ([SIDES], {"text_columns": "query,pos,query"}, "a model reads one text or two, not 3"),
        (
            [{**SIDES, "gold": 1}],
            {"label_column": "gold"},
            "'pos', 'neg' have the labels 1 and 0 by their columns; leave out --label-column gold",
        ),
        (
            [{**SIDES, "score": 0.3}],
            {},
            "there is a column 'score'; to leave that out pass --text-columns query,pos,neg",
        ),
    ],
)
def test_what_is_not_clear_is_refused_with_its_place(
    rows: Rows, options: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises(LtpError, match=message):
        read_examples(write(tmp_path, *rows), DataOptions(**options))


def test_what_a_refusal_proposes_is_read(tmp_path: Path) -> None:
    source = write(tmp_path, {**SIDES, "score": 0.3})
    found = read_examples(source, DataOptions(text_columns="query,pos,neg"))
    assert found.labels == ["1", "0", "0"]


def test_pairs_with_the_same_first_text_are_of_one_query() -> None:
    texts = [("b", "x"), ("a", "x"), ("b", "y"), "b", ("a", "b"), "b"]
    assert query_numbers(texts).tolist() == [0, 1, 0, 2, 1, 2]
    assert query_numbers([]).shape == (0,)
