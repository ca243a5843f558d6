"""Task data as people have it: delimited text or JSON lines, one text or two, labels or none."""

import json
import sys
from pathlib import Path

import pytest

from ltp_deploy.data.examples import DataOptions, Examples, read_examples, required_labels
from ltp_deploy.data.labels import as_number
from ltp_deploy.errors import LtpError


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.tsv", 'text\tlabel\na "film", quoted\t1\nbad\t0\n'),
        ("d.TSV", 'text\tlabel\r\na "film", quoted\t1\r\nbad\t0\r\n'),
        ("d.json", '[{"text": "a \\"film\\", quoted", "label": 1}, {"text": "bad", "label": 0}]'),
        ("d.json", '{"text": "a \\"film\\", quoted", "label": 1}\n{"text": "bad", "label": 0}'),
        ("d.csv", 'label,text\n1,"a ""film"", quoted"\n0,bad\n'),
        (
            "d.jsonl",
            '{"text": "a \\"film\\", quoted", "label": 1}\n\n{"text": "bad", "label": 0}\n',
        ),
    ],
)
def test_all_formats_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    examples = read_examples(write(tmp_path / name, text))
    assert examples.texts == ['a "film", quoted', "bad"]
    assert examples.labels == ["1", "0"]
    assert sorted(examples.columns) == ["label", "text"]
    assert len(examples) == 2


def test_columns_may_be_named(tmp_path: Path) -> None:
    source = write(tmp_path / "d.csv", "q,a,text,gold\nwho,me,no,good\n")
    options = DataOptions(text_columns="q,a", label_column="gold")
    examples = read_examples(source, options)
    assert (examples.texts, examples.labels) == ([("who", "me")], ["good"])
    assert read_examples(source, DataOptions(text_columns="a")).texts == ["me"]


@pytest.mark.parametrize(
    ("name", "text", "label"),
    [
        ("d.csv", "text,label\nfilm,2.5\n", "2.5"),
        ("d.csv", "text, label\nfilm, very good \n", "very good"),
        ("d.jsonl", '{"text": "film", "label": 1.0}\n', "1.0"),
        ("d.jsonl", '{"text": "film", "label": true}\n', "True"),
        ("d.jsonl", '{"text": "film", "label": ["good", 1]}\n', ["good", "1"]),
        ("d.jsonl", '{"text": "film", "labels": []}\n', []),
    ],
)
def test_labels_are_kept_as_text_until_a_head_reads_them(
    tmp_path: Path, name: str, text: str, label: object
) -> None:
    assert read_examples(write(tmp_path / name, text)).labels == [label]


def test_labels_are_optional_and_asked_for_with_the_columns(tmp_path: Path) -> None:
    examples = read_examples(write(tmp_path / "a.csv", "text,stars\nfilm,5\n"))
    assert examples.labels is None
    with pytest.raises(LtpError, match=r"--max-drop needs labels.*one of \['text', 'stars'\] with"):
        required_labels(examples, "--max-drop")
    with pytest.raises(LtpError, match=r"training needs labels, .* of a usual name$"):
        required_labels(Examples(["film"], None), "training")


@pytest.mark.parametrize(
    "text",
    [
        "text,label\na film,\nbad,nan\n",
        "text,label,gold_label\na film,1,2\nbad,3,4\n",
        "text,score,true_label\na film,1,2\nbad,3,4\n",
        "text,label,label_text\na film,0,A\nbad,0,B\n",
    ],
)
def test_labels_that_nothing_reads_do_not_matter(text: str, tmp_path: Path) -> None:
    source = write(tmp_path / "d.csv", text)
    found = read_examples(source, labels=False)
    assert (found.texts, found.labels) == (["a film", "bad"], None)
    with pytest.raises(LtpError):
        read_examples(source)


def test_texts_are_found_as_ever_where_nothing_reads_the_labels(tmp_path: Path) -> None:
    source = write(tmp_path / "d.csv", "text,target,label\na film,the vote,1\n")
    with pytest.raises(LtpError, match="which columns hold text"):
        read_examples(source, labels=False)
    source = write(tmp_path / "e.csv", "text,gold\na film,very good\n")
    named = DataOptions(label_column="gold")
    assert read_examples(source, named, labels=False).texts == ["a film"]
    source = write(tmp_path / "f.csv", "text,Label,LABEL\na film,1,0\n")
    absent = DataOptions(label_column="x")
    assert read_examples(source, absent, labels=False).texts == ["a film"]


