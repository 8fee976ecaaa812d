"""
Text → vectors: the shipped int8 all-MiniLM-L6-v2.  The one module that knows onnxruntime and tokenizers.

One forward pass gives the pooled sentence vector and one vector per token; on top of it a tagger marks what a text
states, see `marks`.  A text is encoded alone, never in a
batch: the int8 graph takes one activation scale per call, so in a batch a text's vector would depend on its
neighbours.  Texts run side by side on threads instead.

The same text gives the same vector on the same machine, bit for bit, whatever else is encoded with it.  Across CPU
families the int8 kernels round differently: vectors agree to a cosine of .999 or better (emulated Cortex-A72 and A76
and AVX2 against AVX512-VNNI: least .9991).
"""

from __future__ import annotations

import hashlib
import os
import threading
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .marks import Mark, Scores, distances, features, marks, parts, words
from .words import STOPWORDS

WIDTH = 384  # components of a vector
CODE_BYTES = WIDTH // 8  # of one token's 1-bit code
MODEL_FILE, TAGGER_FILE, TOKENIZER_FILE = "minilm-l6-v2-int8.onnx", "tagger-int8.onnx", "tokenizer.json"
CHECKSUMS = {  # sha256; models/build.py and models/train.py make them
    MODEL_FILE: "7ee5546387294cd93250d00e929c9111e461c96cbae9bb8a69dff3fb792edb97",
    TAGGER_FILE: "fbf8beb60b1ad14d0212c7c0071b20aa090df7023bf505df1b4671690310f8f4",
    TOKENIZER_FILE: "32d70b45ea2679485328eafb8a5a94dcc9fbaadaf0c92b7ca06fe5684a4b8389",
}
UNKNOWN = 100  # id of [UNK]
LATIN_END = "\u0250"  # the first character after the letters of Latin scripts
MAX_CHARS = 8_192  # 256 word pieces never need more; keeps the tokenizer from walking through a whole book


@dataclass(frozen=True)
class Encoding:
    """One text, encoded."""

    vector: NDArray[np.float32]  # (384,), of length 1
    tokens: NDArray[np.float32]  # (t, 384), each of length 1; content tokens only, t may be 0
    known: bool = True  # whether the encoder knows the text's script; where not, it is searched by words alone

    @cached_property
    def quantised(self) -> bytes:
        """
        The vector as int8[384], scaled so that its largest component is ±127.

        The scale is dropped, as cosine does not depend on it; cosines change by less than .002.
        """
        largest = float(np.abs(self.vector).max())
        if not np.isfinite(largest) or largest == 0:
            raise ModelError("the encoder gave a vector that is zero or not finite; it would rank first everywhere")
        return bytes(np.rint(self.vector * (127 / largest)).astype(np.int8))

    @cached_property
    def codes(self) -> bytes:
        """The signs of the token vectors, 48 bytes a token, as sqlite-vec packs bits."""
        return bytes(signs(self.tokens))


