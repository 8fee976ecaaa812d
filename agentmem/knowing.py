"""
`Knowing`: the verbs about facts: what is true now, what was true then, what is contested, and setting it right.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import claims, facts, ingest, scope
from .draft import draft
from .opened import Opened
from .records import Fact, Instant, Record, instant
from .scope import Scope

MAX_WORDS = 200  # characters of a subject, predicate or object


class Knowing(Opened):
    """What an open memory knows of people and things."""

    def facts(
        self,
        subject: str | None = None,
        predicate: str | Sequence[str] | None = None,
        *,
        as_of: Instant | None = None,
        believed_at: Instant | None = None,
        min_trust: float = 0.0,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> list[Fact]:
        """
        Return what is known of *subject*: by predicate, what holds now before what was.

        Args:
            subject: a name, or "my sister"; None is the user.
            predicate: only this one, or these: "lives in", "works at", "likes", "allergic to", "sister" …
            as_of: only what held then, by all that is known now.
            believed_at: what this memory would have said then, by what it had taken in.
            min_trust: only from what is trusted so far, 0..1.

        Facts follow from what users said, never from what an assistant or a tool did, and name their evidence.  What
        was only supposed, asked, joked or quoted is no fact.
        """
        wanted = [predicate] if isinstance(predicate, str) else None if predicate is None else list(predicate)
        whose = self._default.narrowed(user, agent, session)
        least = scope.check_share("min_trust", min_trust)
        _, name, known = self._claims(whose, subject, wanted)
        trusted = [claim for claim in known if claim.trust >= least]
        return facts.fold(
            trusted,
            name,
            as_of=None if as_of is None else instant(as_of),
            believed_at=None if believed_at is None else instant(believed_at),
        )

    def conflicts(
        self, subject: str | None = None, *, user: str | None = None, agent: str | None = None,
        session: str | None = None,
    ) -> list[Fact]:  # fmt: skip
        """Return what is contested of *subject*: one said so, another otherwise, and nothing says who is right."""
        known = self.facts(subject, user=user, agent=agent, session=session)
        disputed = {fact.predicate for fact in known if fact.status == "contested"}
        return [fact for fact in known if fact.predicate in disputed and fact.status in ("current", "contested")]

    def correct(
        self,
        predicate: str,
        object: str,
        *,
        subject: str | None = None,
        holds: bool = True,
        at: Instant | None = None,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Record:
        """
        Say what is so, by hand: it outranks what was inferred, and what others say later.

        Args:
            predicate, object: as `facts` shows them.
            subject: a name, or "my sister"; None is the user.
            holds: False says that it is not so.
            at: from when on; default is now.  What was taken for true before is "wrong", not "past".

        Returns:
            The record of it, of kind "correction", which can be forgotten like any other.
        """
        for name, value in (("predicate", predicate), ("object", object), ("subject", subject)):
            if not (isinstance(value, str) or (name == "subject" and value is None)):
                raise TypeError(f"{name} is a string, not {value!r:.80}")
            if value is not None and not 0 < len(value.strip()) <= MAX_WORDS:
                raise ValueError(f"{name} is text of up to {MAX_WORDS} characters, not {value!r:.80}")
        whose = self._default.narrowed(user, agent, session)
        keys, shown, _ = self._claims(whose, subject, [])
        claim = [keys[0], predicate.strip(), object.strip(), holds, False]
        text = f"{shown or 'The user'}: {'' if holds else 'not '}{predicate.strip()} {object.strip()}"
        now = self._now()
        made = draft(text, whose, now=now, kind=claims.CORRECTION, at=at, metadata={"claim": claim}, confidence=1.0)
        return ingest.write(self._db, self._encoder(), [made], now=now).records[0]

    def confirm(self, fact: Fact, *, user: str | None = None, agent: str | None = None) -> Record:
        """Say by hand that *fact* is so, since when it has been."""
        subject = None if fact.subject in ("", self._called(user, agent)) else fact.subject
        return self.correct(
            fact.predicate, fact.object, subject=subject, holds=fact.holds, at=fact.valid_from, user=user, agent=agent
        )

    # -- parts of the recipes -----------------------------------------------------------------------------------

    def _called(self, user: str | None, agent: str | None) -> str:
        return self._claims(self._default.narrowed(user, agent), None, [])[1]

    def _claims(
        self, whose: Scope, subject: str | None, predicates: Sequence[str] | None
    ) -> tuple[list[str], str, list[claims.Said]]:
        """Return the keys that mean *subject*, its name, and what is claimed of it."""
        seen = scope.within(whose, now=self._now())
        with self._db.read() as connection:
            naming = claims.said(connection, seen, None, claims.NAMING)
            own = [claims.key(whose.user)] if whose.user else claims.speakers(connection, seen)
            keys = facts.names_of(subject, own if len(own) == 1 else [], naming)
            known = claims.said(connection, seen, keys, predicates) if predicates != [] else []
        return keys, facts.name_of(subject, keys, naming, whose.user), known
