"""
`Loading`: the verb that takes in what other programs kept: conversations, and the memories of other stores.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from . import ingest, kinds, scope, store
from .defining import Defining
from .draft import Draft
from .errors import PolicyError
from .records import ImportReport, Record
from .scope import Scope

STORES = ("mem0", "letta", "langgraph", "mcp-memory")  # formats that `foreign` reads


class Loading(Defining):
    """What an open memory takes over from elsewhere."""

    def load(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        trust: float = 1.0,
        progress: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """
        Take in a file: ChatGPT's or Claude's export, chat JSON or JSONL, WhatsApp's text export, Markdown or text;
        or what another memory kept: mem0's store, a Letta agent file, LangGraph's SqliteStore, MCP's memory.jsonl.

        A second run adds nothing, and a run that was interrupted is finished by the next.  What was forgotten does
        not come back.

        Args:
            format: "chatgpt", "claude", "chat", "whatsapp" or "text"; by default told from the content.  Of another
                memory "mem0" (the folder of its Qdrant), "letta", "langgraph" or "mcp-memory", which must be said.
            user, agent: whose it is, where the store does not say.
            progress: called with how many messages are done.

        Raises:
            ImportFormatError: the file is damaged or of an unknown shape; the message names the place.  What came
            before that place is kept.
        """
        if format in STORES:
            return self._adopt(Path(path), str(format), self._default.narrowed(user, agent), trust, progress)
        from . import transfer  # only those who import files need their formats

        skipped: Counter[str] = Counter()
        conversations = done = added = 0
        kept_out: Counter[tuple[str, str]] = Counter()
        for conversation in transfer.read(path, format=format, skipped=skipped):
            conversations += 1
            own = self._default.narrowed(user, agent, conversation.session or "")
            extra = {"title": conversation.title} if conversation.title else None
            drafts = ingest.turns(
                map(ingest.under_heading, conversation.messages), own, extra, now=self._now(),
                source=conversation.source, trust=trust, kind=conversation.kind,
            )  # fmt: skip
            for written in self._imported(drafts):
                added += written.added
                done += written.given
                kept_out += written.kept_out
                if progress is not None:
                    progress(done)
        return _report(conversations, added, done, skipped, kept_out)

    # -- parts of the recipe ------------------------------------------------------------------------------------

    def _imported(self, drafts: Iterable[Draft]) -> Iterator[ingest.Written]:
        return ingest.write_all(self._db, self._reader(), drafts, now=self._now, restore=False, verb="import")

    def _adopt(
        self, path: Path, format: str, own: Scope, trust: float, progress: Callable[[int], None] | None
    ) -> ImportReport:
        """Take in another memory: first what each was at first, many at a time, then what became of the changed."""
        from . import foreign

        skipped: Counter[str] = Counter()
        known = self._kinds()
        changed: list[list[Draft]] = []
        whose: set[Scope] = set()

        def firsts() -> Iterator[Draft]:
            for kept in foreign.read(path, format, skipped):
                scope_of = own.narrowed(**kept.whose)
                try:
                    versions = [
                        kinds.drafted(known, scope=scope_of, now=self._now(), trust=trust, **each)
                        for each in kept.versions
                    ]
                except (TypeError, ValueError) as error:
                    skipped[str(error)] += 1
                    continue
                whose.add(scope_of)
                if len(versions) > 1:
                    changed.append(versions)
                yield versions[0]

        done = added = 0
        kept_out: Counter[tuple[str, str]] = Counter()
        for written in self._imported(firsts()):
            added += written.added
            done += written.given
            kept_out += written.kept_out
            if progress is not None:
                progress(done)
        for versions in changed:
            self._follow(versions)
        return _report(len(whose), added, done, skipped, kept_out)

    def _follow(self, versions: list[Draft]) -> Record | None:
        """Revise the record of the first of *versions* into the others; None where it was forgotten."""
        versions = ingest.clean(self._db, self._reader(), versions)
        first = ingest.write(
            self._db, self._reader(), versions[:1], now=self._now(), terms=ingest.Terms(False, verb="import")
        )
        if not first.records:
            return None
        own = scope.within(versions[0].scope, now=self._now())
        with self._db.read() as connection:
            chain = store.versions(connection, [first.records[0].id], own)
        texts = [made.text for made in versions]
        if [record.text for record in chain] != texts[: len(chain)]:
            return chain[-1]  # it was revised here meanwhile, and that counts
        for made in versions[len(chain) :]:
            try:
                chain.append(ingest.replace(self._db, self._reader(), chain[-1], made, own, now=self._now()))
            except PolicyError:  # counted; what followed it rested on it
                break
        return chain[-1]


def _report(
    conversations: int, added: int, done: int, skipped: Counter[str], kept_out: Counter[tuple[str, str]]
) -> ImportReport:
    left_out = sum(count for (action, _), count in kept_out.items() if action != "redacted")
    told = {f"{action}: {rule}": count for (action, rule), count in kept_out.items()}
    return ImportReport(conversations, added, done - added - left_out, dict(skipped), told)