def signs(vectors: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return (…, 6) the signs of *vectors* (…, 384), a set bit for a positive one, the first in the lowest bit."""
    return np.packbits(vectors > 0, axis=-1, bitorder="little").view(np.uint64)


class Encoder(Protocol):
    """What Memory needs of an encoder; `Memory(encoder=…)` takes any object like this."""

    @property
    def id(self) -> str:
        """Names the vectors: two encoders with one id give the same vector for the same text."""

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Encode *texts*, in order.  Called from several threads."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens *text* takes, without those that frame it."""


class MiniLM:
    """
    The shipped encoder.  Making one is free; the model is read at the first use, once per object.

    Args:
        folder: where the model and tokenizer files are; default is the shipped one.
        threads: how many texts are encoded side by side; default is the number of cores.
    """

    # Of the vectors, not of the file: an output was added since, and every vector is the same.
    id = "minilm-l6-v2-int8/d00b9424abbb1df2"

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> None:
        self._folder = Path(folder) if folder is not None else _shipped_folder()
        self._threads = threads or os.cpu_count() or 1
        self._lock = threading.Lock()
        self._session: Any = None
        self._tagging: Any = None
        self._predicates: list[str] = []  # that the tagger knows
        self._tokenizer: Any = None
        self._whole: Any = None  # the same without a limit, to count by
        self._plain: NDArray[np.bool_] | None = None  # by token id: carries no subject of its own
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0  # of the process whose threads the pool has; a child after a fork has none of them

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """
        Encode *texts*, in order; each alone, several side by side.

        Args:
            texts: n strings; each is cut at 256 word pieces (about 200 words).

        Returns:
            n Encodings: a float32 vector of length 1, mean-pooled over the tokens, and the unit vectors of
            the content tokens (neither punctuation nor stopwords; all tokens where there is no other).

        Raises:
            ModelError: the model file is missing, or its checksum differs.

        Source: all-MiniLM-L6-v2 (Reimers & Gurevych 2019, Sentence-BERT; Wang et al. 2020, MiniLM).
        """
        return [encoding for encoding, _ in self._map([(text, False, len(texts) > 1) for text in texts])]

    def read(self, texts: Sequence[str], stated: Sequence[bool]) -> list[tuple[Encoding, tuple[Mark, ...]]]:
        """Encode *texts* as `encode` does, to be stored, and mark what those state that are *stated*."""
        return self._map([(text, marked, True) for text, marked in zip(texts, stated, strict=True)])

    def words(self, text: str) -> tuple[list[tuple[int, int]], NDArray[np.float32]]:
        """Return the places of the n words of *text*, and (n, 774) what the tagger reads of them."""
        self._load()
        pieces, _, _, hidden, middle = self._pass(text[:MAX_CHARS])
        return _words(text, pieces, hidden, middle)

    def _pass(self, text: str) -> tuple[Any, NDArray[np.int64], Any, Any, Any]:
        """Return the tokenizer's Encoding, the s ids, the pooled vector (384), the last and middle states (s, 384)."""
        pieces = self._tokenizer.encode(text)
        ids = np.array(pieces.ids, np.int64)
        pooled, hidden, middle = self._session.run(None, {"input_ids": ids[None]})
        return pieces, ids, pooled[0], hidden[0], middle[0]

    def _map(self, tasks: Sequence[tuple[str, bool, bool]]) -> list[tuple[Encoding, tuple[Mark, ...]]]:
        self._load()
        if len(tasks) == 1 or self._threads == 1:
            return [self._read_one(task) for task in tasks]
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                self._pool, self._pid = ThreadPoolExecutor(self._threads, "agentmem-encoder"), os.getpid()
            pool = self._pool
        # The longest first: whoever comes last must not be left alone with a long one.
        order = sorted(range(len(tasks)), key=lambda i: -len(tasks[i][0]))
        found = dict(zip(order, pool.map(self._read_one, [tasks[i] for i in order]), strict=True))
        return [found[i] for i in range(len(tasks))]

    def count_tokens(self, text: str) -> int:
        """
        Return how many word pieces *text* takes.

        A run of over 100 characters without a space is one unknown piece to this tokenizer; it counts as a piece
        for every two characters, as other tokenizers would cut it up.
        """
        self._load_tokenizer()
        if self._whole is None:
            import tokenizers

            whole = tokenizers.Tokenizer.from_str(self._tokenizer.to_str())
            whole.no_truncation()
            self._whole = whole
        encoded = self._whole.encode(text, add_special_tokens=False)
        unknown = (end - start for (start, end), id in zip(encoded.offsets, encoded.ids, strict=True) if id == UNKNOWN)
        return int(len(encoded.ids) + sum(length // 2 for length in unknown))

    def _read_one(self, task: tuple[str, bool, bool]) -> tuple[Encoding, tuple[Mark, ...]]:
        text, marked, stored = task
        text = text[:MAX_CHARS]
        pieces, ids, pooled, hidden, middle = self._pass(text)
        assert self._plain is not None
        content = np.flatnonzero(~self._plain[ids])
        if not content.size:
            content = np.arange(1, len(ids) - 1)  # "Who is he?" is stopwords only, yet a question
        tokens = hidden[content]  # (t, 384)
        tokens /= np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-12)
        encoding = Encoding(pooled, tokens, _is_latin(text))
        if stored:
            _ = encoding.quantised, encoding.codes  # made here, side by side, and not later one by one
        return encoding, self._marks(text, pieces, hidden, middle) if marked and encoding.known else ()

    def _marks(
        self, text: str, pieces: Any, hidden: NDArray[np.float32], middle: NDArray[np.float32]
    ) -> tuple[Mark, ...]:
        spans, read = _words(text, pieces, hidden, middle)
        if not spans:
            return ()
        found: list[Mark] = []
        for first, end in parts(text, spans):  # it has learnt from messages of one or two sentences
            given = {"words": read[first:end], "distances": distances(end - first)}
            scores = Scores(*self._tagger().run(None, given))
            found += marks(text, spans[first:end], scores, self._predicates)
        return tuple(found)

    def _load_tokenizer(self) -> None:
        with self._lock:
            if self._tokenizer is not None:
                return
            import tokenizers  # 0.05 s; a plain `list` need not pay

            tokenizer = tokenizers.Tokenizer.from_buffer(_read(self._folder / TOKENIZER_FILE))
            vocabulary: dict[str, int] = tokenizer.get_vocab()
            plain = np.zeros(max(vocabulary.values()) + 1, bool)
            odd = [token for token in vocabulary if not token.isalnum()]
            for token in (*STOPWORDS, *(token for token in odd if token[0] == "[" or not any(map(str.isalnum, token)))):
                plain[vocabulary.get(token, UNKNOWN)] = True
            self._plain, self._tokenizer = plain, tokenizer

    def _load(self) -> None:
        self._load_tokenizer()
        with self._lock:
            if self._session is not None:
                return
            self._session = _session(self._folder / MODEL_FILE)

    def _tagger(self) -> Any:
        """Return the tagger, which only a write of what somebody states needs."""
        with self._lock:
            if self._tagging is None:
                self._tagging = _session(self._folder / TAGGER_FILE)
                self._predicates = self._tagging.get_modelmeta().custom_metadata_map["predicates"].split("|")
            return self._tagging


def _words(
    text: str, pieces: Any, hidden: NDArray[np.float32], middle: NDArray[np.float32]
) -> tuple[list[tuple[int, int]], NDArray[np.float32]]:
    """Return what `MiniLM.words` does; *pieces* is the tokenizer's Encoding."""
    places = words(pieces.word_ids)
    spans = [(pieces.offsets[first][0], pieces.offsets[end - 1][1]) for first, end in places]
    return spans, features(text, spans, places, middle, hidden)


def _is_latin(text: str) -> bool:
    """Return whether half or more of the letters, digits and symbols in *text* are Latin; yes where it has none."""
    if text.isascii():
        return True
    kinds = [(letter < LATIN_END, unicodedata.category(letter)[0]) for letter in text]
    return sum(latin for latin, kind in kinds if kind in "LN") >= sum(
        not latin for latin, kind in kinds if kind in "LMNS"
    )


_shared: MiniLM | None = None
_shared_lock = threading.Lock()


def shared() -> MiniLM:
    """Return the process's one shipped encoder: its model is loaded and checked once."""
    global _shared
    with _shared_lock:
        _shared = _shared or MiniLM()
        return _shared


def encode(encoder: Encoder, texts: Sequence[str]) -> list[Encoding]:
    """Encode *texts*, and raise ModelError where *encoder* does not keep to what `Encoder` promises."""
    encodings = encoder.encode(texts)
    if not isinstance(encodings, list) or len(encodings) != len(texts):
        raise ModelError(f"encoder {encoder.id} must give a list of {len(texts)} encodings, one for each text")
    for encoding in encodings:
        if encoding.vector.shape != (WIDTH,) or encoding.tokens.ndim != 2 or encoding.tokens.shape[1] != WIDTH:
            raise ModelError(f"encoder {encoder.id} must give a vector of {WIDTH} components, and tokens of as many")
    return encodings


def read(encoder: Encoder, texts: Sequence[str], stated: Sequence[bool]) -> list[tuple[Encoding, tuple[Mark, ...]]]:
    """Encode *texts* with *encoder*, and mark what those state that are *stated*: that the shipped one does always."""
    if isinstance(encoder, MiniLM) and type(encoder).encode is MiniLM.encode:
        return encoder.read(texts, stated)
    encodings = encode(encoder, texts)
    asked = [text for text, marked in zip(texts, stated, strict=True) if marked]
    found = iter(shared().read(asked, [True] * len(asked)) if asked else [])
    return [(encoding, next(found)[1] if marked else ()) for encoding, marked in zip(encodings, stated, strict=True)]


def _shipped_folder() -> Path:
    """The wheel carries the model inside the package; a checkout keeps it beside."""
    inside = Path(__file__).parent / "models"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "models"


def _session(path: Path) -> Any:
    import onnxruntime  # 0.05 s, and only a recall or a write needs it

    options = onnxruntime.SessionOptions()
    # One thread a call: with other load on the machine two spin-wait for each other (4–10 ms against 1.3–2.7).
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_read(path), options, providers=["CPUExecutionProvider"])


def _read(path: Path) -> bytes:
    """Read a model file and compare its sha256, 13 ms for 23 MB: a damaged model would rank nonsense in silence."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; install agentmem-sqlite again") from error
    if hashlib.sha256(data).hexdigest() != CHECKSUMS[path.name]:
        raise ModelError(f"{path} is not the file that was shipped (sha256 differs); install agentmem-sqlite again")
    return data