def test_several_label_columns_say_which_labels_hold(tmp_path: Path) -> None:
    source = write(tmp_path / "d.csv", "text,toxic,rude\na,0,1\nb,1.0,false\n")
    found = read_examples(source, DataOptions(label_column="rude,Toxic"))
    assert found.labels == [{"rude": True, "toxic": False}, {"rude": False, "toxic": True}]
    source = write(tmp_path / "e.csv", "text,toxic,rude\na,0,-1\n")
    with pytest.raises(LtpError, match=r"row 1: the label column 'rude' holds '-1'; .* by 0 or 1"):
        read_examples(source, DataOptions(label_column="toxic,rude"))


def test_a_list_of_two_strings_is_a_pair(tmp_path: Path) -> None:
    source = write(tmp_path / "d.jsonl", '{"text": ["a", "b"]}\n{"text": "c"}\n')
    assert read_examples(source).texts == [("a", "b"), "c"]


def test_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    source = write(tmp_path / "d.csv", "text\n" + "".join(f"{i}\n" for i in range(9)))
    assert read_examples(source, DataOptions(limit=3)).texts == ["0", "1", "2"]


@pytest.mark.parametrize("separator", ["\u2028", "\x85"])
def test_a_json_line_ends_only_at_a_newline(tmp_path: Path, separator: str) -> None:
    rows = [{"text": f"one{separator}two"}, {"text": "three"}]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    source = write(tmp_path / "d.jsonl", lines)
    assert read_examples(source).texts == [row["text"] for row in rows]


