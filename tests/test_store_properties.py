"""Records against a model in plain Python: whatever is done in whatever order, the file says what the model says."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import TinyEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from agentmem import Memory, NotFoundError
from agentmem.records import FIRST_INSTANT, LAST_INSTANT, moment, new_id

DAY = 86_400_000
START = 1_700_000_000_000
# Words that no page of SQLite's holds by chance, not even in part: neither hexadecimal nor English.
MARKS = [
    "zqvkxwjmhtrpgznk", "wvxkqjzphmtgrnwz", "kgzxvqwtnjrmphzg", "xjtqzrkwvgmnhpxt", "mzhvwkrxqtjgpnzm",
    "Tqgxzvkwnrjmhpté",
]  # fmt: skip
TIMES = [None, START - 5 * DAY, START - DAY, START, START + DAY, START + 3 * DAY]


@dataclass
class Entry:
    """A record as the model has it."""

    id: str
    key: tuple[object, ...]  # what makes it the same thing said twice
    carries: bool  # its own time or key: then it is known for good
    text: str
    valid_from: int
    chain: int
    valid_to: int | None = None
    supersedes: str | None = None

    @property
    def active(self) -> bool:
        return self.valid_to is None


def on_disk(path: Path) -> bytes:
    return b"".join(p.read_bytes() for p in (path, path.with_name(path.name + "-wal")) if p.exists())


def traces(mark: str, content: bytes) -> int:
    """Count the parts of *mark* in *content*; FTS5 stores a word without what it shares with the one before."""
    raw, low = mark.encode(), content.lower()
    parts = {raw[i : i + 10].lower() for i in range(len(raw) - 9)}
    return sum(part in low for part in parts)


class Model(RuleBasedStateMachine):
    """remember, observe, revise, forget and reopen, with the clock under control."""

    ids = Bundle("ids")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="agentmem-"))
        self.path = self.folder / "m.db"
        self.now = START
        self.entries: dict[str, Entry] = {}  # in order of arrival
        self.gone: set[str] = set()
        self.gone_keys: set[tuple[object, ...]] = set()
        self.chains = 0
        self.open()

    def open(self) -> None:
        self.memory = Memory(self.path, encoder=TinyEncoder(), now=lambda: self.now)

    def known(self, key: tuple[object, ...], carries: bool) -> Entry | None:
        same = [e for e in self.entries.values() if e.key == key and (e.active or carries)]
        return min(same, key=lambda e: not e.active, default=None)

    def expect(self, record: Any, key: tuple[object, ...], carries: bool, at: int | None) -> str:
        """Compare one written record with what the model says of it, and enter it there."""
        known = self.known(key, carries)
        if known is not None:
            assert record.id == known.id
            return known.id
        assert record.id not in self.entries
        assert record.id not in self.gone
        self.chains += 1
        entry = Entry(record.id, key, carries, str(key[3]), self.now if at is None else at, self.chains)
        self.entries[record.id] = entry
        return entry.id

    @rule(days=st.integers(0, 3))
    def time_passes(self, days: int) -> None:
        self.now += days * DAY + 1

    @rule(target=ids, mark=st.sampled_from(MARKS), source=st.sampled_from([None, "a", "b"]), at=st.sampled_from(TIMES))
    def remember(self, mark: str, source: str | None, at: int | None) -> str:
        text = f"the word is {mark}"
        record = self.memory.remember(text, source=source, at=at)
        assert (record.text, record.source) == (text, source)
        return self.expect(record, ("note", "", source, text, at, None), at is not None, at)

    @rule(
        target=ids,
        turns=st.lists(st.tuples(st.sampled_from(MARKS[:3]), st.sampled_from([*TIMES[:3], "id"])), max_size=4),
        session=st.sampled_from(["", "talk"]),
    )
    def observe(self, turns: list[Any], session: str) -> Any:
        messages: list[dict[str, Any]] = []
        keys: list[tuple[Any, ...]] = []
        said: dict[str, int] = {}
        for mark, at in turns:
            text, key = f"said {mark}", None
            messages.append({"content": text})
            if at == "id":
                messages[-1]["id"] = key = f"id {mark}"
                at = None
            elif at is not None:
                messages[-1]["at"] = at
            else:
                said[text] = said.get(text, 0) + 1
                key = f"#{said[text]}" if said[text] > 1 else None
            keys.append((("turn", session, None, text, at, key), at is not None or key is not None, at))
        records = self.memory.observe(messages, session=session)
        # A history handed over again does not bring back what was forgotten.
        keys = [key for key in keys if key[0] not in self.gone_keys or self.known(key[0], key[1])]
        assert [record.text for record in records] == [key[0][3] for key in keys]
        return multiple(*(self.expect(r, *key) for r, key in zip(records, keys, strict=True)))

    @rule(target=ids, id=ids, mark=st.sampled_from(MARKS), at=st.sampled_from(TIMES))
    def revise(self, id: str, mark: str, at: int | None) -> Any:
        old = self.entries.get(id)
        text = f"now it is {mark}"
        if old is None:
            with pytest.raises(NotFoundError):
                self.memory.revise(id, text, at=at)
            return multiple()
        if not old.active:
            newest = next(e for e in self.entries.values() if e.chain == old.chain and e.active)
            with pytest.raises(ValueError, match=newest.id):
                self.memory.revise(id, text, at=at)
            return multiple()
        changed = self.now if at is None else at
        if changed > self.now:
            with pytest.raises(ValueError, match="to come"):
                self.memory.revise(id, text, at=at)
            return multiple()
        record = self.memory.revise(id, text, at=at)
        for entry in self.entries.values():  # what is said last is right about all that follows
            if entry.chain == old.chain and (entry.valid_to is None or entry.valid_to > changed):
                entry.valid_to = max(entry.valid_from, changed)
        kind, session, source = old.key[:3]
        key = (kind, session, source, text, at, None)
        self.entries[record.id] = Entry(record.id, key, at is not None, text, changed, old.chain, supersedes=id)
        return record.id

    @rule(id=consumes(ids))
    def forget(self, id: str) -> None:
        if id not in self.entries:
            with pytest.raises(NotFoundError):
                self.memory.forget(id)
            return
        chain = [e.id for e in self.entries.values() if e.chain == self.entries[id].chain]
        erasure = self.memory.forget(id)
        assert sorted(erasure.ids) == sorted(chain)
        assert erasure.log_truncated
        for each in chain:
            self.gone_keys.add(self.entries.pop(each).key)
        self.gone.update(chain)
        content = on_disk(self.path)
        for mark in MARKS:
            if not any(mark in e.text for e in self.entries.values()):
                assert traces(mark, content) == 0

    @rule()
    def reopen(self) -> None:
        self.memory.close()
        self.open()

    @rule()
    def rebuild(self) -> None:
        self.memory.rebuild()

    @rule(at=st.integers(START - 6 * DAY, START + 30 * DAY) | st.sampled_from(TIMES[1:]))
    def look_back(self, at: int) -> None:
        held = {e.id for e in self.entries.values() if e.valid_from <= at and (e.valid_to is None or at < e.valid_to)}
        assert {record.id for record in self.memory.list(as_of=at, limit=1_000)} == held
        assert {hit.id for hit in self.memory.recall(" ".join(MARKS), as_of=at, k=1_000)} == held

    @rule(id=ids)
    def look_up(self, id: str) -> None:
        entry = self.entries.get(id)
        if entry is None:
            for verb in (self.memory.get, self.memory.history):
                with pytest.raises(NotFoundError):
                    verb(id)
            return
        record = self.memory.get(id)
        assert (record.text, record.supersedes) == (entry.text, entry.supersedes)
        assert record.valid_from == moment(entry.valid_from)
        assert record.valid_to == (None if entry.valid_to is None else moment(entry.valid_to))
        chain = [e.id for e in self.entries.values() if e.chain == entry.chain]
        assert [r.id for r in self.memory.history(id)] == chain

    @invariant()
    def active_records_are_the_models(self) -> None:
        if not hasattr(self, "memory"):
            return
        active = {e.id: e.text for e in self.entries.values() if e.active}
        assert {record.id: record.text for record in self.memory.list(limit=1_000)} == active
        assert {hit.id for hit in self.memory.recall(MARKS[0], k=1_000)} == set(active)
        stats = self.memory.stats()
        assert (stats.records, stats.superseded) == (len(active), len(self.entries) - len(active))

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            try:
                assert self.memory.verify() == []
            finally:
                self.memory.close()
                shutil.rmtree(self.folder)


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

# -- histories ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, database=None)
@given(first=st.integers(0, 9), changes=st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_at_no_moment_do_two_versions_of_one_record_hold(first: int, changes: list[int]) -> None:
    """Also where a revision is dated before the one that it replaces."""
    with Memory(":memory:", encoder=TinyEncoder(), now=lambda: START) as memory:
        record = memory.remember("version", at=first * DAY)
        for n, day in enumerate(changes):
            record = memory.revise(record.id, f"version {n}", at=day * DAY)
        for day in range(10):
            assert len(memory.list(as_of=day * DAY)) <= 1, f"day {day}"
        assert [r.text for r in memory.list()] == [f"version {len(changes) - 1}"]
        assert memory.list(as_of=changes[-1] * DAY)[0].id == record.id


def test_what_has_expired_can_be_said_again(tmp_path: Path) -> None:
    """No read shows the old one any more, so the new one must not be taken for it."""
    now = [START]
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=lambda: now[0]) as memory:
        memory.remember("the code is 1234", expires_at=START + DAY)
        now[0] += 2 * DAY
        assert memory.list() == []
        said = memory.remember("the code is 1234")
        assert [record.id for record in memory.list()] == [said.id]


@pytest.mark.parametrize("verb", ["get", "list", "recall", "history", "as_of"])
def test_from_its_expiry_on_no_read_shows_a_record(tmp_path: Path, verb: str) -> None:
    now = [START]
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=lambda: now[0]) as memory:
        id = memory.remember("short lived", expires_at=START + DAY).id
        reads = {
            "get": lambda: memory.get(id),
            "list": lambda: memory.list(),
            "recall": lambda: memory.recall("short"),
            "history": lambda: memory.history(id),
            "as_of": lambda: memory.list(as_of=START),
        }
        now[0] = START + DAY - 1
        assert reads[verb]()
        now[0] = START + DAY
        try:
            assert reads[verb]() == []
        except NotFoundError:
            assert verb in ("get", "history")


# -- round trips ----------------------------------------------------------------------------------------------------

_users = itertools.count()
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
names = any_text.filter(lambda name: len(name) <= 500)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("round") / "m.db"
    with Memory(path, encoder=TinyEncoder()) as memory, Memory(path, encoder=TinyEncoder()) as reader:
        memory.set_policy('[secrets]\naction = "store"\n[quarantine]\nbelow = 0')  # any text, also a suspicious one
        yield memory, reader


@settings(max_examples=100, deadline=None, database=None)
@given(
    text=any_text,
    speaker=st.none() | names,
    source=st.none() | names,
    kind=names,
    user=names,
    metadata=st.dictionaries(any_text, json_values, max_size=3),
    share=st.floats(0, 1),
    at=st.none() | st.integers(FIRST_INSTANT, LAST_INSTANT),
)
def test_every_field_comes_back_exactly(shared: Any, at: int | None, share: float, user: str, **fields: Any) -> None:
    memory, reader = shared
    user = f"{next(_users)} {user}"  # else an earlier example may have said the same
    record = memory.remember(**fields, user=user, at=at, importance=share, confidence=share, trust=share)
    again = reader.get(record.id, user=user)
    assert again == record
    assert {name: getattr(again, name) for name in fields} == fields
    assert (again.importance, again.confidence, again.trust, again.user) == (share, share, share, user)
    assert at is None or again.occurred_at == moment(at)
    assert memory.remember(**fields, user=user, at=at).id == record.id  # twice adds nothing
    assert [r.text for r in reader.list(user=user, kinds=[fields["kind"]]) if r.id == record.id] == [fields["text"]]


@settings(max_examples=50, deadline=None, database=None)
@given(texts=st.lists(any_text, min_size=1, max_size=8), query=any_text)
def test_any_text_can_be_recalled_observed_and_forgotten(shared: Any, texts: list[str], query: str) -> None:
    memory, _ = shared
    user = str(uuid.uuid4())
    messages = [{"content": text} for text in texts]
    records = memory.observe(messages, user=user, session="s")
    assert [record.text for record in records] == texts
    assert [record.id for record in memory.observe(messages, user=user, session="s")] == [r.id for r in records]
    assert {hit.id for hit in memory.recall(query, user=user, k=100)} == {record.id for record in records}
    assert set(memory.forget(user=user).ids) == {record.id for record in records}
    assert memory.list(user=user) == []


def test_the_round_trips_left_a_sound_file(shared: Any) -> None:
    assert shared[0].verify() == []


# -- nothing left ---------------------------------------------------------------------------------------------------

SECRET = {
    "text": "The pin of ZQVKXWJMHTRPGZNK is wvxkqjzphmtgrnwz, and Kgzxvqwtnjrmphzg knows.",
    "speaker": "xjtqzrkwvgmnhpxt",
    "source": "mzhvwkrxqtjgpnzm",
    "metadata": {"qwxzkvjtmrhgpnqw": "rgzqxkvwjtmnhprg"},
}
SECRET_WORDS = [
    "zqvkxwjmhtrpgznk", "wvxkqjzphmtgrnwz", "kgzxvqwtnjrmphzg", "xjtqzrkwvgmnhpxt", "mzhvwkrxqtjgpnzm",
    "qwxzkvjtmrhgpnqw", "rgzqxkvwjtmnhprg",
]  # fmt: skip


def vector_traces(encoder: TinyEncoder, text: str, content: bytes) -> int:
    """Count the pieces of the text's int8 vector and of its token codes in *content*."""
    encoding = encoder.encode([text])[0]
    pieces = [encoding.quantised[i : i + 48] for i in range(0, 384, 48)]
    pieces += [encoding.codes[i : i + 16] for i in range(0, len(encoding.codes), 16)]
    return sum(piece in content for piece in pieces)


