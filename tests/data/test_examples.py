"""Task data as people have it: delimited text or JSON lines, one text or two, labels or none."""

import json
import sys
from pathlib import Path

import pytest

from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.errors import LtpError


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("d.tsv", 'text\tlabel\na "film", quoted\t1\nbad\t0\n'),
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
    assert examples.labels == [1, 0]
    assert len(examples) == 2


@pytest.mark.parametrize(
    "columns",
    [("text_a", "text_b"), ("sentence1", "sentence2"), ("premise", "hypothesis")],
)
def test_pairs_are_found_by_their_usual_names(tmp_path: Path, columns: tuple[str, str]) -> None:
    source = write(tmp_path / "d.tsv", "\t".join(columns) + "\tlabel\nfirst\tsecond\t1\n")
    assert read_examples(source).texts == [("first", "second")]


def test_columns_may_be_named(tmp_path: Path) -> None:
    source = write(tmp_path / "d.csv", "q,a,text,gold\nwho,me,no,good\n")
    options = DataOptions(text_columns="q,a", label_column="gold")
    examples = read_examples(source, options)
    assert (examples.texts, examples.labels) == ([("who", "me")], ["good"])
    assert read_examples(source, DataOptions(text_columns="a")).texts == ["me"]


def test_labels_are_optional_numbers_or_names(tmp_path: Path) -> None:
    assert read_examples(write(tmp_path / "a.csv", "text\nfilm\n")).labels is None
    assert read_examples(write(tmp_path / "b.csv", "text,label\nfilm,2.5\n")).labels == [2.5]
    assert read_examples(write(tmp_path / "c.csv", "text,label\nfilm,good\n")).labels == ["good"]


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
        ("d.csv", "text,label\na,1\nb\n", {}, "row 2: the label is missing"),
        ("d.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', {}, "row 2: the label is missi"),
        ("d.jsonl", '{"text": "a"}\n{"label": 1}\n', {}, "row 2: .*text.* missing"),
        ("d.jsonl", '{"text": 5}\n', {}, "row 1: .* no text"),
        ("d.jsonl", '{"text": "a"}\n{"text"\n', {}, "line 2 is not valid JSON"),
        ("d.jsonl", "[1]\n", {}, "line 1 must hold a JSON object"),
        ("d.txt", "text\n", {}, r"no data file; expected the extension .tsv, .csv or .jsonl"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, options: dict, message: str
) -> None:
    source = write(tmp_path / name, text)
    with pytest.raises(LtpError, match=message):
        read_examples(source, DataOptions(**options))


@pytest.mark.parametrize("name", ["d.tsv", "d.jsonl"])
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'{"text": "\xff\xfe"}\n')
    with pytest.raises(LtpError, match="UTF-8"):
        read_examples(str(tmp_path / name))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LtpError, match="there is no data file"):
        read_examples(str(tmp_path / "d.tsv"))


def test_a_data_set_by_name_needs_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(LtpError, match=r"'sst2' is no file; .* `pip install datasets`"):
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
    assert read_examples("glue/mrpc").labels == [1.0]
    read_examples("someone/reviews", DataOptions(split="test"))
    assert fake.asked == [("glue", "mrpc", "validation"), ("someone/reviews", None, "test")]
    with pytest.raises(LtpError, match="cannot load 'sst2', split 'nowhere': unknown split"):
        read_examples("sst2", DataOptions(split="nowhere"))


def test_labels_of_tokens_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a b", "label": [0, 1]}\n')
    with pytest.raises(LtpError, match=r"row 1: one label for each text .* found \[0, 1\]; labels"):
        read_examples(str(path))
