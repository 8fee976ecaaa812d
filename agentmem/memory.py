"""
`Memory`: the verbs, each a short recipe over the modules below.

    remember, observe:  draft → encoder → store, search
    recall, context:    encoder → recall → store → pack
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import erase, grants, ingest, kinds, scope, store
from .calling import Calling
from .conversation import Conversation
from .copying import Copying
from .granting import Granting
from .keeping import Keeping
from .loading import Loading
from .opened import noted
from .recalling import Recalling
from .records import Erasure, Instant, Record
from .scope import Scope
from .templates import Template

Records = list[Record]  # in the class below, `list` is a verb


class Memory(Recalling, Loading, Calling, Granting, Keeping, Copying):
    """
    One memory in one SQLite file; safe to share between threads.

    Args:
        path: the file; made if it does not exist.  ":memory:" is a memory that ends with the object.
        user, agent, session: the scope of every verb that does not name its own.  A read sees exactly the user's
            records (the default user is ""), narrowed to the agent and session where these are named, and what others
            have granted to him.  A write touches his own alone.
        durability: "normal" keeps the file sound through a power cut, which may take the last commits;
            "full" keeps those too and waits for the disk on every write.
        encoder: what makes vectors of texts; default is the shipped MiniLM.
        index: "memory" keeps about 100 bytes of each record in memory, from the first recall on; "sql" keeps nothing,
            for small machines, and ranks the same, slower.
        audit_reads: note in the audit trail what each read showed; writes are noted always.
        screen: finds secrets beside those that the policy names: a function from a text to (start, end, name) of each,
            such as Presidio's.  They are redacted, or the record is refused, as the policy says.
        now: returns the present instant; default is the clock.  Give another to test what time does.

    Raises:
        OpenError: the file cannot be opened, and why.

    What is written keeps to the policy of its user: see `policy`.
    Every verb is one transaction (`remember_many`, `observe` and `load`: one per 256 records): where it raises,
    nothing of it is kept.
    """

    # -- writing ------------------------------------------------------------------------------------------------

    def remember(
        self,
        text: str | None = None,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        speaker: str | None = None,
        role: str = "user",
        kind: str = "note",
        at: Instant | None = None,
        importance: float = 0.5,
        confidence: float = 1.0,
        expires_at: Instant | None = None,
        source: str | None = None,
        trust: float = 1.0,
        metadata: Mapping[str, object] | None = None,
    ) -> Record:
        """
        Keep one statement.

        Said again with the same words, speaker, source, scope and time, it adds nothing and returns what is here.

        Args:
            text: 1 to 200,000 characters; of a kind that `define` made it may be left out, and says the fields.
            speaker: who said it, by name; it is searched together with the words.
            role: user, assistant, system or tool.
            kind: "note", or a word of your own to filter by.
            at: when it was said or happened; default is now.
            importance, confidence, trust: 0..1, as the calling code sees them.
            expires_at: from then on no read shows it.
            source: where it came from: a tool, a file, an address.
            metadata: your own fields, plain JSON values; of a kind that `define` made, as it has them.

        Raises:
            TypeError, ValueError: an argument or field is not what it should be; the message names it.
            PolicyError: the policy refuses it, or puts it aside until a person accepts it.
            StorageError: the disk is full, or the file is locked or damaged.
        """
        now = self._now()
        made = kinds.drafted(
            self._kinds(), text, self._default.narrowed(user, agent, session), now=now, kind=kind, role=role,
            speaker=speaker, at=at, importance=importance, confidence=confidence, trust=trust, expires_at=expires_at,
            source=source, metadata=metadata,
        )  # fmt: skip
        return ingest.write_one(self._db, self._reader(), made, now=now)

    def remember_many(
        self,
        items: Iterable[str | Mapping[str, Any]],
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Records:
        """
        Keep many statements, encoded side by side.

        Args:
            items: texts, or mappings with `remember`'s arguments; any iterable, read 256 at a time, one batch ahead of
                what is stored.
            progress: called with how many are done.

        Returns:
            One record per item, in order; for a repeated one the record that is here already, and none for one that
            the policy keeps out, which `stats` counts.

        Raises:
            TypeError, ValueError: an item is not what it should be; the message gives its index.  The batches of
            256 before it are kept, and repeating the call adds only what is missing.
        """
        own = self._default.narrowed(user, agent, session)
        drafts = ingest.items(items, own, self._kinds(), now=self._now())
        records: Records = []
        for written in ingest.write_all(self._db, self._reader(), drafts, now=self._now):
            records += written.records
            if progress is not None:
                progress(len(records))
        return records

    def observe(
        self,
        messages: Iterable[Mapping[str, Any]],
        *,
        session: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        source: str | None = None,
        trust: float = 1.0,
        metadata: Mapping[str, object] | None = None,
    ) -> Records:
        """
        Keep the turns of a conversation, in order.

        Args:
            messages: chat mappings {role, content, name?, at?, id?, metadata?}.  Content is text or a list of parts;
                a message without words (a bare tool call) is passed over.  "at" is when it was said, by default now;
                None says that it is not known.
            session: names the conversation.  Its turns lend each other context.
            metadata: added to every turn's own.

        Returns:
            One record per message with words.  A message that is here already, by the same speaker in the same
            session with the same words and the same "at" or "id", is not added again: a chat history can be
            handed over whole each time.  Without "at" and "id", the same words within a session count as one.
            What was forgotten does not come back this way.  What the policy keeps out is counted by `stats`.

        Raises:
            TypeError, ValueError: a message is not what it should be; the message gives its index.
        """
        own = self._default.narrowed(user, agent, session)
        drafts = ingest.turns(messages, own, metadata, now=self._now(), source=source, trust=trust)
        records: Records = []
        for written in ingest.write_all(self._db, self._reader(), drafts, now=self._now, restore=False, verb="observe"):
            records += written.records
        return records

    def revise(
        self,
        id: str,
        text: str | None = None,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        at: Instant | None = None,
        role: str | None = None,
        confidence: float | None = None,
        source: str | None = None,
        trust: float | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> Record:
        """
        Put a new version in the place of the record *id*, which stays as history until it is forgotten.

        Args:
            text: what holds now; of a kind that `define` made it may be left out, and says the fields.
            at: from when on, not in the future; default is now.
            role, confidence, source, trust, metadata: of the new version; default is the old one's.

        Raises:
            NotFoundError: there is no such record for this user.
            ValueError: it was revised already, or its key is that of another record; the message names that one.
            PolicyError: the policy keeps the new version out.
        """
        now = self._now()
        own = scope.within(self._default.narrowed(user, agent, session), now=now)
        with self._db.read() as connection:
            old = store.current(connection, id, own)
        whose = Scope(old.user, old.agent or "", old.session or "")
        made = kinds.drafted(
            self._kinds(), text, whose, now=now, kind=old.kind, speaker=old.speaker, at=at,
            importance=old.importance, expires_at=old.expires_at, role=old.role if role is None else role,
            confidence=old.confidence if confidence is None else confidence,
            source=old.source if source is None else source, trust=old.trust if trust is None else trust,
            metadata=old.metadata if metadata is None else metadata,
        )  # fmt: skip
        return ingest.replace(self._db, self._reader(), old, made, own, now=now)

    def forget(
        self,
        id: str | None = None,
        *,
        where: Mapping[str, object] | None = None,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Erasure:
        """
        Erase records for good, with their earlier and later versions and their index entries, down to the bytes.

        Args:
            id: one record; or else at least one of the following, which must all hold:
            where: a filter over metadata, as for `list`: it takes what holds now, with its earlier versions.
            user, agent, session: everything of these; without `where`, their core blocks too.

        Raises:
            NotFoundError: there is no record *id* for this user.
            ValueError: nothing says what to forget, or what says so is empty.
        """
        whose = self._default.narrowed(user, agent, session)
        if where is not None and id is None and user is None and not (agent or session):
            with self._db.read() as connection:
                # An unset variable in a filter must not erase everything.
                if store.fits_nothing_in_particular(connection, where):
                    raise ValueError(
                        "the filter fits records without any of its fields; forget with user=… to mean that"
                    )
        elif not (id is not None or user is not None or agent or session):
            raise ValueError(
                "forget takes an id, where=…, user=…, agent=… or session=…; alone it would erase everything"
            )
        wanted = scope.within(whose, where=where, active=where is not None)
        whole = id is None and where is None
        return erase.forget(self._db, id, wanted, scope.within(whose), by=whose, whole=whole, now=self._now())

    def conversation(
        self,
        session: str | None = None,
        *,
        window_tokens: int = 8_192,
        memory_tokens: int | None = None,
        system: str = "",
        user: str | None = None,
        agent: str | None = None,
        count_tokens: Callable[[str], int] | None = None,
        summarise: Callable[[list[dict[str, Any]]], str] | None = None,
        template: str | Template = "text",
    ) -> Conversation:
        """
        Return a conversation in a window of fixed size, new or going on: see `Conversation`.

        Args:
            session: names it.
            window_tokens: what `messages` returns takes at most so many, 256 or more.
            memory_tokens: so many of them, at most, are for what is remembered; default is a quarter.
            system: your own instructions, which stand first.
            count_tokens, template: as for `context`.
            summarise: puts messages into few words, say by a model; default is taking their most telling sentences.
        """
        return Conversation(
            self, self.observe, self._default.narrowed(user, agent, session), window_tokens=window_tokens,
            memory_tokens=memory_tokens, system=system, count_tokens=count_tokens, summarise=summarise,
            template=template,
        )  # fmt: skip

    # -- reading ------------------------------------------------------------------------------------------------

    @noted
    def get(self, id: str, *, user: str | None = None, agent: str | None = None, session: str | None = None) -> Record:
        """Return the record *id*, superseded or not; NotFoundError where this user has none such, or it expired."""
        with self._reading(self._default.narrowed(user, agent, session)) as (connection, seen):
            return store.find(connection, id, seen)[1]

    @noted
    def list(
        self,
        *,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        kinds: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        as_of: Instant | None = None,
        min_trust: float = 0.0,
        shared: bool = True,
        limit: int = 100,
        offset: int = 0,
    ) -> Records:
        """
        Return records, newest first; the arguments are those of `recall`.

        Args:
            shared: False leaves out what others granted, as whoever is about to change what he finds wants it.
        """
        if not isinstance(shared, bool):
            raise TypeError(f"shared is True or False, not {shared!r:.80}")
        scope.check_count("limit", limit, 0)
        scope.check_count("offset", offset, 0)
        now = self._now()
        seen = scope.visible(
            self._default.narrowed(user, agent, session), now=now, kinds=kinds, where=where, since=since, until=until,
            as_of=as_of, min_trust=min_trust,
        )  # fmt: skip
        with self._db.read() as connection:
            seen = grants.with_granted(connection, seen, now=now) if shared else seen
            return store.select(connection, seen, limit=limit, offset=offset)

    @noted
    def history(
        self, id: str, *, user: str | None = None, agent: str | None = None, session: str | None = None
    ) -> Records:
        """Return every version of the record *id*, from any one of them, oldest first."""
        with self._reading(self._default.narrowed(user, agent, session)) as (connection, seen):
            store.find(connection, id, seen)
            return store.versions(connection, [id], seen)
