"""The shipped int8 encoder against its float32 original: nDCG@10 of vectors alone, and the cosine between the two."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import onnxruntime

from agentmem import encoder

from .made import SENTENCES
from .scores import ir_scores
from .sets import read_set


class Float32(encoder.MiniLM):
    """The float32 graph that `models/build.py --float32` writes, in the place of the shipped one."""

    id = "minilm-l6-v2-float32"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._load_tokenizer()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure(folder: Path, model: encoder.MiniLM) -> float:
    """Return nDCG@10 of the IR set *folder*, ranked by exact cosine alone."""
    _, (part,) = read_set(folder)
    documents = np.stack([e.vector for e in model.encode([item["text"] for item in part.items])])
    questions = np.stack([e.vector for e in model.encode([q.text for q in part.questions])])
    best = np.argsort(-(questions @ documents.T), axis=1, kind="stable")[:, :10]
    ids = [item["id"] for item in part.items]
    scores = [ir_scores(q, [ids[i] for i in row])["nDCG@10"] for q, row in zip(part.questions, best, strict=True)]
    return round(fmean(scores), 4)


def agreement(a: encoder.MiniLM, b: encoder.MiniLM) -> dict[str, Any]:
    """Return the mean and the least cosine between both models' vectors of the sample conversation's turns."""
    texts = [json.loads(line)["content"] for line in SENTENCES.read_text("utf-8").splitlines()]
    cosines = [float(x.vector @ y.vector) for x, y in zip(a.encode(texts), b.encode(texts), strict=True)]
    return {"texts": len(texts), "mean": round(float(np.mean(cosines)), 4), "least": round(min(cosines), 4)}
