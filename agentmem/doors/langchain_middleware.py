"""
LangChain middleware that recalls before a model is called, and remembers after.

    from agentmem.doors.langchain_middleware import AgentmemMiddleware
    agent = create_agent(model, middleware=[AgentmemMiddleware("me.db")])
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from agentmem import Hit, Memory

from .extra import missing

try:
    from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
    from langchain_core.messages import AnyMessage, HumanMessage
    from langgraph.config import get_config
    from langgraph.runtime import Runtime
except ImportError as error:
    raise missing("LangChain", "langchain") from error

from .items import opened

ROLES = {"human": "user", "ai": "assistant"}  # of the messages that are remembered


class Whose(NamedTuple):
    """Whose memory a run is about, and which conversation it is; None is the memory's own."""

    user: str | None
    session: str | None


class AgentmemMiddleware(AgentMiddleware[Any, Any, Any]):
    """
    Puts what a memory knows before the last message of the user, for the model alone, and keeps what the two say.

    The run's configuration says whose memory it is, `user_id`, and which conversation, `thread_id`; without them it is
    the memory's own scope.  What the model is shown is quoted as data, and stays out of the conversation's state.
    What tools return is not kept.

    Args:
        memory: a Memory, or the path of its file.
        budget_tokens: what is shown takes at most this many.
        min_score: 0..1, what a hit must have to be shown, see `Memory.recall`.
    """

    def __init__(
        self, memory: Memory | str | os.PathLike[str], *, budget_tokens: int = 400, min_score: float = 0.0
    ) -> None:
        super().__init__()
        self._memory, self._ours = opened(memory)
        self._budget_tokens, self._min_score = budget_tokens, min_score

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Show the model what is known."""
        return handler(self._informed(request, _whose()))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Show the model what is known, while the event loop goes on."""
        return await handler(await asyncio.to_thread(self._informed, request, _whose()))

    def after_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> None:
        """Keep what was said; what is here already is not added again."""
        self._keep(state["messages"], _whose())

    async def aafter_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> None:
        """Keep what was said, while the event loop goes on."""
        await asyncio.to_thread(self._keep, state["messages"], _whose())

    def close(self) -> None:
        """Close the memory if it was given as a path."""
        if self._ours:
            self._memory.close()

    def _informed(self, request: ModelRequest[Any], whose: Whose) -> ModelRequest[Any]:
        messages = request.messages
        asked = next((at for at in reversed(range(len(messages))) if messages[at].type == "human"), None)
        if asked is None or not messages[asked].text.strip():
            return request
        shown = {message.text for message in messages}  # the model has these before it

        def others(_query: str, hits: list[Hit]) -> list[Hit]:
            return [hit for hit in hits if hit.text not in shown]

        known = self._memory.context(
            messages[asked].text,
            budget_tokens=self._budget_tokens,
            min_score=self._min_score,
            strategy=others,
            user=whose.user,
        )
        if not known.text:
            return request
        return request.override(messages=[*messages[:asked], HumanMessage(known.text), *messages[asked:]])

    def _keep(self, messages: Sequence[AnyMessage], whose: Whose) -> None:
        said = [
            {"role": ROLES[message.type], "content": message.text, "name": message.name, "id": message.id}
            for message in messages
            if message.type in ROLES
        ]
        self._memory.observe(said, user=whose.user, session=whose.session)


def _whose() -> Whose:
    configured = get_config().get("configurable", {})
    return Whose(*(None if (name := configured.get(each)) is None else str(name) for each in ("user_id", "thread_id")))
