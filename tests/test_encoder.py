"""The shipped encoder: same text, same vector."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem import Memory, ModelError
from agentmem.encoder import CHECKSUMS, MODEL_FILE, MiniLM, shared

TEXTS = [
    "I'm allergic to peanuts",
    "Use pnpm, not npm, in the web repo.",
    "Where did Melanie move?",
    "雨が降っています",
]
MODELS = Path(__file__).parent.parent / "models"
# Made by this model on an AVX512-VNNI machine; the same text may differ elsewhere in how int8 products round.
REFERENCE = json.loads((Path(__file__).parent / "reference_vectors.json").read_text())
TOLERANCE = 0.999  # least cosine between machines that is still this model


def test_vectors_agree_with_those_made_on_another_machine():
    for text, expected in REFERENCE.items():
        vector = shared().encode([text])[0].vector
        assert float(vector @ (np.array(expected) / np.linalg.norm(expected))) >= TOLERANCE


def test_vectors_have_length_one_and_tokens_too():
    for encoding in shared().encode(TEXTS):
        assert encoding.vector.shape == (384,) and encoding.vector.dtype == np.float32
        assert np.linalg.norm(encoding.vector) == pytest.approx(1, abs=1e-5)
        assert encoding.tokens.shape[1] == 384
        assert np.allclose(np.linalg.norm(encoding.tokens, axis=1), 1, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([*TEXTS, "a " * 400, "!"]), min_size=2, max_size=12))
def test_a_text_has_the_same_vector_whatever_is_encoded_with_it(texts):
    alone = {text: shared().encode([text])[0] for text in set(texts)}
    for text, together in zip(texts, shared().encode(texts), strict=True):
        assert np.array_equal(alone[text].vector, together.vector)
        assert np.array_equal(alone[text].tokens, together.tokens)


def test_quantised_vectors_keep_their_cosine():
    vectors = [encoding.vector for encoding in shared().encode(TEXTS)]
    small = [np.frombuffer(e.quantised, np.int8).astype(float) for e in shared().encode(TEXTS)]
    for a, x in zip(vectors, small, strict=True):
        assert np.abs(x).max() == 127
        for b, y in zip(vectors, small, strict=True):
            assert float(a @ b) == pytest.approx(float(x @ y) / np.linalg.norm(x) / np.linalg.norm(y), abs=0.002)


def test_punctuation_and_stopwords_leave_no_token_code():
    plain, wordy = shared().encode(["peanuts allergy", "The peanuts, and the allergy!"])
    assert len(plain.codes) == len(wordy.codes)
    assert len(plain.codes) % 48 == 0


def test_a_question_of_stopwords_only_still_has_tokens():
    assert len(shared().encode(["Who is he?"])[0].tokens) > 0


def test_texts_are_cut_at_256_word_pieces():
    long, longer = shared().encode(["peanut " * 254, "peanut " * 5_000])
    assert np.array_equal(long.vector, longer.vector)


def test_a_long_text_counts_all_its_tokens():
    assert shared().count_tokens("one two three") == 3
    assert shared().count_tokens("peanut " * 1_000) == 1_000


def test_the_shipped_files_have_the_stated_checksums():
    for name, expected in CHECKSUMS.items():
        assert hashlib.sha256((MODELS / name).read_bytes()).hexdigest() == expected
        assert expected in (MODELS / "README.md").read_text("utf-8")


def test_a_damaged_model_is_refused(tmp_path):
    for name in CHECKSUMS:
        shutil.copy(MODELS / name, tmp_path / name)
    data = bytearray((tmp_path / MODEL_FILE).read_bytes())
    data[12_345_678] ^= 1
    (tmp_path / MODEL_FILE).write_bytes(data)
    with pytest.raises(ModelError, match="sha256 differs"):
        MiniLM(tmp_path).encode(["x"])


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        MiniLM(tmp_path / "nowhere").encode(["x"])


def test_an_encoder_that_gives_zero_vectors_is_refused(tmp_path):
    class Zero(MiniLM):
        id = "zero"

        def encode(self, texts):
            return [type(e)(e.vector * 0, e.tokens) for e in super().encode(texts)]

    with Memory(tmp_path / "m.db", encoder=Zero()) as memory:
        with pytest.raises(ModelError, match="zero or not finite"):
            memory.remember("x")
        assert memory.list() == []
