"""Sets of labels: logits and thresholds, scores counted by hand, what lists of labels may mean."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.labels import ClassName
from ltp_deploy.errors import LtpError
from ltp_deploy.heads import HEADS, head_for_labels
from ltp_deploy.heads.multi_label import best_thresholds
from ltp_deploy.model.config import EncoderConfig
from tests.heads.models import a_head
from tests.properties import examples

HEAD = HEADS["multi_label"]
SETS = a_head(HEAD.name, 3)
# Found: a b, none, c, a c; given: a, none, b c, a c.
LOGITS = np.array([[2.0, 0.5, -1], [-3, -2, -1], [-1, -1, 4], [1, -1, 1]])
GIVEN = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 1], [1, 0, 1]], bool)


@pytest.fixture
def config(bert_checkpoint: Path) -> EncoderConfig:
    """Of a model with the labels a, b and c."""
    found = load_encoder(bert_checkpoint).config
    return replace(found, head=HEAD.name, num_labels=3, labels=("a", "b", "c"))


def named(config: EncoderConfig, *names: str) -> EncoderConfig:
    return replace(config, num_labels=len(names), labels=names)


def test_a_text_has_the_labels_above_zero(config: EncoderConfig) -> None:
    assert HEAD(config).labels(LOGITS) == [["a", "b"], [], ["c"], ["a", "c"]]
    assert HEAD(config).labels(np.zeros((1, 3))) == [[]]
    assert HEAD(replace(config, labels=())).labels(LOGITS) is None
    assert HEAD(config).activation(np.array([[0.0, 1e4, -1e4]])).tolist() == [[0.5, 1.0, 0.0]]
    np.testing.assert_allclose(HEAD(config).activation(LOGITS), 1 / (1 + np.exp(-LOGITS)))


STRICT = a_head(HEAD.name, 3, labels=("a", "b", "c"), label_thresholds=(0.9, 0.5, 0.25))
# float32 values next to ln 9, 0 and -ln 3, the logits of these thresholds.
ABOVE = np.array([2.1972248, 1e-45, -1.0986121], np.float32)
BELOW = np.array([2.1972244, 0.0, -1.0986124], np.float32)


def test_each_label_has_a_threshold_of_its_own() -> None:
    logits = np.array([ABOVE, BELOW, [2.1, 3, -1], [2.3, -1, -1.2]], np.float32)
    sets = [["a", "b", "c"], [], ["b", "c"], ["a"]]
    assert STRICT.labels(logits) == sets
    read = STRICT.read(logits)
    assert [answer.label for answer in read] == sets
    assert read[2].score == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(1))])
    assert STRICT.changed(logits[:2], logits[1::-1]).tolist() == [True, True]
    assert SETS.changed(logits[2:], logits[2:] * [[0.5], [2]]).tolist() == [False, False]
    assert STRICT.changed(logits[2:], logits[2:] * [[0.5], [0.5]]).tolist() == [False, True]
    given = STRICT.predictions(logits)
    assert STRICT.score(logits, given, "accuracy") == ("accuracy %", 100)
    assert SETS.score(logits, given, "accuracy") == ("accuracy %", 25)


def test_no_rounding_of_a_probability_decides() -> None:
    """In float32 the sigmoid of 20 is 1."""
    certain = a_head(HEAD.name, 2, label_thresholds=(1 - 1e-9, 1e-30))
    logits = np.array([[20, -69], [21, -70]], np.float32)
    assert certain.predictions(logits).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_thresholds": (0.3, 0.4)}, "2 thresholds of labels for 3 outputs"),
        ({"label_thresholds": (0.3, 0.4, 1.0)}, "must lie between 0 and 1, found 1.0"),
        ({"label_thresholds": (0.3, 0.0, 0.4)}, "must lie between 0 and 1, found 0.0"),
        ({"label_thresholds": (0.3, float("nan"), 0.4)}, "between 0 and 1, found nan"),
        (
            {"label_thresholds": (0.5, 0.5, 0.5), "head": "classification"},
            "thresholds of labels, and the head is classification",
        ),
    ],
)
def test_thresholds_that_fit_no_model_are_refused(
    changes: dict, message: str, config: EncoderConfig
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(config, **changes)


def f1(logits: np.ndarray, given: np.ndarray, cut: float) -> float:
    """Of one label that holds above a logit."""
    found = logits > cut
    return 2 * (found & given).sum() / max(1, found.sum() + given.sum())


@examples(200)
@given(st.lists(st.tuples(st.integers(-6, 6), st.booleans()), min_size=1, max_size=12))
def test_no_threshold_has_a_better_f1(texts: list[tuple[int, bool]]) -> None:
    logits = np.array([value for value, _ in texts], np.float32)
    given = np.array([has for _, has in texts])
    (threshold,) = best_thresholds(logits[:, None], given[:, None])
    head = a_head(HEAD.name, 1, label_thresholds=(threshold,))
    found = head.predictions(logits[:, None])[:, 0]
    cut = np.log(threshold / (1 - threshold))
    scores = {other: f1(logits, given, other) for other in np.arange(-6.5, 7)}
    assert (found == (logits > cut)).all()
    assert f1(logits, given, cut) == max(scores.values())
    if f1(logits, given, 0) == max(scores.values()):
        assert threshold == 0.5


def test_known_thresholds_are_found() -> None:
    chance = np.array([0.05, 0.1, 0.2, 0.3, 0.6, 0.9])
    logits = np.log(chance / (1 - chance)).astype(np.float32)
    cases = {
        (0, 0, 0, 1, 1, 1): 0.25,  # halfway between 0.2 and 0.3
        (0, 0, 0, 0, 1, 1): 0.5,  # halfway would be 0.45, but a half does as well
        (0, 0, 0, 0, 0, 1): 0.75,
        (1, 1, 1, 1, 1, 1): 0.025,  # all
        (0, 0, 0, 0, 0, 0): 0.5,  # of a label that never occurs
        (0, 1, 0, 0, 0, 1): 0.75,  # F1 of 2/3, as of no other
        (0, 0, 1, 0, 0, 1): 0.75,  # 2/3 also below 0.2: 4/6, which is farther from a half
    }
    targets = np.array(list(cases), bool).T
    found = best_thresholds(np.repeat(logits[:, None], len(cases), 1), targets)
    assert found == pytest.approx(tuple(cases.values()))
    assert (found[1], found[4]) == (0.5, 0.5)


def test_thresholds_of_certain_answers_stay_probabilities() -> None:
    logits = np.array([[900, -900], [-900, -1000]], np.float32)
    given = np.array([[1, 1], [1, 0]], bool)
    found = best_thresholds(logits, given)
    assert all(0 < threshold < 1 for threshold in found)
    a_head(HEAD.name, 2, label_thresholds=found)


@pytest.mark.parametrize(
    ("metric", "name", "value"),
    [
        (None, "f1-micro %", 100 * 8 / 10),
        ("f1-micro", "f1-micro %", 100 * 8 / 10),
        ("f1-macro", "f1-macro %", 100 * (1 + 0 + 1) / 3),
        ("accuracy", "accuracy %", 50.0),
    ],
)
def test_scores(metric: str | None, name: str, value: float) -> None:
    assert SETS.score(LOGITS, GIVEN, metric) == (name, pytest.approx(value))


def test_where_nothing_is_given_and_found_f1_is_0() -> None:
    nothing = np.zeros((2, 3), bool)
    assert [SETS.score(-np.ones((2, 3)), nothing, m)[1] for m in HEAD.metrics] == [0, 0, 100]


def test_the_f1_of_two_classes_is_refused() -> None:
    with pytest.raises(LtpError, match="f1 is no metric for sets of labels; there are f1-micro"):
        SETS.score(LOGITS, GIVEN, "f1")


def test_an_answer_changes_where_a_label_comes_or_goes() -> None:
    other = LOGITS.copy()
    other[0] = [0.5, 2.0, -1]  # another largest logit, the same labels
    other[1, 2] = 0.1
    other[3] *= -1
    assert SETS.changed(LOGITS, other).tolist() == [False, True, False, True]
    assert SETS.flips(LOGITS, other) == 2


AB_NONE_C = [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    "labels",
    [
        [["a", "b"], [], ["c"]],
        [["0", "1"], [], ["2"]],
        [[0.0, 1], [], [2]],
        [["1", "1.0", "0"], [0, 0, 0], ["false", "False", "True"]],
        np.array(AB_NONE_C),
        [
            {"b": True, "a": True, "c": False},
            {"b": False, "a": False, "c": False},
            {"b": False, "a": False, "c": True},
        ],
    ],
)
def test_labels_are_names_numbers_flags_or_columns(labels: list, config: EncoderConfig) -> None:
    assert HEAD(config).targets(labels).tolist() == np.array(AB_NONE_C, bool).tolist()


def test_numbers_are_names_where_the_model_has_such_names(config: EncoderConfig) -> None:
    stars = named(config, "1", "2", "3")
    assert HEAD(stars).targets([[1, 3]]).tolist() == [[True, False, True]]
    assert HEAD(stars).targets([[0, 2]]).tolist() == [[True, False, True]]


def test_columns_of_a_model_without_names_are_in_order(config: EncoderConfig) -> None:
    unnamed = replace(config, labels=())
    assert HEAD(unnamed).targets([{"z": True, "x": False, "y": True}]).tolist() == [
        [True, False, True]
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"], r"row 1 has the label 'a', the model gives sets: use names or numbers"),
        ([["a"], 1.0], "row 2 has the label 1.0, the model gives sets"),
        ([["a"], ["d"]], r"row 2 has the labels \['d'\], the model knows \['a', 'b', 'c'\]"),
        ([[0, 3]], r"row 1 has the labels \[0, 3\]"),
        ([["a", "a"]], r"row 1 has the labels \['a', 'a'\]"),
        ([["a", 0]], r"row 1 has the labels \['a', 0\]"),
        ([["a"], [1, 0, 0]], "of several kinds"),
        ([["a"], [2]], "of several kinds"),
        ([{"a": True, "b": True}], r"the label columns are \['a', 'b'\], the model knows"),
        ([{"a": True, "b": True, "d": True}], "the label columns are"),
        ([{"a": True, "b": True, "c": True, "d": True}], "the label columns are"),
    ],
)
def test_labels_that_the_model_does_not_know_are_refused(
    labels: list, message: str, config: EncoderConfig
) -> None:
    with pytest.raises(LtpError, match=message):
        HEAD(config).targets(labels)


def test_lists_with_two_meanings_are_refused(config: EncoderConfig) -> None:
    two = named(config, "a", "b")
    with pytest.raises(LtpError, match=r"row 1 has the labels \[0, 1\]: names or numbers .*, or"):
        HEAD(two).targets([[0, 1], [1, 0]])
    assert HEAD(two).targets([[0, 1], [0, 0]]).tolist() == [[False, True], [False, False]]
    assert HEAD(two).targets([[0, 1], [0]]).tolist() == [[True, True], [True, False]]


def test_of_one_label_no_list_is_needed(config: EncoderConfig) -> None:
    one = named(config, "relevant")
    for labels in (["1", "0"], [[1], [0]], [["relevant"], []], ["true", 0.0]):
        assert HEAD(one).targets(labels).tolist() == [[True], [False]]
    assert HEAD(one).targets(["0", "0"]).tolist() == [[False], [False]]
    toxic = named(config, "toxic")
    assert HEAD(toxic).targets([ClassName("toxic", 0)]).tolist() == [[True]]
    with pytest.raises(LtpError, match=r"row 2 has the labels \['ok'\]"):
        HEAD(toxic).targets([ClassName("toxic", 0), ClassName("ok", 1)])
    with pytest.raises(LtpError, match=r"row 1 has the labels \[0\]: names or numbers .*, or 0 or"):
        HEAD(one).targets([[0], [0]])


def test_losses_are_binary_cross_entropy() -> None:
    random = np.random.default_rng(0)
    logits, teacher = random.normal(size=(2, 4, 3))
    for found, wanted in (
        (SETS.loss(torch.tensor(logits), torch.tensor(GIVEN)), GIVEN),
        (
            SETS.distillation(torch.tensor(logits), torch.tensor(teacher)),
            1 / (1 + np.exp(-teacher)),
        ),
    ):
        chance = 1 / (1 + np.exp(-logits))
        expected = -(wanted * np.log(chance) + (1 - wanted) * np.log(1 - chance)).mean()
        assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "outputs"),
    [
        ([[0, 2], [], [1, 3]], 4),
        ([["0", "1", "0"], ["1", "1", "0"]], 3),
        ([{"a": True, "b": False}], 2),
    ],
)
def test_lists_and_columns_need_a_head_for_sets(labels: list, outputs: int) -> None:
    head = head_for_labels(labels)
    assert (head.name, head.outputs_for(labels)) == (HEAD.name, outputs)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["good"], []], r"a new head needs labels that are numbers from 0, found \['good'\]"),
        ([["-1"]], r"numbers from 0, found \['-1'\]"),
        ([[]], r"they go up to 0, and \[0\] occur nowhere"),
        ([[0, 4], [2]], r"they go up to 4, and \[1, 3\] occur nowhere"),
        ([[0, 1], [1, 0]], r"lists such as \[0, 1\] may hold 0 or 1"),
        ([[0], "1"], "row 2 has the label '1', the model gives sets"),
    ],
)
def test_a_new_head_needs_to_know_how_many(labels: list, message: str) -> None:
    with pytest.raises(LtpError, match=message):
        HEAD.outputs_for(labels)
