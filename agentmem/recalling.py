"""
`Recalling`: the verbs that find what is wanted, and make of it what an agent sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import blocks, grants, scope, store, templates
from .governing import Governing
from .opened import noted
from .passages import sentences, stems
from .records import Context, Hit, Instant, Line, Record, Strategy, instant
from .relating import Relating
from .scope import Scope, Seen
from .templates import Template

MAX_K = 1_000
SHORT = 4  # telling words below which a turn may need the question that it answers


class Recalling(Relating, Governing):
    """Finding records, and packing them."""

    @noted
    def recall(
        self,
        query: str,
        *,
        k: int = 10,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        kinds: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        as_of: Instant | None = None,
        min_score: float = 0.0,
        min_trust: float = 0.0,
        half_life_days: float = 90.0,
        purpose: str | None = None,
        strategy: Strategy | None = None,
        explain: bool = False,
    ) -> list[Hit]:
        """
        Find what fits *query* best, by words and by meaning.

        Args:
            query: a question, some words, a pasted page: any text that is not blank.
            k: at most this many, 1 to 1,000.
            kinds: only these kinds of record.
            where: a filter over metadata: {"field": value}, or with mem0's operators {"field": {"gte": 3}}:
                eq ne in nin gt gte lt lte contains icontains, combined by AND, OR, NOT.
            since, until: only what occurred, or speaks of a time, in since <= t < until: "yesterday", said on 8 May,
                speaks of 7 May.
            as_of: what held at that moment, revised since or not; default is what holds now.
            min_score: 0..1.  A score is the chance that the hit is what was sought, and falls where nothing fits:
                see "Knowing that it does not know" in the README for what a threshold lets through.
            min_trust: 0..1.
            half_life_days: of recency, which takes at most a twentieth off a sum; float("inf") for none.
            purpose: what it is for: "persuasion" is not shown what speaks of distress.  The policy says which purpose
                is not shown which topics.
            strategy: ranks in the place of ours: called with the query and the candidates, about 150 hits with `why`,
                it returns those that it wants, best first.
            explain: give each hit each signal's part in `why`, in log-odds: score = 1 / (1 + exp(-sum of parts)).

        Returns:
            Hits, best first, ties by age in the file.

        Raises:
            TypeError, ValueError: an argument is not what it should be.
            ModelError: the file's vectors were made with another encoder; `rebuild` makes them again.
        """
        from . import recall  # numpy, 0.1 s: only those who recall pay for it

        clean = recall.checked(query)
        if strategy is not None and not callable(strategy):
            raise TypeError(f"strategy is a function of the query and its hits, not {strategy!r:.80}")
        scope.check_count("k", k, 1, MAX_K)
        scope.check_share("min_score", min_score)
        now = self._now()
        seen = scope.visible(
            self._default.narrowed(user, agent, session), now=now, kinds=kinds, where=where, since=since,
            until=until, as_of=as_of, min_trust=min_trust, without=self._withheld(purpose, user),
        )  # fmt: skip
        half_life = scope.check_days("half_life_days", half_life_days)
        return self._recalling().hits(
            clean, self._encoder(), seen, now=now, half_life_days=half_life, k=k, min_score=min_score, explain=explain,
            strategy=strategy,
        )  # fmt: skip

    @noted
    def context(
        self,
        query: str,
        *,
        budget_tokens: int = 800,
        k: int = 20,
        template: str | Template = "text",
        count_tokens: Callable[[str], int] | None = None,
        exclude: Iterable[str | Record] = (),
        recent: int = 0,
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        kinds: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        as_of: Instant | None = None,
        min_score: float = 0.0,
        min_trust: float | None = None,
        purpose: str | None = None,
        strategy: Strategy | None = None,
    ) -> Context:
        """
        Recall, and put what was found into a block of text for a prompt.

        Core blocks stand first, then facts, then sentences of records; what is trusted below 0.5 stands apart, marked
        as such, where *min_trust* lets it in.  A larger budget keeps everything that a smaller one had.

        Args:
            budget_tokens: the text takes at most this many tokens.
            k: of so many records sentences are taken.
            template: "text", "markdown", "xml", "json", or a function of `Line`s that returns the text.
            count_tokens: returns how many tokens a text takes in the prompt's model; default is the encoder's
                tokenizer.
            exclude: records, or ids of records, that the prompt holds already.
            recent: so many of the last turns of *session* stand in it, whole.
            min_trust: 0..1; by default what the policy says, 0.5: what is trusted less comes into a prompt only where
                it is asked for.
            The others are those of `recall`.

        Returns:
            A Context; str() of it is the text, empty where nothing was found or fits.
        """
        return self._packed(
            query, budget_tokens=budget_tokens, k=k, template=template, count_tokens=count_tokens, exclude=exclude,
            recent=recent, user=user, agent=agent, session=session, kinds=kinds, where=where, since=since, until=until,
            as_of=as_of, min_score=min_score, min_trust=min_trust, purpose=purpose, strategy=strategy,
        )  # fmt: skip

    # -- parts of the recipes -----------------------------------------------------------------------------------

    def _packed(
        self,
        query: str,
        *,
        budget_tokens: int,
        k: int = 20,
        template: str | Template = "text",
        count_tokens: Callable[[str], int] | None = None,
        exclude: Iterable[str | Record] = (),
        recent: int = 0,
        earlier: Sequence[Line] = (),
        user: str | None = None,
        agent: str | None = None,
        session: str | None = None,
        as_of: Instant | None = None,
        min_trust: float | None = None,
        purpose: str | None = None,
        **narrow: Any,
    ) -> Context:
        """Return what `context` does, with *earlier*: a conversation's summaries."""
        from . import pack

        scope.check_count("budget_tokens", budget_tokens, 1)
        scope.check_count("k", k, 1, MAX_K)
        scope.check_count("recent", recent, 0, MAX_K)
        shape = templates.template(template)
        if count_tokens is not None and not callable(count_tokens):
            raise TypeError(f"count_tokens is a function of a text, not {count_tokens!r:.80}")
        whose = self._default.narrowed(user, agent, session)
        least = self._trusted(user) if min_trust is None else min_trust
        withheld = self._withheld(purpose, user)
        seen = scope.visible(whose, now=self._now(), min_trust=least, without=withheld)
        last = self._last_turns(seen, recent)
        known = {*_ids(exclude), *(record.id for record in last)}
        hits = self.recall(
            query, k=min(k + len(known), MAX_K), user=user, agent=agent, session=session, as_of=as_of,
            min_trust=least, purpose=purpose, **narrow,
        )  # fmt: skip
        hits = [hit for hit in hits if hit.id not in known][:k]
        filtered = bool(withheld) or any(narrow.get(name) is not None for name in ("kinds", "where", "since", "until"))
        with self._db.read() as connection:
            held = list(blocks.in_view(connection, whose).values())
        return pack.pack(
            hits, query=query, blocks=held, budget_tokens=budget_tokens, template=shape, recent=last, earlier=earlier,
            reader=whose.user, count_tokens=count_tokens or self._counter(), asked=self._asked_before(hits, seen),
            **({} if filtered else self._known_behind(query, hits, whose, known, as_of=as_of, min_trust=least)),
        )  # fmt: skip

    def _known_behind(
        self, query: str, hits: Sequence[Hit], whose: Scope, known: set[str], *, as_of: Instant | None,
        min_trust: float,
    ) -> dict[str, Any]:  # fmt: skip
        """Return what `pack` takes of facts; what a filter keeps out may not come in as a fact, nor what is *known*."""
        held = None if as_of is None else instant(as_of)
        behind, past = self._facts_behind(query, hits, whose, as_of=held, min_trust=min_trust)
        related = self._minded(query, whose, as_of=held, min_trust=min_trust)
        news = replace(
            behind,
            facts=[fact for fact in behind.facts if not known.issuperset(fact.evidence)],
            related=[each for each in related if not known.issuperset(each.path[-1].evidence)],
        )
        return {"known": news, "past": past}

    def _counter(self) -> Callable[[str], int]:
        from . import pack

        count = self._encoder().count_tokens
        return count if self._given_encoder else pack.by_line(count)

    def _last_turns(self, seen: Seen, count: int) -> list[Record]:
        """Return the last *count* turns of the conversation, oldest first."""
        if not count:
            return []
        if not seen.scope.session:
            raise ValueError("recent turns are those of a session: name it with session=…")
        with self._db.read() as connection:
            rows = store.turns(connection, store.scope_number(connection, seen.scope), seen, limit=count)
        return [record for _, record in rows]

    def _asked_before(self, hits: Sequence[Hit], seen: Seen) -> dict[str, str]:
        """Return the question before each of *hits* that says little without it ("Yes, last summer!"), by its id."""
        short = [hit.id for hit in hits if hit.record.session and len(stems(hit.text)) < SHORT]
        if not short:
            return {}
        now = self._now()
        with self._db.read() as connection:
            seen = grants.with_granted(connection, seen, now=now)
            before = store.before(connection, short, seen)
        questions = {}
        for id, text in before.items():
            begin, end = (sentences(text) or [(0, 0)])[-1]
            if text[begin:end].endswith(("?", "？", "؟")):
                questions[id] = text[begin:end]
        return questions


def _ids(given: Iterable[str | Record]) -> Iterable[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"exclude is a list of records or their ids, not {given!r:.80}")
    for each in given:
        if not isinstance(each, str | Record):
            raise TypeError(f"exclude is a list of records or their ids, and this is none: {each!r:.80}")
        yield each if isinstance(each, str) else each.id
