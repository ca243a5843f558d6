"""Runtimes that embed sequences of unlike lengths: CTranslate2 and llama.cpp; and the file that
llama.cpp reads, written from a BERT of sentence-transformers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.checkpoint.files import read_config, read_weights
from ltp_deploy.data.batch import PackedBatch

Call = Callable[[], np.ndarray]

SUBWORD, WORD = "##", "\u2581"  # what begins a word's later parts in vocab.txt; its first in GGUF
SPECIAL = {"bos": "[CLS]", "eos": "[SEP]", "sep": "[SEP]", "unk": "[UNK]"}
SPECIAL |= {"pad": "[PAD]", "mask": "[MASK]"}
QUANTIZED = {"f16": 1, "q8_0": 7}  # llama.cpp's numbers of file types
LENGTH_ONE = 1e-12  # below it no vector is divided by its length


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, d], each of length one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, LENGTH_ONE), np.float32)


def means(states: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[N, d]: of the padded states [N, n, d] the mean over each sequence's own tokens."""
    real = (np.arange(states.shape[1]) < lengths[:, None]).astype(states.dtype)
    return np.asarray((real[:, None] @ states)[:, 0] / lengths[:, None])


class CTranslate2:
    """A converted model; it computes products with weights without padding, attention with it."""

    def __init__(self, folder: Path, kind: str, threads: int):
        import ctranslate2

        self.encoder = ctranslate2.Encoder(str(folder), compute_type=kind, intra_threads=threads)
        self.view = ctranslate2.StorageView.from_array

    def prepare(self, batch: PackedBatch) -> Call:
        ids = batch.padded(0)[0].astype(np.int32)
        lengths = batch.lengths.astype(np.int32)

        def call() -> np.ndarray:
            # A view of an array does not keep it alive.
            found = self.encoder.forward_batch(self.view(ids), self.view(lengths))
            return unit(means(np.array(found.last_hidden_state), lengths))

        return call


def convert_for_ctranslate2(checkpoint: Path, folder: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(checkpoint)).convert(str(folder))


class LlamaCpp:
    """A model in llama.cpp, which packs sequences without padding and marks whose a token is."""

    def __init__(self, file: Path, threads: int):
        import llama_cpp

        _quiet(llama_cpp)
        self.library, self.threads = llama_cpp, threads
        settings = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(str(file).encode(), settings)
        if self.model is None:
            raise SystemExit(f"llama.cpp cannot read {file}")
        self.width = llama_cpp.llama_model_n_embd(self.model)

    def prepare(self, batch: PackedBatch) -> Call:
        library, context = self.library, self._context(batch)
        given = _filled(library, batch)

        def call() -> np.ndarray:
            if library.llama_encode(context, given):
                raise SystemExit("llama.cpp cannot encode this batch")
            found = (library.llama_get_embeddings_seq(context, i) for i in range(batch.sequences))
            rows = [np.ctypeslib.as_array(vector, (self.width,)).copy() for vector in found]
            return unit(np.stack(rows))

        return call

    def _context(self, batch: PackedBatch) -> Any:
        """A context whose buffers are for requests of this size."""
        library = self.library
        settings = library.llama_context_default_params()
        # A multiple of the number of sequences, or llama.cpp aborts.
        tokens = -(-len(batch.input_ids) // batch.sequences) * batch.sequences
        settings.n_ctx = settings.n_batch = settings.n_ubatch = tokens
        settings.n_seq_max = batch.sequences
        settings.kv_unified = True  # n_ctx is for all sequences together
        settings.n_threads = settings.n_threads_batch = self.threads
        settings.embeddings = True
        settings.pooling_type = library.LLAMA_POOLING_TYPE_MEAN
        return library.llama_init_from_model(self.model, settings)


def _filled(library: Any, batch: PackedBatch) -> Any:
    """llama.cpp's batch of all tokens, each an output of its sequence."""
    tokens = len(batch.input_ids)
    made = library.llama_batch_init(tokens, 0, 1)
    made.n_tokens = tokens
    sequences = np.repeat(np.arange(batch.sequences), batch.lengths)
    starts = np.repeat(batch.offsets[:-1], batch.lengths)
    for field, values in (
        (made.token, batch.input_ids),
        (made.pos, np.arange(tokens) - starts),
        (made.n_seq_id, np.ones(tokens)),
        (made.logits, np.ones(tokens)),
    ):
        np.ctypeslib.as_array(field, (tokens,))[:] = values
    for token, sequence in enumerate(sequences.tolist()):
        made.seq_id[token][0] = sequence
    return made


def write_gguf(checkpoint: Path, file: Path) -> None:
    """A BERT with mean pooling in f32, as llama.cpp's own converter writes it."""
    import gguf
    from transformers import AutoTokenizer

    config = read_config(checkpoint)
    layers = config["num_hidden_layers"]
    writer = gguf.GGUFWriter(file, "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(layers)
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_token_type_count(config["type_vocab_size"])
    ids = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True).get_vocab()
    tokens = sorted(ids, key=ids.__getitem__)
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([phantom_space(token) for token in tokens])
    writer.add_token_types([control if t in SPECIAL.values() else normal for t in tokens])
    for name, token in SPECIAL.items():
        getattr(writer, f"add_{name}_token_id")(ids[token])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    for name, tensor in read_weights(checkpoint).items():
        name = name.removeprefix("bert.")
        if name == "embeddings.position_ids" or name.startswith("pooler."):
            continue
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if known is None:
            raise SystemExit(f"llama.cpp's BERT has no tensor for {name}")
        writer.add_tensor(known, tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(source: Path, file: Path, kind: str) -> None:
    """Write a GGUF file in another type, by llama.cpp's own tool.

    Args:
        kind: in `QUANTIZED`.
    """
    import llama_cpp

    _quiet(llama_cpp)
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = QUANTIZED[kind]
    names = str(source).encode(), str(file).encode()
    if llama_cpp.llama_model_quantize(*names, ctypes.byref(settings)):
        raise SystemExit(f"llama.cpp cannot write {file}")


def phantom_space(token: str) -> str:
    """A token of WordPiece as llama.cpp has it: marked where a word begins, not where it goes
    on."""
    if token in SPECIAL.values():
        return token
    return token.removeprefix(SUBWORD) if token.startswith(SUBWORD) else WORD + token


def _quiet(library: Any) -> None:
    """Let llama.cpp say nothing but errors."""
    global _log
    if _log is None:
        _log = library.llama_log_callback(lambda level, text, _: None)
        library.llama_log_set(_log, ctypes.c_void_p(0))


_log: Any = None  # kept: llama.cpp calls it as long as it runs
