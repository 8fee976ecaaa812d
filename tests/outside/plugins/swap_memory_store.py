"""Puts our store in the place of LangGraph's store in memory, which has no path."""

import langgraph.store.memory

from agentmem.doors.langgraph import AgentmemStore


class InMemoryStore(AgentmemStore):
    def __init__(self, *, index=None):
        super().__init__(":memory:", index=index)


langgraph.store.memory.InMemoryStore = InMemoryStore