@pytest.mark.parametrize("size", ["short", "long"])
@pytest.mark.parametrize("way", ["id", "where", "session", "user", "old version", "new version", "after reopening"])
@pytest.mark.parametrize("others", [0, 300])
def test_forgotten_words_leave_no_byte_in_the_file(
    tmp_path: Path, encoder: TinyEncoder, way: str, others: int, size: str
) -> None:
    path = tmp_path / "m.db"
    fields: dict[str, Any] = dict(SECRET, user="ada", session="s")
    if size == "long":  # flows over into pages of its own
        fields["text"] += " and so on and on" * 2_000 + " until wvxkqjzphmtgrnwz"
    indexed = f"{fields['speaker']}: {fields['text']}"
    memory = Memory(path, encoder=encoder)
    memory.remember_many([f"another note, number {i}, rather short" for i in range(others)])
    record = memory.remember(**fields)
    memory.remember_many([f"a later note, number {i}, rather short" for i in range(others)])
    if way in ("old version", "new version"):
        newer = memory.revise(record.id, "Nothing is known of a pin.", user="ada", metadata={})
    before = on_disk(path)
    assert all(traces(word, before) for word in SECRET_WORDS)  # else finding nothing would mean nothing
    assert vector_traces(encoder, indexed, before) > 8
    if way == "after reopening":
        memory.close()
        memory = Memory(path, encoder=encoder)
    how: dict[str, dict[str, Any]] = {
        "where": {"where": {"qwxzkvjtmrhgpnqw": "rgzqxkvwjtmnhprg"}, "user": "ada"},
        "session": {"session": "s", "user": "ada"},
        "user": {"user": "ada"},
        "new version": {"id": newer.id if way == "new version" else "", "user": "ada"},
    }
    erasure = memory.forget(**how.get(way, {"id": record.id, "user": "ada"}))
    assert erasure.log_truncated
    assert record.id in erasure.ids
    after = on_disk(path)
    assert {word: traces(word, after) for word in SECRET_WORDS} == dict.fromkeys(SECRET_WORDS, 0)
    assert vector_traces(encoder, indexed, after) == 0
    assert memory.stats().records == 2 * others
    assert memory.verify() == []
    memory.close()


