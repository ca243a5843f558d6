"""One call for every form of request; the same answer from every form, thread and batch."""

import copy
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import BundleError, EngineClosed, InputError, LtpError
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.runtime.result import Result
from tests.answers import LENGTHS, as_lists, batch_for, oracle_answers, random_batch
from tests.spoil import edit_manifest

TEXTS = ["the film is good .", "a very bad film was not great", "dull", "goods"]


def assert_equal(found: Result, expected: Result) -> None:
    """Bit for bit."""
    np.testing.assert_array_equal(found.logits, expected.logits)
    assert found.labels == expected.labels
    assert as_lists(found.survivors) == as_lists(expected.survivors)


@pytest.fixture(scope="module", params=["cpu", "torchscript"])
def any_engine(
    request: pytest.FixtureRequest, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> Engine:
    """The same model in every backend that runs."""
    return load(bundle_of(bert_checkpoint, request.param))


def test_all_forms_of_a_request_give_the_same_answer(
    any_engine: Engine, bert_checkpoint: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert_checkpoint)
    ragged = tokenizer(TEXTS)
    numpy_padded = tokenizer(TEXTS, padding=True, return_tensors="np")
    torch_padded = tokenizer(TEXTS, padding=True, return_tensors="pt")
    flat = np.concatenate([np.array(ids) for ids in ragged["input_ids"]])
    offsets = np.cumsum([0, *map(len, ragged["input_ids"])])

    expected = any_engine(TEXTS)
    assert expected.logits.shape == (4, 2)
    assert expected.logits.dtype == np.float32
    assert_equal(any_engine(input_ids=ragged["input_ids"]), expected)
    assert_equal(any_engine(**numpy_padded), expected)
    assert_equal(any_engine(**torch_padded), expected)
    assert_equal(any_engine(ids=flat, offsets=offsets), expected)
    assert_equal(any_engine(ids=flat.tolist(), offsets=offsets.tolist()), expected)
    assert_equal(any_engine.run(any_engine.tokenize(TEXTS)), expected)


def test_long_texts_are_cut_read_in_windows_or_refused(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", survivors=False, max_length=12, max_batch=2)
    short, text = "the film is good .", "a very bad film was not great " * 4
    cut = load(bundle)([short, text])
    assert cut.truncated is not None
    assert cut.truncated.tolist() == [False, True]
    assert cut.windows is None

    engine = load(bundle, long_texts="window", stride=3)
    found = engine([text, short, text])  # more sequences than a request of this engine holds
    tokens = engine.tokenize([text])
    each = [engine.run(tokens.select([i])).logits[0] for i in range(tokens.sequences)]
    assert found.windows is not None
    assert found.windows.tolist() == [len(each), 1, len(each)]
    assert len(each) > 3
    np.testing.assert_allclose(found.logits[0], np.mean(each, 0), atol=1e-6)
    np.testing.assert_allclose(found.logits[1], cut.logits[0], atol=1e-6)
    np.testing.assert_allclose(found.logits[2], found.logits[0], atol=1e-6)

    with pytest.raises(InputError, match="text 1 has more than 12 tokens"):
        load(bundle, long_texts="refuse")([short, text])


def test_a_text_in_windows_has_no_survivors(bert_bundle: Path) -> None:
    with pytest.raises(LtpError, match="in windows a text is several"):
        load(bert_bundle, long_texts="window")


def test_pairs_of_texts_have_two_token_types(any_engine: Engine, bert_checkpoint: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert_checkpoint)
    first, second = ["the film", "dull"], ["is great", "not good ."]
    encoded = tokenizer(first, second, padding=True, return_tensors="np")
    assert encoded["token_type_ids"].max() == 1
    expected = any_engine(**encoded)
    assert_equal(any_engine(list(zip(first, second, strict=True))), expected)
    one_type = any_engine(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"])
    assert np.abs(one_type.logits - expected.logits).max() > 1e-3


def test_one_text_needs_no_list(engine: Engine) -> None:
    assert_equal(engine(TEXTS[0]), engine(TEXTS[:1]))
    assert_equal(engine(("the film", "is good")), engine([("the film", "is good")]))


def test_long_texts_are_truncated_to_what_the_model_takes(engine: Engine) -> None:
    long = "film " * 100
    assert engine.tokenize(long).lengths.tolist() == [engine.config.max_length]
    assert np.isfinite(engine(long).logits).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_integers_of_any_size_are_fine(engine: Engine, dtype: type) -> None:
    ids = np.array([[2, 7, 9, 3], [2, 8, 8, 3]])
    assert_equal(engine(input_ids=ids.astype(dtype)), engine(input_ids=ids.tolist()))


def test_arrays_need_not_be_contiguous_or_writable(engine: Engine) -> None:
    ids = np.array([[2, 7, 9, 3], [2, 8, 8, 3]], np.int32)
    expected = engine(input_ids=ids.tolist())
    assert_equal(engine(input_ids=np.asfortranarray(ids)), expected)
    flat, offsets = ids.ravel().copy(), np.array([0, 4, 8], np.int32)
    flat.flags.writeable = offsets.flags.writeable = False
    assert_equal(engine(ids=flat, offsets=offsets), expected)


def test_labels_are_the_names_of_the_highest_logits(engine: Engine) -> None:
    result = engine(TEXTS)
    assert result.labels == [("bad", "good")[i] for i in result.logits.argmax(1)]


@pytest.mark.parametrize(("family", "labels"), [("roberta", 2), ("bert", 1)])
def test_there_are_no_labels_without_names_or_for_a_regression(
    family: str, labels: int, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of(family, "mixed", labels=labels, id2label=None)
    result = load(bundle_of(checkpoint, "torchscript")).run(random_batch([4, 9]))
    assert result.labels is None
    assert result.logits.shape == (2, labels)


def test_survivors_are_original_positions_by_sequence_and_layer(
    any_engine: Engine, bert_checkpoint: Path
) -> None:
    batch = batch_for(load_encoder(bert_checkpoint))
    survivors = any_engine.run(batch).survivors
    assert survivors is not None
    assert [len(layers) for layers in survivors] == [3] * len(LENGTHS)
    assert {kept.dtype for layers in survivors for kept in layers} == {np.dtype(np.int32)}
    assert as_lists(survivors) == oracle_answers(load_encoder(bert_checkpoint), batch)[1]


def test_survivors_are_reported_only_where_the_bundle_was_built_so(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    quiet = load(bundle_of(bert_checkpoint, "torchscript", survivors=False))
    assert quiet(TEXTS).survivors is None


def test_a_dense_model_reports_that_all_survive(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    engine = load(bundle_of(checkpoint_of("bert"), "torchscript"))
    result = engine.run(random_batch([3, 1]))
    assert as_lists(result.survivors) == [[[0, 1, 2]] * 3, [[0]] * 3]


def test_an_answer_does_not_depend_on_the_batch(any_engine: Engine, bert_checkpoint: Path) -> None:
    batch = batch_for(load_encoder(bert_checkpoint), [25, 3, 40, 1, 17, 40, 8])
    whole = any_engine.run(batch)
    for i in range(batch.sequences):
        alone = any_engine.run(batch.select([i]))
        np.testing.assert_allclose(alone.logits[0], whole.logits[i], atol=1e-5)
        assert as_lists(alone.survivors) == [as_lists(whole.survivors)[i]]


def test_padding_is_not_part_of_the_answer(engine: Engine) -> None:
    ids = [[2, 7, 9, 8, 3], [2, 8, 3]]
    padded = np.full((2, 30), engine.config.pad_token_id)
    mask = np.zeros((2, 30), int)
    for row, sequence in enumerate(ids):
        padded[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    expected = engine(input_ids=ids)
    assert_equal(engine(input_ids=padded, attention_mask=mask), expected)
    assert_equal(engine(input_ids=padded, attention_mask=mask.astype(bool)), expected)


def test_submit_answers_in_futures(engine: Engine) -> None:
    futures = [engine.submit(text) for text in TEXTS * 5]
    for text, future in zip(TEXTS * 5, futures, strict=True):
        assert_equal(future.result(), engine(text))
    with pytest.raises(ValueError, match="is empty"):
        engine.submit(input_ids=[[]]).result()


@pytest.mark.parametrize("throughput", [False, True])
@pytest.mark.parametrize("target", ["cpu", "torchscript"])
def test_many_threads_get_what_one_would(
    target: str, throughput: bool, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    engine = load(bundle_of(bert_checkpoint, target), throughput=throughput)
    batches = [random_batch([1 + (7 * i + k) % 40 for k in range(i % 5 + 1)], i) for i in range(24)]
    expected = [engine.run(batch) for batch in batches]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(engine.run, batches * 4))
    for result, wanted in zip(found, expected * 4, strict=True):
        assert_equal(result, wanted)


def test_many_threads_may_tokenize_at_once(bert_bundle: Path) -> None:
    engine = load(bert_bundle)
    texts = [f"{text} film good" for text in TEXTS * 8]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(engine, texts))
    for text, result in zip(texts, found, strict=True):
        assert_equal(result, engine(text))


def test_an_engine_is_pickled_as_its_path_and_options(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = shutil.copytree(bundle_of(bert_checkpoint, survivors=False), tmp_path / "bundle")
    engine = load(bundle, threads=1, long_texts="window", stride=3, pruning=0.5, batch_tokens=50)
    pickled = pickle.dumps(engine)
    assert len(pickled) < 20_000
    for other in (pickle.loads(pickled), copy.deepcopy(engine)):
        assert (other.long, other.pruning) == (engine.long, 0.5)
        assert np.array_equal(other("a text " * 50).logits, engine("a text " * 50).logits)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as workers:
        found = workers.submit(engine, "a text").result()
    assert np.array_equal(found.logits, engine("a text").logits)
    edit_manifest(bundle, lambda manifest: manifest["model"].update(labels=["a", "b"]))
    with pytest.raises(BundleError, match="what is there now is another bundle"):
        pickle.loads(pickled)
    engine.close()
    with pytest.raises(EngineClosed):
        pickle.dumps(engine)


def test_an_engine_finds_its_bundle_wherever_the_process_is(
    bert_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bert_bundle.parent)
    engine = load(bert_bundle.name)
    monkeypatch.chdir(tmp_path)
    for other in (pickle.loads(pickle.dumps(engine)), engine.variant(pruning=0)):
        assert other.directory.samefile(bert_bundle)


def test_a_closed_engine_reads_no_texts_either(bert_bundle: Path) -> None:
    with load(bert_bundle) as engine:
        engine.tokenize("a text")
    for use in (lambda: engine.tokenize("a text"), lambda: engine.tokenizer):
        with pytest.raises(EngineClosed, match="load the bundle again"):
            use()


def test_the_number_of_threads_changes_no_answer(bert_bundle: Path, engine: Engine) -> None:
    batch = random_batch(LENGTHS)
    before = torch.get_num_threads()
    assert_equal(load(bert_bundle, threads=1).run(batch), engine.run(batch))
    assert torch.get_num_threads() == before


def bundle_with(bundle: Path, destination: Path, **tokenizer: str) -> Path:
    """A copy of a bundle whose manifest says this of the tokenizer."""
    shutil.copytree(bundle, destination)
    edit_manifest(destination, lambda manifest: manifest["tokenizer"].update(tokenizer))
    return destination


def test_a_tokenizer_that_reads_otherwise_fails_at_load(bert_bundle: Path, tmp_path: Path) -> None:
    other = bundle_with(bert_bundle, tmp_path / "other", fingerprint="0" * 64)
    with pytest.raises(BundleError, match="the packages here read texts otherwise"):
        load(other)


def test_a_tokenizer_in_python_alone_waits_for_the_first_text(
    bert_bundle: Path, tmp_path: Path
) -> None:
    engine = load(bundle_with(bert_bundle, tmp_path / "other", library="transformers"))
    assert np.isfinite(engine(input_ids=[[2, 9, 4, 3]]).logits).all()
    with pytest.raises(LtpError, match=r"tokenizer in .* knows no words|read texts otherwise"):
        engine("a film")
