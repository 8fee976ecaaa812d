"""
`Defining`: the verbs about kinds of record: which there are, and what fields theirs have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import audit, kinds
from .opened import Opened
from .records import Kind


class Defining(Opened):
    """What an open memory takes for a record of which kind."""

    def define(
        self,
        kind: str,
        schema: Mapping[str, object] | type,
        *,
        key: str | Sequence[str] = (),
        searchable: str | Sequence[str] = (),
        single: bool = False,
    ) -> Kind:
        """
        Say which fields the records of a kind have, for this file and all of its users, until it is said anew.

        From then on `remember`, `remember_many` and `revise` take metadata of this kind only as *schema* has it.
        It is filtered by with `where`; a `date` or `datetime` in it is written as ISO 8601.

        Args:
            kind: its name.
            schema: a JSON Schema of the metadata, or a dataclass.  Of JSON Schema there are type, enum, minLength,
                maxLength, format (date, date-time), minimum, maximum, items, properties, required and
                additionalProperties; anything else is refused.  Of a dataclass the types str, int, float, bool, date,
                datetime, Literal, list and X | None; a field with a default may be left out, and is not filled in.
            key: required fields.  A record takes the place of the one that has the same values in them, in the same
                user, agent and session, as `revise` does; the same fields again change nothing.
            searchable: fields whose values belong to the text: what a given text lacks of them is put behind it.  Where
                none is given, the text is made of them or, if there are none, of all fields.
            single: of the same user, agent and session only one record holds; the next takes its place.

        Returns:
            The Kind, as `kinds` lists it.

        Raises:
            TypeError, ValueError: an argument is not what it should be, or a record that holds does not fit; the
            message names the keyword, or the record and its field, and what was defined before stays.
        """
        made = kinds.described(kind, schema, key=key, searchable=searchable, single=single)
        if self._kinds().get(kind) != made:
            with self._db.transaction() as connection:
                now = self._now()
                kinds.define(connection, made, by=self._default.user, now=now, stamp=self._db.stamp(connection))
                audit.note(connection, "define", self._default, at=now)
        return made

    def kinds(self) -> list[Kind]:
        """Return the kinds that are defined in this file, by name."""
        return list(self._kinds().values())

    def _kinds(self) -> dict[str, Kind]:
        with self._db.read() as connection:
            return kinds.every(connection)
