"""
`Relating`: the verbs about entities: who and what records speak of, and what leads from one to another.

The graph is not stored: its edges are the facts that hold now, read where they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import claims, facts, scope
from .knowing import Knowing
from .opened import noted
from .predicates import RELATIONS
from .records import Entity, Fact, Record, Related
from .scope import Scope

MAX_HOPS = 4
WIDEST = 40  # entities that one hop goes on from
MOST_FACTS = 60  # of one entity that a hop looks at
KINDS = {"lives in": "place", "comes from": "place", "favourite place": "place", "works at": "organisation",
         "studies at": "organisation", "pet": "animal"}  # fmt: skip


class Relating(Knowing):
    """What leads from one to another."""

    @noted
    def entity(
        self, name: str | None = None, *, user: str | None = None, agent: str | None = None,
        session: str | None = None,
    ) -> Entity:  # fmt: skip
        """
        Return who or what *name* is: other names, what is known, and which records say so.

        Args:
            name: a name, or "my sister"; None is the user.
        """
        whose = self._default.narrowed(user, agent, session)
        keys, shown, known = self._claims(whose, name, None)
        with self._reading(whose) as (connection, seen):
            named = claims.with_object(connection, seen, keys)
        said = sorted([*known, *named], key=lambda claim: (claim.at, claim.position, claim.uid))
        return Entity(
            name=shown,
            kind=_kind([claim.predicate for claim in named if claim.holds], stated=bool(known)),
            aliases=tuple(sorted(facts.shown(key, whose.user) for key in keys if key not in ("", claims.key(shown)))),
            facts=tuple(facts.fold(known, shown)),
            mentions=tuple(dict.fromkeys(claim.uid for claim in said)),
        )

    @noted
    def neighbours(
        self, name: str | None = None, *, hops: int = 2, predicates: Sequence[str] | None = None,
        user: str | None = None, agent: str | None = None, session: str | None = None,
    ) -> list[Related]:  # fmt: skip
        """
        Return what the facts that hold now lead to from *name*, the nearest first; each once, by the shortest path.

        Args:
            name: a name, or "my sister"; None is the user.
            hops: 1 to 4.
            predicates: only along these.

        A hop goes on from at most 40 entities, and looks at the 60 newest facts of each.
        """
        scope.check_count("hops", hops, 1, MAX_HOPS)
        whose = self._default.narrowed(user, agent, session)
        keys, shown, _ = self._claims(whose, name, [])
        seen = set(keys)
        found: list[Related] = []
        edge: list[tuple[str, list[str], tuple[Fact, ...]]] = [(shown, keys, ())]
        for _ in range(hops):
            next_edge: list[tuple[str, list[str], tuple[Fact, ...]]] = []
            for _, from_keys, path in edge[:WIDEST]:
                for other, fact in self._leading(whose, from_keys, predicates):
                    other_keys, called, _ = self._claims(whose, None, [], key=other)
                    if seen.isdisjoint(other_keys):
                        seen.update(other_keys)
                        named = fact.object if claims.key(fact.object) == other else called
                        next_edge.append((named, other_keys, (*path, fact)))
            found += [Related(called, path) for called, _, path in next_edge]
            edge = next_edge
        return found

    def merge_entities(self, name: str, other: str, *, user: str | None = None, agent: str | None = None) -> Record:
        """Say by hand that *name* and *other* are one.  Forget the record that is returned to undo it."""
        return self.correct("called", other, subject=name, user=user, agent=agent)

    def split_entities(self, name: str, other: str, *, user: str | None = None, agent: str | None = None) -> Record:
        """Say by hand that *name* and *other* are two.  Forget the record that is returned to undo it."""
        return self.correct("called", other, subject=name, holds=False, user=user, agent=agent)

    # -- parts of the recipes -----------------------------------------------------------------------------------

    def _leading(
        self, whose: Scope, keys: Sequence[str], predicates: Sequence[str] | None
    ) -> Iterator[tuple[str, Fact]]:
        """Yield the keys of what facts about *keys*, or with them for an object, lead to, and the fact."""
        with self._reading(whose) as (connection, seen):
            about = claims.said(connection, seen, keys, predicates)
            named = claims.with_object(connection, seen, keys)
        about = sorted(about, key=lambda claim: -claim.at)[:MOST_FACTS]
        for fact in facts.fold(about, self._name_of(whose, keys[0])):
            if fact.status == "current" and fact.holds:
                yield self._leads_to(whose, keys[0], fact), fact
        for subject in list(dict.fromkeys(claim.subject for claim in named if claim.holds))[:MOST_FACTS]:
            with self._reading(whose) as (connection, seen):
                known = claims.said(connection, seen, [subject], predicates)
            for fact in facts.fold(known, self._name_of(whose, subject)):
                if fact.status == "current" and fact.holds and claims.key(fact.object) in keys:
                    yield subject, fact

    def _leads_to(self, whose: Scope, subject: str, fact: Fact) -> str:
        """Return the key of a fact's object; of a relation whose name others have too, of the one who is meant."""
        name = claims.key(fact.object)
        if fact.predicate not in RELATIONS:
            return name
        role = f"'s {fact.predicate} {name}"
        same = self._claims(whose, None, [], key=name)[0]
        return name if any(key.endswith(role) for key in same) else f"{subject}{role}"

    def _name_of(self, whose: Scope, key: str) -> str:
        return self._claims(whose, None, [], key=key)[1]


def _kind(predicates: Sequence[str], *, stated: bool) -> str:
    """Return what something is, by what it is the object of; of whom something is stated is a person."""
    for predicate in predicates:
        if predicate in RELATIONS or predicate == "called":
            return "person"
        if predicate in KINDS:
            return KINDS[predicate]
    return "person" if stated else "thing"
