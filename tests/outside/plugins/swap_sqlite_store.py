"""Puts our store in the place of LangGraph's SQLite stores."""

import langgraph.store.sqlite
import langgraph.store.sqlite.aio

from agentmem.doors.langgraph import AgentmemStore, AsyncAgentmemStore

langgraph.store.sqlite.SqliteStore = AgentmemStore
langgraph.store.sqlite.AsyncSqliteStore = langgraph.store.sqlite.aio.AsyncSqliteStore = AsyncAgentmemStore
