"""
LangChain in a memory: a retriever over all of it, a vector store, and a store of bytes.

    from agentmem.doors.langchain import AgentmemByteStore, AgentmemRetriever, AgentmemVectorStore
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self
from uuid import uuid4

from agentmem import Hit, Memory, Record

from .extra import missing

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.stores import ByteStore
    from langchain_core.vectorstores import VectorStore
    from langchain_core.vectorstores.utils import maximal_marginal_relevance
except ImportError as error:
    raise missing("LangChain", "langchain") from error

from .items import Asked, Entry, Items, opened


class AgentmemRetriever(BaseRetriever):
    """
    What `Memory.recall` finds, as documents: conversations, notes, and what other doors keep.

    A document's metadata are the record's own, with its score, kind, role, speaker, session and time of occurrence.
    """

    model_config: ClassVar[Any] = {"arbitrary_types_allowed": True}

    memory: Memory
    k: int = 4
    kinds: list[str] | None = None
    where: dict[str, Any] | None = None
    min_score: float = 0.0

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun | None = None, k: int | None = None
    ) -> list[Document]:
        hits = self.memory.recall(
            query, k=self.k if k is None else k, kinds=self.kinds, where=self.where, min_score=self.min_score
        )
        return [_document(hit) for hit in hits]


def _document(hit: Hit) -> Document:
    record = hit.record
    about = {
        "score": hit.score,
        "kind": record.kind,
        "role": record.role,
        "speaker": record.speaker,
        "session": record.session,
        "occurred_at": None if record.occurred_at is None else record.occurred_at.isoformat(),
    }
    return Document(id=record.id, page_content=record.text, metadata={**about, **record.metadata})


class AgentmemVectorStore(VectorStore):
    """
    Documents in a memory, each under its id.

    Args:
        memory: a Memory, or the path of its file.
        embedding: ranks by the cosine of its vectors, which it makes once for each document.  Without one, agentmem
            ranks, by words and meaning, and a score is the chance that the document is what was sought.
        collection: a name for the documents; those of another name are others.  It has no dot.

    `filter` of the searches takes what `where` of `Memory.recall` does, over the documents' metadata.
    """

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str],
        embedding: Embeddings | None = None,
        *,
        collection: str = "documents",
    ) -> None:
        if not collection or "." in collection:
            raise ValueError(f"a collection's name is not empty and has no dot: {collection!r:.80}")
        self._memory, self._ours = opened(memory)
        self._items = Items(self._memory, "langchain")
        self._embedding, self._collection = embedding, (collection,)

    @property
    def embeddings(self) -> Embeddings | None:
        """What ranks, where it is not agentmem."""
        return self._embedding

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        memory: Memory | str | os.PathLike[str] = ":memory:",
        collection: str = "documents",
        **_: Any,
    ) -> Self:
        """Make a store of texts; in a memory that ends with it, unless one is given."""
        store = cls(memory, embedding, collection=collection)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **_: Any,
    ) -> list[str]:
        """Keep texts, each in the place of the one with its id, and return their ids."""
        texts = list(texts)
        names = [given or str(uuid4()) for given in (ids or [None] * len(texts))]
        vectors = self._embedding.embed_documents(texts) if self._embedding and texts else [None] * len(texts)
        entries = [
            Entry(self._collection, name, about or {}, text, [vector] if vector is not None else [])
            for name, text, about, vector in zip(names, texts, metadatas or [{}] * len(texts), vectors, strict=True)
        ]
        self._items.put(entries)
        return names

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents that are there, in the order of *ids*."""
        records = [self._items.get(self._collection, name) for name in dict.fromkeys(ids)]
        return [self._document(record) for record in records if record is not None]

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
        """Erase documents for good, by default all of the collection."""
        if ids is None:
            ids = [self._items.key(record) for record in self._items.scan(self._asked())]
        self._items.delete(self._collection, ids)
        return True

    def similarity_search(
        self, query: str, k: int = 4, filter: Mapping[str, object] | None = None, **_: Any
    ) -> list[Document]:
        """Return the *k* documents that fit *query* best."""
        return [document for document, _ in self.similarity_search_with_score(query, k, filter)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Mapping[str, object] | None = None, **_: Any
    ) -> list[tuple[Document, float]]:
        """Return the *k* documents that fit *query* best, each with its score, higher is better."""
        if self._embedding is not None:
            found = self._items.nearest(self._embedding.embed_query(query), self._asked(filter), k=k)
        else:
            found = self._items.recall(query, self._asked(filter), k=k) if query.strip() else []
        return [(self._document(record), score) for record, score in found]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Mapping[str, object] | None = None, **_: Any
    ) -> list[Document]:
        """Return the *k* documents nearest to a vector of the store's `embedding`."""
        found = self._items.nearest(embedding, self._asked(filter), k=k)
        return [self._document(record) for record, _ in found]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Mapping[str, object] | None = None,
        **_: Any,
    ) -> list[Document]:
        """Return *k* of the *fetch_k* nearest that are unlike each other; the `embedding` is asked for those anew."""
        import numpy as np

        if self._embedding is None:
            raise ValueError("search by marginal relevance takes an embedding; give one to the store")
        vector = self._embedding.embed_query(query)
        near = self.similarity_search_by_vector(vector, fetch_k, filter)
        vectors = self._embedding.embed_documents([each.page_content for each in near])
        chosen = maximal_marginal_relevance(np.array(vector, np.float32), vectors, lambda_mult, k)
        return [near[place] for place in chosen]

    def close(self) -> None:
        """Erase what was replaced, and close the memory if it was given as a path."""
        self._items.close()
        if self._ours:
            self._memory.close()

    def _asked(self, filter: Mapping[str, object] | None = None) -> Asked:
        return Asked(self._collection, filter)

    def _document(self, record: Record) -> Document:
        return Document(
            id=self._items.key(record), page_content=self._items.text(record), metadata=self._items.value(record)
        )

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda score: score


class AgentmemByteStore(ByteStore):
    """
    Bytes under keys, as LangChain's document stores and caches keep them; no query finds them.

    Args:
        memory: a Memory, or the path of its file.
        namespace: a name for the keys; the same key under another name is another.  It has no dot.
    """

    def __init__(self, memory: Memory | str | os.PathLike[str], *, namespace: str = "bytes") -> None:
        if not namespace or "." in namespace:
            raise ValueError(f"a namespace's name is not empty and has no dot: {namespace!r:.80}")
        self._memory, self._ours = opened(memory)
        self._items = Items(self._memory, "langchain bytes")
        self._namespace = (namespace,)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the bytes under each of *keys*, or None."""
        found = (self._items.get(self._namespace, key) for key in keys)
        return [None if record is None else base64.b64decode(self._items.value(record)["bytes"]) for record in found]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Keep bytes, each in the place of those under its key."""
        self._items.put(
            Entry(self._namespace, key, {"bytes": base64.b64encode(value).decode()}) for key, value in key_value_pairs
        )

    def mdelete(self, keys: Sequence[str]) -> None:
        """Erase for good what is under *keys*."""
        self._items.delete(self._namespace, list(keys))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys that begin with *prefix*, the newest first."""
        keys = map(self._items.key, self._items.scan(Asked(self._namespace)))
        return (key for key in keys if key.startswith(prefix or ""))

    def close(self) -> None:
        """Erase what was replaced, and close the memory if it was given as a path."""
        self._items.close()
        if self._ours:
            self._memory.close()