def test_a_long_text_is_read(tmp_path: Path) -> None:
    long = "film " * 50_000
    assert read_examples(write(tmp_path / "d.tsv", f"text\n{long}\n")).texts == [long]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert read_examples(write(tmp_path / "d.csv", "\ufefftext\nfilm\n")).texts == ["film"]
    source = write(tmp_path / "d.jsonl", '\ufeff{"text": "film"}\n')
    assert read_examples(source).texts == ["film"]


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("d.tsv", "", {}, "holds no rows"),
        ("d.tsv", "text\tlabel\n", {}, "holds no rows"),
        ("d.csv", "words,label\na,1\n", {}, r"which columns hold text\? found .*--text-columns"),
        ("d.csv", "text\na\n", {"text_columns": "q"}, "no text columns 'q'; its columns are"),
        ("d.csv", "a,b,c\na,b,c\n", {"text_columns": "a,b,c"}, "one text or two, not 3"),
        ("d.csv", "text\na\n", {"label_column": "gold"}, "no label column 'gold'"),
        ("d.csv", "text,label\na,\n", {}, "row 1: the label is missing"),
        ("d.csv", "text,label\na, \n", {}, "row 1: the label is missing"),
        ("d.csv", "text,label\na,1\nb,NaN\n", {}, "row 2: the label is NaN; leave out rows"),
        ("d.csv", "text,label\na,-inf\n", {}, "row 1: the label is -inf"),
        ("d.jsonl", '{"text": "a", "label": NaN}\n', {}, "row 1: the label is nan"),
        ("d.jsonl", '{"text": "a", "label": [1, null]}\n', {}, "row 1: the label is missing"),
        (
            "d.jsonl",
            '{"text": "a", "label": {"x": 1}}\n',
            {},
            "row 1: the label is {'x': 1}; it mu",
        ),
        (
            "d.jsonl",
            '{"text": "a", "label": [[0]]}\n',
            {},
            r"row 1: the label is \[0\]; it must be",
        ),
        ("d.jsonl", '{"text": null, "label": 1}\n', {}, "row 1: text is missing or no text"),
        ("d.jsonl", '{"text": ["a", "b", "c"]}\n', {}, "row 1: text is missing or no text"),
        ("d.jsonl", '{"text": "a"}\n{"text": "a \\ud83d"}\n', {}, "row 2: .* half a character"),
        ("d.jsonl", '{"text": ["a", "\\udc00"]}\n', {}, "row 1: .* half a character"),
        ("d.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', {}, "row 2: the label is missi"),
        ("d.jsonl", '{"text": "a"}\n{"label": 1}\n', {}, "row 2: .*text.* missing"),
        ("d.jsonl", '{"text": 5}\n', {}, "row 1: .* no text"),
        ("d.txt", "text\n", {}, r"no data file; expected the extension .tsv, .csv, .jsonl, .json"),
        ("d.txt", "a film\n", {}, "Plain text becomes a .tsv file by a first line with its colum"),
        ("d.txt", "text\tlabel\n", {}, "first line has tabs: rename it to .tsv if that line"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, options: dict, message: str
) -> None:
    source = write(tmp_path / name, text)
    with pytest.raises(LtpError, match=message):
        read_examples(source, DataOptions(**options))


def test_a_data_set_by_name_needs_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(LtpError, match=r"'sst2' is no file; .*: pip install .*\[datasets\]"):
        read_examples("sst2")


class FakeDatasets:
    """Stands for the `datasets` package, which would download."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def load_dataset(self, *name: object, split: str) -> list[dict]:
        self.asked.append((*name, split))
        if split == "nowhere":
            raise ValueError("unknown split")
        return [{"sentence1": "a", "sentence2": "b", "label": 1}]


def test_a_data_set_is_found_by_name_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeDatasets()
    monkeypatch.setitem(sys.modules, "datasets", fake)
    found = read_examples("glue/mrpc")
    assert (found.texts, found.metric) == ([("a", "b")], "f1")
    assert read_examples("glue/mrpc", DataOptions(metric="accuracy")).metric == "accuracy"
    fake.asked.clear()
    assert read_examples("glue/mrpc").labels == ["1"]
    read_examples("someone/reviews", DataOptions(split="test"))
    assert fake.asked == [("glue", "mrpc", "validation"), ("someone/reviews", None, "test")]
    with pytest.raises(LtpError, match="cannot load 'sst2', split 'nowhere': unknown split"):
        read_examples("sst2", DataOptions(split="nowhere"))


class ClassLabel:
    """As `datasets` has it."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)


class ListOf:
    """As `datasets` has it."""

    def __init__(self, feature: ClassLabel) -> None:
        self.feature = feature


class Rows(list):
    """Stands for a `Dataset`."""

    def __init__(self, feature: object, *labels: object) -> None:
        super().__init__({"text": "a", "label": label} for label in labels)
        self.features = {"text": object(), "label": feature}


NLI = ClassLabel("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (Rows(NLI, 0, 2), ["entailment", "contradiction"]),
        (Rows(NLI, 1, -1), ["neutral", "-1"]),
        (Rows(ListOf(NLI), [0, 2], []), [["entailment", "contradiction"], []]),
        (Rows([NLI], [1]), [["neutral"]]),
        (Rows(ClassLabel("0", "1"), 0, 1), ["0", "1"]),
        (Rows(object(), 0, 2), ["0", "2"]),
    ],
)
def test_a_data_sets_own_names_of_its_classes_are_read(
    rows: Rows, labels: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeDatasets()
    fake.load_dataset = lambda *name, split: rows
    monkeypatch.setitem(sys.modules, "datasets", fake)
    found = read_examples("someone/nli").labels
    assert found == labels
    for label, row in zip(found, rows, strict=True):
        if isinstance(label, str):
            assert as_number(label) == row["label"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("text,label,label_text\na,0,positive\nb,1,negative\n", ["positive", "negative"]),
        ("text,Label,label_name\na,1.0,very good\nb,0,bad\n", ["very good", "bad"]),
        ("text,label,label_text\na,good,A\nb,bad,B\n", ["good", "bad"]),
        ("text,label,label_text\na,0.5,A\nb,1,B\n", ["0.5", "1"]),
        ("text,label,label_text\na,0,0\nb,1,1\n", ["0", "1"]),
        ("text,labels,label_names\na,0,good\nb,1,bad\n", ["good", "bad"]),
        ("text,label,label_text\na,0,good\nb,1,bad\nc,1,\n", ["good", "bad", "bad"]),
        ("text,label,label_text\na,0,good\nb,0,Good\nc,1,bad\n", ["good", "good", "bad"]),
    ],
)
def test_names_beside_numbers_are_the_classes_names(
    text: str, labels: list, tmp_path: Path
) -> None:
    assert read_examples(write(tmp_path / "d.csv", text)).labels == labels


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("0,good\na,0,bad", "class 0 has two names"),
        ("0,good\na,1,Good", "have the same name"),
        ("0,good\na,1,", "class 1 has no name"),
    ],
)
def test_names_that_contradict_the_numbers_are_refused(rows: str, why: str, tmp_path: Path) -> None:
    source = write(tmp_path / "d.csv", f"text,label,label_text\na,{rows}\n")
    with pytest.raises(LtpError, match=rf"'label_text' does not name the classes .*: .*{why}"):
        read_examples(source)
