"""
`AsyncMemory`: the verbs of `Memory` for code that runs on an event loop.

Each method is made from the verb of the same name, so that the two cannot drift apart; the verb runs on a thread,
and the loop goes on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from .memory import Memory

P = ParamSpec("P")
R = TypeVar("R")


def _awaitable(
    verb: Callable[Concatenate[Memory, P], R],
) -> Callable[Concatenate[AsyncMemory, P], Coroutine[Any, Any, R]]:
    @functools.wraps(verb)
    async def method(self: AsyncMemory, /, *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio  # 0.05 s, spent already by whoever awaits this

        return await asyncio.to_thread(verb, self._memory, *args, **kwargs)

    return method


class AsyncMemory:
    """
    One memory in one SQLite file, awaited.  Arguments, results and errors are those of `Memory`.

    Cancelling stops the waiting, not the verb: what it had begun to write is kept.
    Opening reads no model and little of the file, and is done by the constructor itself.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._memory = Memory(*args, **kwargs)

    remember = _awaitable(Memory.remember)
    remember_many = _awaitable(Memory.remember_many)
    observe = _awaitable(Memory.observe)
    load = _awaitable(Memory.load)
    revise = _awaitable(Memory.revise)
    forget = _awaitable(Memory.forget)
    recall = _awaitable(Memory.recall)
    context = _awaitable(Memory.context)
    get = _awaitable(Memory.get)
    list = _awaitable(Memory.list)
    history = _awaitable(Memory.history)
    facts = _awaitable(Memory.facts)
    conflicts = _awaitable(Memory.conflicts)
    correct = _awaitable(Memory.correct)
    confirm = _awaitable(Memory.confirm)
    entity = _awaitable(Memory.entity)
    neighbours = _awaitable(Memory.neighbours)
    merge_entities = _awaitable(Memory.merge_entities)
    split_entities = _awaitable(Memory.split_entities)
    define = _awaitable(Memory.define)
    kinds = _awaitable(Memory.kinds)
    stats = _awaitable(Memory.stats)
    users = _awaitable(Memory.users)
    verify = _awaitable(Memory.verify)
    rebuild = _awaitable(Memory.rebuild)
    compact = _awaitable(Memory.compact)
    close = _awaitable(Memory.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self._memory!r}"
