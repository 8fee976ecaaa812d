"""
`Knowing`: the verbs about facts: what is true now, what was true then, what is contested, and setting it right.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial

from . import claims, facts, ingest, scope
from .draft import draft
from .opened import Opened, noted
from .predicates import GUIDING, OWN, RELATIONS
from .records import EPOCH, Fact, Hit, Instant, Record, Related, instant
from .scope import Scope
from .stated import Known

NAMED = 5  # who have to do with what a query names
MOST_NAMED = 200  # claims about what a query names that are looked at
MINDED = 5  # facts of one of them, the newest
MAX_WORDS = 200  # characters of a subject, predicate or object


class Knowing(Opened):
    """What an open memory knows of people and things."""

    @noted
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
        wanted = _predicates(predicate)
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
        return [fact for fact in known if fact.predicate in disputed and fact.live]

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
            at: from when on, not in the future; default is now.  What was taken for true before is "wrong", not "past".

        Returns:
            The record of it, of kind "correction", which can be forgotten like any other.
        """
        for name, value in (("predicate", predicate), ("object", object), ("subject", subject)):
            if not (isinstance(value, str) or (name == "subject" and value is None)):
                raise TypeError(f"{name} is a string, not {value!r:.80}")
            if value is not None and not 0 < len(value.strip()) <= MAX_WORDS:
                raise ValueError(f"{name} is text of up to {MAX_WORDS} characters, not {value!r:.80}")
        if not isinstance(holds, bool):
            raise TypeError(f"holds is True or False, not {holds!r:.80}")
        now = self._now()
        if at is not None and instant(at) > now:
            raise ValueError(f"a correction holds from now on or earlier, and {at!r:.80} is to come")
        whose = self._default.narrowed(user, agent, session)
        keys, shown, _ = self._claims(whose, subject, [])
        # "my sister" of whom the name is known is the one with the name, not whoever is a sister one day.
        named = next((key for key in keys if any(key.startswith(f"{role} ") for role in keys)), keys[0])
        claim = [named, " ".join(predicate.split()), object.strip(), holds, False]
        text = f"{shown or 'The user'}: {'' if holds else 'not '}{predicate.strip()} {object.strip()}"
        made = draft(
            text, whose, now=now, kind=claims.CORRECTION, at=at, key=os.urandom(8).hex(), metadata={"claim": claim}
        )  # the key: said by hand again, it counts again
        return ingest.write_one(self._db, self._reader(), made, now=now, terms=ingest.Terms(verb="correct"))

    def confirm(self, fact: Fact, *, user: str | None = None, agent: str | None = None) -> Record:
        """
        Say by hand that *fact* is so, since when it has been.

        Raises:
            ValueError: it is over, or was corrected; `correct` says what is so in its place.
        """
        if not isinstance(fact, Fact):
            raise TypeError(f"fact is a Fact as `facts` returns them, not {fact!r:.80}")
        if not fact.live:
            raise ValueError(f"{fact} is {fact.status}; say with correct() what is so")
        subject = None if fact.subject in ("", self._called(user, agent)) else fact.subject
        return self.correct(
            fact.predicate, fact.object, subject=subject, holds=fact.holds, at=fact.valid_from, user=user, agent=agent
        )

    # -- parts of the recipes -----------------------------------------------------------------------------------

    def _called(self, user: str | None, agent: str | None) -> str:
        return self._claims(self._default.narrowed(user, agent), None, [])[1]

    def _facts_behind(
        self, query: str, hits: Sequence[Hit], whose: Scope, *, as_of: int | None, min_trust: float
    ) -> tuple[Known, dict[str, str]]:
        """
        Return the facts that *query* asks for of the user, then those that *hits* speak of, as all records have them,
        in the hits' order; and what is past in a hit, by its id.
        """
        with self._reading(whose) as (connection, seen):
            stated = claims.stated(connection, seen, [hit.record.id for hit in hits])
        mine, called, _ = self._claims(whose, None, [])
        found, asked = self._asked_for(query, whose, mine, called, as_of=as_of, min_trust=min_trust)
        spoken: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for subject in dict.fromkeys(claim.subject for claim in stated):
            predicates = [*dict.fromkeys(claim.predicate for claim in stated if claim.subject == subject)]
            keys, name = (mine, called) if subject in mine else self._claims(whose, None, [], key=subject)[:2]
            about = self._lately(whose, keys, name, predicates, as_of=as_of, min_trust=min_trust)
            for predicate in predicates:  # of two names of one person the first counts
                found.setdefault((min(keys), predicate), [fact for fact in about if fact.predicate == predicate])
            for claim in stated:
                if claim.subject == subject:
                    spoken.setdefault((name, claim.predicate), []).append((claim.uid, claim.key))
        every = [fact for about in found.values() for fact in about]
        past = facts.past_in({hit.record.id: hit.record.text for hit in hits}, stated, every)
        return Known(every, asked, spoken), past

    def _asked_for(
        self, query: str, whose: Scope, keys: Sequence[str], name: str, *, as_of: int | None, min_trust: float
    ) -> tuple[dict[tuple[str, str], list[Fact]], dict[tuple[str, str], float]]:
        """
        Return what is known of the user, whom *keys* mean and facts call *name*, by the predicates that *query* is
        nearest to, by subject and predicate; and how much it asks for each, 0..1.
        """
        with self._reading(whose) as (connection, seen):
            known = claims.predicates_of(connection, seen, keys)
        from . import asking  # numpy, which recall has loaded already

        nearest = asking.nearest(self._recalling().vector(query, self._encoder()), known, self._encoder())
        about = self._lately(whose, keys, name, nearest, as_of=as_of, min_trust=min_trust)
        found = {(min(keys), each): [fact for fact in about if fact.predicate == each] for each in nearest}
        return found, {(name, predicate): sure for predicate, sure in nearest.items()}

    def _lately(
        self, whose: Scope, keys: Sequence[str], name: str, predicates: Iterable[str], *, as_of: int | None,
        min_trust: float,
    ) -> list[Fact]:  # fmt: skip
        """Return what the last claims say of him whom *keys* mean and facts call *name*."""
        with self._reading(whose) as (connection, seen):
            known = claims.lately(connection, seen, keys, predicates)
        return facts.fold([claim for claim in known if claim.trust >= min_trust], name, as_of=as_of)

    def _minded(self, query: str, whose: Scope, *, as_of: int | None, min_trust: float) -> list[Related]:
        """
        Return what is to be minded of those who have to do with what *query* names, each with the fact that says so.

        "Which language for Project X?" leads to who works on it, and to the language that he prefers.
        """
        names = claims.names_in(query)
        with self._reading(whose) as (connection, seen):
            named = claims.with_object(connection, seen, names)
        found: list[Related] = []
        ways: dict[str, dict[str, None]] = {}
        for claim in named[:MOST_NAMED]:
            # Whose cousin somebody is does not make him mind what she does.
            if claim.holds and not claim.hint and claim.predicate not in OWN | RELATIONS:
                ways.setdefault(claim.subject, {})[claim.predicate] = None
        for subject, predicates in list(ways.items())[:NAMED]:
            keys, name, _ = self._claims(whose, None, [], key=subject)
            about = self._lately(whose, keys, name, {*GUIDING, *predicates}, as_of=as_of, min_trust=min_trust)
            live = [fact for fact in about if fact.live and fact.holds]
            way = next((fact for fact in live if claims.key(fact.object) in names), None)
            minded = [fact for fact in live if fact.predicate in GUIDING and claims.key(fact.object) not in names]
            minded.sort(key=lambda fact: fact.valid_from or EPOCH, reverse=True)
            found += [Related(fact.object, (way, fact)) for fact in minded[:MINDED] if way]
        return found

    def _claims(
        self, whose: Scope, subject: str | None, predicates: Sequence[str] | None, *, key: str | None = None
    ) -> tuple[list[str], str, list[claims.Said]]:
        """Return the keys that mean *subject*, or whom *key* does, its name, and what is claimed of it."""
        if subject is not None and not isinstance(subject, str):
            raise TypeError(f"whom it is of is a name, not {subject!r:.80}")
        if subject is not None and not subject.strip():
            raise ValueError("whom it is of is a name, and this is blank; leave it out for the user")
        with self._reading(whose) as (connection, seen):
            own = [claims.key(whose.user)] if whose.user else claims.speakers(connection, seen)
            user = own if len(own) == 1 else []
            me = [claims.SELF, *user]
            asked = [key] if key is not None else me if subject is None else [*map(partial(claims.key_of, subject), me)]
            naming = claims.naming(connection, seen, asked)
            keys = facts.names_of(subject, user, naming)
            if key is not None and key not in keys:  # not the user
                subject = facts.shown(key, whose.user)
                keys = facts.names_of(key, user, naming)
            known = claims.said(connection, seen, keys, predicates) if predicates != [] else []
        return keys, facts.name_of(subject, keys, naming, whose.user), known


def _predicates(given: str | Sequence[str] | None) -> list[str] | None:
    named = [given] if isinstance(given, str) else given
    if named is None:
        return None
    if not isinstance(named, list | tuple | set | frozenset) or not all(isinstance(each, str) for each in named):
        raise TypeError(f"predicate is one, or a list of them, not {given!r:.80}")
    return [" ".join(each.split()) for each in named]
