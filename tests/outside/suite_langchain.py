"""LangChain's own tests of stores and retrievers, over ours."""

import pytest
from langchain_core.documents import Document
from langchain_tests.integration_tests import (
    BaseStoreAsyncTests,
    BaseStoreSyncTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)

from agentmem import Memory
from agentmem.doors.langchain import AgentmemByteStore, AgentmemRetriever, AgentmemVectorStore


class TestVectorStore(VectorStoreIntegrationTests):
    """With the embedding of the tests."""

    @pytest.fixture
    def vectorstore(self, tmp_path):
        store = AgentmemVectorStore(tmp_path / "m.db", self.get_embeddings())
        yield store
        store.close()


class TestVectorStoreWithoutEmbedding(VectorStoreIntegrationTests):
    """Ranked by agentmem."""

    @pytest.fixture
    def vectorstore(self, tmp_path):
        store = AgentmemVectorStore(tmp_path / "m.db")
        yield store
        store.close()


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def memory(self, tmp_path):
        with Memory(tmp_path / "m.db") as self.filled:
            self.filled.remember_many(f"Ana likes {each}" for each in ("tea", "the sea", "maps", "rain", "bread"))
            yield

    @property
    def retriever_constructor(self):
        return AgentmemRetriever

    @property
    def retriever_constructor_params(self):
        return {"memory": self.filled}

    @property
    def retriever_query_example(self):
        return "what does Ana like?"


class TestVectorStoreRetriever(RetrieversIntegrationTests):
    """A vector store's own retriever."""

    @property
    def retriever_constructor(self):
        def made(k=4):
            store = AgentmemVectorStore(":memory:")
            store.add_documents([Document(f"Ana likes {each}") for each in ("tea", "the sea", "maps", "rain")])
            return store.as_retriever(search_kwargs={"k": k})

        return made

    @property
    def retriever_constructor_params(self):
        return {}

    @property
    def retriever_query_example(self):
        return "what does Ana like?"


class TestByteStore(BaseStoreSyncTests):
    @pytest.fixture
    def kv_store(self, tmp_path):
        store = AgentmemByteStore(tmp_path / "m.db")
        yield store
        store.close()

    @pytest.fixture
    def three_values(self):
        return b"foo", b"\x00\xff", b""


class TestByteStoreAsync(BaseStoreAsyncTests):
    @pytest.fixture
    async def kv_store(self, tmp_path):
        store = AgentmemByteStore(tmp_path / "m.db")
        yield store
        store.close()

    @pytest.fixture
    def three_values(self):
        return b"foo", b"\x00\xff", b""
