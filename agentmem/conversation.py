"""
`Conversation`: a window of fixed size on a conversation of any length.

Every message is a record of the file.  What is sent to a model is what it should see now: core blocks, what is known
and was said that has to do with the last message, in few words what left the window, and the last messages whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import claims, scope, store, summaries
from .errors import warn
from .recalling import Recalling
from .records import Line, Record
from .scope import Scope
from .stated import day
from .summaries import Said
from .templates import Template, plain

Message = dict[str, Any]
FRAME = 4  # tokens that a message takes beside its words
LEAST_WINDOW = 256  # tokens
MEMORY = 4  # one of so many tokens of the window is for memories, where nobody says otherwise
STRETCH = 16  # turns that one summary stands for
SHOWN = 12  # summaries that the window may show
PAGE = 24  # records that are read beyond those that fitted last time
OWN = ("role", "content", "name", "at", "id", "metadata")  # fields of a message that a record keeps itself
CUT = " … [cut]"


class Conversation:
    """
    One conversation in a memory; made by `Memory.conversation`.

    It holds no messages itself: two objects, or two processes, may go on with one conversation, and after a crash it
    goes on with what was said.
    """

    def __init__(
        self,
        memory: Recalling,
        observe: Callable[..., list[Record]],
        whose: Scope,
        *,
        window_tokens: int,
        memory_tokens: int | None,
        system: str,
        count_tokens: Callable[[str], int] | None,
        summarise: Callable[[list[Message]], str] | None,
        template: str | Template,
    ) -> None:
        if not whose.session:
            raise ValueError("a conversation is named by its session")
        scope.check_count("window_tokens", window_tokens, LEAST_WINDOW)
        self._memory, self._observe, self._whose = memory, observe, whose
        self._window = window_tokens
        self._share = window_tokens // MEMORY if memory_tokens is None else memory_tokens
        scope.check_count("memory_tokens", self._share, 0, window_tokens // 2)
        if not isinstance(system, str):
            raise TypeError(f"system is the text of your instructions, not {system!r:.80}")
        for given, callable_ in (("count_tokens", count_tokens), ("summarise", summarise)):
            if callable_ is not None and not callable(callable_):
                raise TypeError(f"{given} is a function, not {callable_!r:.80}")
        self._system, self._summarise, self._template = system, summarise, template
        self._given_count = count_tokens
        self._count = count_tokens or memory._encoder().count_tokens
        self._tokens: dict[str, int] = {}  # of the messages seen last, by record
        self._kept = 0  # messages that fitted into the window last time
        if self._used([_system(system)]) > window_tokens // 2:
            raise ValueError(f"system takes more than half of the window of {window_tokens:,} tokens")

    # -- what is said -------------------------------------------------------------------------------------------

    def add(self, message: str | Mapping[str, Any], *, trust: float = 1.0) -> Record:
        """
        Keep one message: a chat mapping {role, content, name?, tool_calls?, tool_call_id?, at?, id?}, or a user's text.

        A message with an "id" that is here already is not added again, so that who is not sure may repeat it.

        Raises:
            TypeError, ValueError: it is no message, or has neither words nor tool calls.
        """
        given = {"role": "user", "content": message} if isinstance(message, str) else message
        if not isinstance(given, Mapping):
            raise TypeError(f"a message is text or a mapping with role and content, not {message!r:.80}")
        extra = {key: value for key, value in given.items() if key not in OWN}
        content = given.get("content")
        if not isinstance(content, str):
            extra["content"] = content
        words = content if content else _called(given.get("tool_calls"))
        turn: Message = {key: given[key] for key in ("name", "at", "metadata") if given.get(key) is not None}
        turn |= {"role": given.get("role", "user"), "content": words, "id": given.get("id") or os.urandom(8).hex()}
        if extra:
            turn["metadata"] = {**turn.get("metadata", {}), "message": extra}
        whose = self._whose
        records = self._observe([turn], user=whose.user, agent=whose.agent, session=whose.session, trust=trust)
        if not records:
            raise ValueError("the message has neither words nor tool calls, or was forgotten on purpose")
        return records[0]

    def reply(self, message: str | Mapping[str, Any]) -> Record:
        """Keep what the assistant answered: its text, or its message with tool calls."""
        return self.add({"role": "assistant", "content": message} if isinstance(message, str) else message)

    def turn(self, message: str | Mapping[str, Any]) -> list[Message]:
        """Keep what the user said, and return what to send to the model."""
        self.add(message)
        return self.messages()

    # -- what to send -------------------------------------------------------------------------------------------

    def messages(self) -> list[Message]:
        """
        Return what to send to the model now, at most `window_tokens`: a system message, then the last messages whole.

        Tool calls and their results stand together.  Only a message too long for the window by itself is cut.
        """
        room = self._window - self._used([_system(self._system)]) - self._share
        recent = self._recent(room)
        shown = [message for group in recent for _, _, message in group]
        if not shown:
            return [_system(self._system)] if self._system else []
        first = recent[0][0][0]
        self._sum_up(first)
        memories = self._memories(recent, shown, first) if self._share else ""
        text = "\n\n".join(filter(None, (self._system, memories)))
        taken = sum(self._size(record, message) for group in recent for _, record, message in group)
        return [*([_system(text)] if text else []), *(_fitted(shown, room, self._used) if taken > room else shown)]

    def tokens(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """Return how many tokens *messages* take, with four for the frame of each."""
        return self._used(messages)

    def _memories(self, recent: Sequence[Sequence[Turn]], shown: Sequence[Message], first: int) -> str:
        said = [_words(message) for message in shown if message["role"] == "user"] or [_words(shown[-1])]
        query = said[-1].strip() or "?"
        with self._memory._db.read() as connection:
            number = store.scope_number(connection, self._whose)
            lines = summaries.newest(connection, number, first, SHOWN)
        return self._memory._packed(
            query,
            budget_tokens=max(1, self._share - FRAME),
            earlier=[Line("summary", said.words, said.speaker, said.day, id=said.id or "") for said in lines],
            exclude=[record for group in recent for _, record, _ in group],
            user=self._whose.user,
            agent=self._whose.agent,
            session="",  # other conversations are remembered too
            count_tokens=self._given_count,
            template=self._template,
        ).text

    def _recent(self, room: int) -> list[list[Turn]]:
        """Return the last messages that take *room* tokens together, oldest first, in groups that belong together."""
        turns: list[Turn] = []
        groups: list[list[Turn]] = []
        limit = self._kept + PAGE  # a few more than it was last time
        while True:
            with self._memory._db.read() as connection:
                seen = scope.within(self._whose, now=self._memory._now(), active=True)
                rows = store.turns(connection, store.scope_number(connection, self._whose), seen, limit=limit)
            turns = [(position, record, _message(record)) for position, record in rows]
            groups = list(_groups(turns))
            whole = groups if len(rows) < limit else groups[1:]  # the first may have begun before this page
            kept = self._newest(whole, room)
            if len(kept) < len(whole) or len(rows) < limit:
                self._kept = sum(map(len, kept))
                return kept or whole[-1:]
            limit *= 4

    def _newest(self, groups: Sequence[list[Turn]], room: int) -> list[list[Turn]]:
        kept = 0
        for group in reversed(groups):
            room -= sum(self._size(record, message) for _, record, message in group)
            if room < 0:
                break
            kept += 1
        return list(groups[len(groups) - kept :])

    def _size(self, record: Record, message: Message) -> int:
        if record.id not in self._tokens:
            if len(self._tokens) > 4_096:
                self._tokens.clear()
            self._tokens[record.id] = self._used([message])
        return self._tokens[record.id]

    def _used(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """Return how many tokens *messages* take: their words, calls and names, and the frame of each."""
        return sum(FRAME + self._count(_words(each)) for each in messages if each)

    # -- what left the window -----------------------------------------------------------------------------------

    def _sum_up(self, first: int) -> None:
        """Put what stands before position *first* into few words, in stretches, as far as the window shows it."""
        with self._memory._db.read() as connection:
            number = store.scope_number(connection, self._whose)
            done = max(summaries.covered(connection, number), first - 1 - SHOWN * STRETCH)
        while first - 1 - done >= STRETCH:
            with self._memory._db.read() as connection:
                seen = scope.within(self._whose, now=self._memory._now(), active=True)
                rows = store.turns(connection, number, seen, after=done, before=first, limit=STRETCH)
                stated = claims.stated(connection, seen, [record.id for _, record in rows])
                stating = frozenset(each.uid for each in stated)
            done = max([done + STRETCH, *(position for position, _ in rows)])
            turns = [record for _, record in rows]
            if turns:
                lines = self._in_few_words(turns, stating)
                with self._memory._db.transaction() as connection:
                    if store.has_all(connection, [turn.id for turn in turns]):  # none was forgotten meanwhile
                        summaries.write(connection, number, rows[0][0], rows[-1][0], lines)

    def _in_few_words(self, turns: Sequence[Record], stating: frozenset[str]) -> list[Said]:
        if self._summarise is not None:
            try:
                text = self._summarise([_message(turn) for turn in turns])
                if isinstance(text, str) and text.strip():
                    return [Said(None, day(turns[0].occurred_at), "", plain(text))]
                warn("summarise returned no text; sentences are taken in its stead")
            except Exception as error:  # noqa: BLE001  a failing model must lose nothing
                warn("summarise failed (%s); sentences are taken in its stead", type(error).__name__)
        return summaries.extract(turns, stating)


Turn = tuple[int, Record, Message]  # position, record, message


def _groups(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    """Yield *turns* in groups: a message with tool calls and the results that follow it, or one message."""
    group: list[Turn] = []
    for turn in turns:
        if group and turn[2]["role"] == "tool":
            group.append(turn)
            continue
        if group:
            yield group
        group = [turn]
    if group:
        yield group


def _message(record: Record) -> Message:
    kept = record.metadata.get("message")
    message: Message = {"role": record.role, "content": record.text}
    if record.speaker:
        message["name"] = record.speaker
    return message | (kept if isinstance(kept, dict) else {})


def _words(message: Mapping[str, Any]) -> str:
    """Return all in *message* that takes tokens."""
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content) if content else ""
    calls = message.get("tool_calls")
    return " ".join(filter(None, [message.get("name"), text, json.dumps(calls) if calls else ""]))


def _called(calls: object) -> str:
    """Return tool calls as words, so that they can be found."""
    found = []
    for call in calls if isinstance(calls, list | tuple) else ():
        function = call.get("function", call) if isinstance(call, Mapping) else {}
        found.append(f"called {function.get('name')}({function.get('arguments', '')})")
    return "\n".join(found)


def _fitted(messages: list[Message], room: int, used: Callable[[Sequence[Mapping[str, Any]]], int]) -> list[Message]:
    """Return *messages*, of which the longest are cut if they take more than *room* tokens."""
    messages = [dict(message) for message in messages]
    while (over := used(messages) - room) > 0:
        longest = max(messages, key=lambda message: len(_words(message)))
        text = longest["content"] if isinstance(longest["content"], str) else ""
        whole = text.removesuffix(CUT)
        share = max(0.0, 1 - (over + FRAME) / max(1, used([longest])))
        if len(whole) < 16:
            raise ValueError(
                "the window is too small for the last message and its tool calls; make window_tokens larger"
            )
        longest["content"] = whole[: min(len(whole) - 8, int(len(whole) * share))] + CUT
    return messages


def _system(text: str) -> Message:
    return {"role": "system", "content": text} if text else {}
