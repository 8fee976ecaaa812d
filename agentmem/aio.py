"""
`AsyncMemory`: the verbs of `Memory` for code that runs on an event loop.

Each method is made from the verb of the same name, so that the two cannot drift apart; the verb runs on a thread,
and the loop goes on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from .conversation import Conversation
from .holding import Blocks
from .memory import Memory

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Awaited(Generic[T_co]):
    """Something whose verbs run on a thread."""

    def __init__(self, plain: T_co) -> None:
        self._plain = plain


def _awaitable(
    verb: Callable[Concatenate[T, P], R],
) -> Callable[Concatenate[Awaited[T], P], Coroutine[Any, Any, R]]:
    @functools.wraps(verb)
    async def method(self: Awaited[T], /, *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio  # 0.05 s, spent already by whoever awaits this

        return await asyncio.to_thread(verb, self._plain, *args, **kwargs)

    return method


class AsyncBlocks(Awaited[Blocks]):
    """The core blocks of a memory, awaited.  Arguments, results and errors are those of `Blocks`."""

    set = _awaitable(Blocks.set)
    append = _awaitable(Blocks.append)
    replace = _awaitable(Blocks.replace)
    get = _awaitable(Blocks.get)
    list = _awaitable(Blocks.list)
    history = _awaitable(Blocks.history)
    restore = _awaitable(Blocks.restore)
    delete = _awaitable(Blocks.delete)


class AsyncConversation(Awaited[Conversation]):
    """A conversation, awaited.  Arguments, results and errors are those of `Conversation`."""

    add = _awaitable(Conversation.add)
    reply = _awaitable(Conversation.reply)
    turn = _awaitable(Conversation.turn)
    messages = _awaitable(Conversation.messages)
    tokens = _awaitable(Conversation.tokens)


def _awaited(verb: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same for a verb that needs no open memory."""

    @functools.wraps(verb)
    async def method(*args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio

        return await asyncio.to_thread(verb, *args, **kwargs)

    return method


class AsyncMemory(Awaited[Memory]):
    """
    One memory in one SQLite file, awaited.  Arguments, results and errors are those of `Memory`.

    Cancelling stops the waiting, not the verb: what it had begun to write is kept.
    Opening reads no model and little of the file, and is done by the constructor itself.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(Memory(*args, **kwargs))

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
    tools = _awaitable(Memory.tools)
    call = _awaitable(Memory.call)
    grant = _awaitable(Memory.grant)
    revoke = _awaitable(Memory.revoke)
    grants = _awaitable(Memory.grants)
    audit = _awaitable(Memory.audit)
    find = _awaitable(Memory.find)
    expire = _awaitable(Memory.expire)
    sweep = _awaitable(Memory.sweep)
    attach = _awaitable(Memory.attach)
    nearest = _awaitable(Memory.nearest)
    policy = _awaitable(Memory.policy)
    set_policy = _awaitable(Memory.set_policy)
    apply_policy = _awaitable(Memory.apply_policy)
    review = _awaitable(Memory.review)
    stats = _awaitable(Memory.stats)
    users = _awaitable(Memory.users)
    verify = _awaitable(Memory.verify)
    rebuild = _awaitable(Memory.rebuild)
    compact = _awaitable(Memory.compact)
    backup = _awaitable(Memory.backup)
    restore = staticmethod(_awaited(Memory.restore))
    merge = _awaitable(Memory.merge)
    close = _awaitable(Memory.close)

    @property
    def blocks(self) -> AsyncBlocks:
        """The core blocks: small labelled texts that an agent always has in view, see `Blocks`."""
        return AsyncBlocks(self._plain.blocks)

    @functools.wraps(Memory.conversation)
    async def conversation(self, *args: Any, **kwargs: Any) -> AsyncConversation:
        import asyncio

        return AsyncConversation(await asyncio.to_thread(self._plain.conversation, *args, **kwargs))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self._plain!r}"