def test_forgetting_a_user_forgets_the_name(tmp_path: Path, encoder: TinyEncoder) -> None:
    """Users, agents and sessions are often mail addresses and titles."""
    with Memory(tmp_path / "m.db", encoder=encoder) as memory:
        memory.remember("x", user=MARKS[0], agent=MARKS[1], session=MARKS[2])
        assert memory.forget(user=MARKS[0]).log_truncated
    content = on_disk(tmp_path / "m.db")
    assert [traces(mark, content) for mark in MARKS[:3]] == [0, 0, 0]


def test_a_log_that_a_reader_holds_open_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentmem.db.BUSY_TIMEOUT_MS", 50)
    with (
        Memory(tmp_path / "m.db", encoder=TinyEncoder()) as memory,
        Memory(tmp_path / "m.db", encoder=TinyEncoder()) as other,
    ):
        id = memory.remember(SECRET["text"]).id  # type: ignore[arg-type]
        with other._db.read() as connection:
            assert connection.execute("select count(*) from records").get == 1
            assert not memory.forget(id).log_truncated
        assert memory.forget(memory.remember("something else").id).log_truncated
        assert traces(SECRET_WORDS[0], on_disk(tmp_path / "m.db")) == 0


# -- ids ------------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(st.integers(-(10**6), 2**47) | st.sampled_from([0, START, START + 1]), min_size=1, max_size=50))
def test_ids_are_valid_uuids_of_version_7_unique_and_rising_whatever_the_clock_does(clock: list[int]) -> None:
    ids = [new_id(now) for now in clock]
    assert all(str(uuid.UUID(id)) == id and uuid.UUID(id).version == 7 for id in ids)
    assert all(uuid.UUID(id).variant == uuid.RFC_4122 for id in ids)
    assert ids == sorted(set(ids))


def test_ids_of_one_millisecond_stay_sorted_beyond_their_counter() -> None:
    ids = [new_id(START) for _ in range(10_000)]
    assert ids == sorted(set(ids))
