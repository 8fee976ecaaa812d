"""Puts our session in the place of the OpenAI Agents SDK's SQLite session."""

import agents
import agents.memory
import agents.memory.sqlite_session

from agentmem.doors.openai_agents import AgentmemSession

agents.SQLiteSession = agents.memory.SQLiteSession = agents.memory.sqlite_session.SQLiteSession = AgentmemSession
