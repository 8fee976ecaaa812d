"""
Copies of one memory on several devices: everything that people do to them, in any order, and what must hold then.

Devices write, revise, forget and define, with clocks that are days off; they take in each other's files, not always to
the end; files are copied while the original lives on, and replaced by old backups.  In the end all take in all, and
must hold the same, with nothing lost and nothing left of what was forgotten.
"""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agentmem import Memory, NotFoundError, changes, store, tables
from agentmem.db import Connection
from agentmem.encoder import Encoding

START = 1_700_000_000_000
DAY = 86_400_000
SHM = Path("/dev/shm")  # in memory, where there is such a folder: files are opened by the thousand
MOST = 5  # devices
ROUNDS = 8  # of all taking in all, until nothing changes; more would be a fault
# Texts of which no part is in a file by chance; a few, so that the same is said twice.
TEXTS = [
    "zqvkxwjmhtrpgznk", "wvxkqjzphmtgrnwz", "kgzxvqwtnjrmphzg", "xjtqzrkwvgmnhpxt", "mzhvwkrxqtjgpnzm",
    "gqxzvkwtnrjmhpzt", "hzkvqwxnrtjmgpzv", "tvzqkxwjrnmhgpzk",
]  # fmt: skip
USERS = ("ana", "ben")
CASE = {"type": "object", "properties": {"case": {"type": "string"}, "state": {"type": "string"}}, "required": ["case"]}
STAT: Counter[str] = Counter()


class WordEncoder:
    """A vector is the sum of its words'."""

    id = "mesh"

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        return [self._one(text) for text in texts]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def _one(self, text: str) -> Encoding:
        words = re.findall(r"\w+", text.lower()) or [text]
        tokens = np.stack([np.random.default_rng(zlib.crc32(w.encode())).standard_normal(384) for w in words])
        total = tokens.sum(0)
        return Encoding((total / np.linalg.norm(total)).astype(np.float32), tokens.astype(np.float32))


class OtherEncoder(WordEncoder):
    """The same by another name: what it made cannot be compared."""

    id = "other"


@dataclass
class Known:
    """What a file must have, by all that was done to it."""

    records: set[str] = field(default_factory=set)  # uids
    forgotten: set[str] = field(default_factory=set)  # of those, on purpose

    def copy(self) -> Known:
        return Known(set(self.records), set(self.forgotten))


@dataclass
class Device:
    """A file, and the clock of who writes in it."""

    path: Path
    memory: Memory
    known: Known
    skew: list[int]
    saved: Known | None = None  # what its backup has


class Mesh(RuleBasedStateMachine):
    """Devices with a file each."""

    which = st.integers(0, MOST - 1)
    record = st.integers(0, 1 << 16)
    text = st.sampled_from(TEXTS)

    @initialize(count=st.integers(2, 4), other=st.booleans())
    def begin(self, count: int, other: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="agentmem-mesh-", dir=SHM if SHM.is_dir() else None))
        self.now, self.devices, self.number = START, list[Device](), 0
        self.texts: dict[str, str] = {}  # uid → what it says
        self.spoken: dict[tuple[int, str], list[str]] = defaultdict(list)
        for place in range(count):
            self.open(self.folder / f"{place}.db", Known(), other=other and place == count - 1)

    def open(self, path: Path, known: Known, *, other: bool = False, place: int | None = None) -> None:
        skew = [0] if place is None else self.devices[place].skew
        encoder = OtherEncoder() if other else WordEncoder()
        memory = Memory(path, encoder=encoder, now=lambda: self.now + skew[0])
        if place is None:
            self.devices.append(Device(path, memory, known, skew))
        else:
            self.devices[place].memory, self.devices[place].known = memory, known

    def device(self, which: int) -> Device:
        self.now += 1
        return self.devices[which % len(self.devices)]

    def said(self, device: Device, record: Any) -> None:
        device.known.records.add(record.id)
        self.texts[record.id] = record.text
        assert device.memory.get(record.id, user=record.user).status == "active", "one's own write must hold"

    # -- writing ----------------------------------------------------------------------------------------------------

    @rule(which=which, text=text, user=st.sampled_from(USERS), number=st.booleans())
    def remember(self, which: int, text: str, user: str, number: bool) -> None:
        device = self.device(which)
        self.number += number
        self.said(device, device.memory.remember(f"{text} {self.number if number else 0}", user=user, role="tool"))

    @rule(which=which, texts=st.lists(text, min_size=1, max_size=4), at=st.booleans())
    def observe(self, which: int, texts: list[str], at: bool) -> None:
        device = self.device(which)
        turns: list[dict[str, Any]] = [{"role": "tool", "content": text} for text in texts]
        if at:  # a conversation that others may import, too
            turns = [turn | {"at": START + place} for place, turn in enumerate(turns)]
        for record in device.memory.observe(turns, user="ana", session="talk"):
            device.known.records.add(record.id)
            self.texts[record.id] = record.text

    @rule(which=which, case=st.sampled_from("xy"), text=text)
    def case(self, which: int, case: str, text: str) -> None:
        device = self.device(which)
        with suppress(ValueError):
            if not device.memory.kinds():
                device.memory.define("case", CASE, key="case")
            metadata = {"case": case, "state": text}
            self.said(device, device.memory.remember(kind="case", metadata=metadata, user="ana", role="tool"))

    @rule(which=which, text=text, label=st.sampled_from(["user", "project"]))
    def write_block(self, which: int, text: str, label: str) -> None:
        device = self.device(which)
        device.memory.blocks.set(label, text, user="ana")
        assert device.memory.blocks.get(label, user="ana").text == text

    @rule(which=which, label=st.sampled_from(["user", "project"]))
    def delete_block(self, which: int, label: str) -> None:
        with suppress(NotFoundError):
            self.device(which).memory.blocks.delete(label, user="ana")

    @rule(which=which, searchable=st.sampled_from(["case", "state"]), key=st.sampled_from([(), ("case",)]))
    def define(self, which: int, searchable: str, key: tuple[str, ...]) -> None:
        with suppress(ValueError):  # records that another device has made do not fit
            self.device(which).memory.define("case", CASE, key=key, searchable=searchable)

    @rule(which=which, record=record, text=text, user=st.sampled_from(USERS))
    def revise(self, which: int, record: int, text: str, user: str) -> None:
        device = self.device(which)
        found = [each for each in device.memory.list(user=user, limit=1_000) if each.kind != "case"]
        if found:
            self.number += 1
            old = found[record % len(found)]
            self.said(device, device.memory.revise(old.id, f"{text} {self.number}", user=user))
            assert device.memory.get(old.id, user=user).status == "superseded"

    @rule(which=which, record=record, user=st.sampled_from(USERS))
    def rate(self, which: int, record: int, user: str) -> None:
        """Change a column of a record, of which the later value holds."""
        device = self.device(which)
        if found := device.memory.list(user=user, limit=1_000):
            self.number += 1
            with device.memory._db.transaction() as connection:
                named = found[record % len(found)].id
                id = connection.execute("select id from records where uid = ?", (named,)).get
                rated = {id: self.number % 7 / 7}
                store.change(connection, "importance", rated, device.memory._db.stamp(connection))

    @rule(which=which, record=record, user=st.sampled_from(USERS))
    def forget(self, which: int, record: int, user: str) -> None:
        device = self.device(which)
        if found := device.memory.list(user=user, limit=1_000):
            gone = device.memory.forget(found[record % len(found)].id, user=user)
            device.known.forgotten.update(gone.ids)
            STAT["forgotten"] += gone.count

    @rule(which=which, user=st.sampled_from(USERS))
    def sweep(self, which: int, user: str) -> None:
        """Erase what has been revised; what holds stays."""
        device = self.device(which)
        device.known.forgotten.update(device.memory.sweep(superseded=True, user=user).ids)

    @rule(which=which, record=record, user=st.sampled_from(USERS), days=st.sampled_from([-1, 1, None]))
    def expire(self, which: int, record: int, user: str, days: int | None) -> None:
        device = self.device(which)
        if found := device.memory.list(user=user, limit=1_000):
            at = None if days is None else self.now + days * DAY
            device.memory.expire(found[record % len(found)].id, at, user=user)

    @rule(which=which, to=st.sampled_from(["carl", "dora"]))
    def grant(self, which: int, to: str) -> None:
        self.device(which).memory.grant(to=to, user="ana")

    @rule(which=which)
    def revoke(self, which: int) -> None:
        memory = self.device(which).memory
        if given := memory.grants(user="ana"):
            memory.revoke(given[0].id, user="ana")

    @rule(which=which, user=st.sampled_from(USERS))
    def forget_user(self, which: int, user: str) -> None:
        device = self.device(which)
        device.known.forgotten.update(device.memory.forget(user=user).ids)

    @rule(which=which, skew=st.sampled_from([0, 0, 1, -1, 11 * DAY, -11 * DAY]))
    def set_clock(self, which: int, skew: int) -> None:
        self.device(which).skew[0] = skew

    @rule(ms=st.sampled_from([0, 5_000, DAY]))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    # -- what is done to files --------------------------------------------------------------------------------------

    @rule(which=which)
    def reopen(self, which: int) -> None:
        place = which % len(self.devices)
        device = self.devices[place]
        device.memory.close()
        self.open(device.path, device.known, other=isinstance(device.memory._given_encoder, OtherEncoder), place=place)

    @rule(which=which)
    @precondition(lambda self: len(self.devices) < MOST)
    def copy(self, which: int) -> None:
        """A plain copy, while the original goes on."""
        device = self.device(which)
        path = self.folder / f"{len(self.devices)}.db"
        assert device.memory._db.empty_log()
        shutil.copyfile(device.path, path)
        self.open(path, device.known.copy(), other=isinstance(device.memory._given_encoder, OtherEncoder))
        STAT["copied"] += 1

    @rule(which=which, plain=st.booleans())
    def backup(self, which: int, plain: bool) -> None:
        device = self.device(which)
        path = device.path.with_suffix(".bak")
        if plain:
            assert device.memory._db.empty_log()
            shutil.copyfile(device.path, path)
        else:
            assert device.memory.backup(path).problems == ()
        device.saved = device.known.copy()

    @rule(which=which, plain=st.booleans())
    def restore(self, which: int, plain: bool) -> None:
        """An old backup in the place of the file: by copying over it, as people do, or as they should."""
        place = which % len(self.devices)
        device = self.device(which)
        if device.saved is None:
            return
        device.memory.close()
        if plain:
            shutil.copyfile(device.path.with_suffix(".bak"), device.path)
        else:
            Memory.restore(device.path.with_suffix(".bak"), device.path, replace=True)
        known = device.saved.copy()
        self.open(device.path, known, other=isinstance(device.memory._given_encoder, OtherEncoder), place=place)
        STAT["restored"] += 1

    # -- merging ----------------------------------------------------------------------------------------------------

    @rule(which=which, step=st.integers(1, MOST - 1), stop=st.sampled_from([None, None, None, 1, 2, 3]))
    def merge(self, which: int, step: int, stop: int | None) -> None:
        into, source = self.device(which), self.device(which + step)
        if into is source:
            return
        batches = 0

        def progress(_done: int) -> None:
            nonlocal batches
            batches += 1
            if batches == stop:
                raise InterruptedError

        before = source.path.read_bytes()
        try:
            into.memory.merge(source.path, progress=progress)
        except InterruptedError:
            STAT["interrupted"] += 1
            with into.memory._db.read() as connection:  # what came so far is known, more than before and less than all
                here = {row[0] for row in connection.execute("select uid from records")}
                gone = {row[0] for row in connection.execute("select uid from tombstones")}
            into.known.records |= source.known.records & (here | gone)
            into.known.forgotten |= source.known.forgotten & gone
            return
        assert source.path.read_bytes() == before
        into.known.records |= source.known.records
        into.known.forgotten |= source.known.forgotten
        STAT["merged"] += 1
        self.check(into)

    def check(self, device: Device) -> None:
        """Nothing is lost, and nothing is gone but what was forgotten, and what rested on it or said the same."""
        with device.memory._db.read() as connection:
            here = {row[0] for row in connection.execute("select uid from records")}
            gone = {row[0] for row in connection.execute("select uid from tombstones")}
            parents = dict(connection.execute("select uid, supersedes from records where supersedes is not null"))
            ended = {row[0] for row in connection.execute("select uid from tombstones where not alone")}
        assert device.known.records <= here | gone, "a record was lost"
        assert device.known.forgotten <= gone, "what was forgotten is back"
        assert not here & gone, "what was forgotten is here"
        assert not any(parent in ended for parent in parents.values()), "what rests on the forgotten is still there"

    @invariant()
    def no_holding_record_was_replaced(self) -> None:
        for device in getattr(self, "devices", []):
            with device.memory._db.read() as connection:
                wrong = """select count(*) from records as r join records as c on c.supersedes = r.uid
                           where r.status = 'active'"""
                assert connection.execute(wrong).get == 0

    def teardown(self) -> None:
        if not hasattr(self, "devices"):
            return
        try:
            self.settle()
            STAT["episodes"] += 1
        finally:
            for device in self.devices:
                device.memory.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def settle(self) -> None:
        """All take in all, in an order of their own, until nothing changes: then all must hold the same."""
        draw = random.Random(len(self.texts))
        for count in range(ROUNDS):
            states = [state(device.memory) for device in self.devices]
            pairs = [(a, b) for a in self.devices for b in self.devices if a is not b]
            draw.shuffle(pairs)
            for into, source in pairs:
                into.memory.merge(source.path)
                into.known.records |= source.known.records
                into.known.forgotten |= source.known.forgotten
                self.check(into)
            if count and states == [state(device.memory) for device in self.devices]:
                break
        else:
            raise AssertionError("it never ends")
        STAT[f"rounds {count}"] += 1
        self.open(self.folder / "fresh.db", Known())
        self.devices[-1].memory.merge(self.devices[0].path)
        first = state(self.devices[0].memory)
        for device in self.devices:
            found = state(device.memory)
            for name in first:
                assert found[name] == first[name], f"{name} diverged"
            assert device.memory.verify() == []
        self.check_order(first)
        self.check_bytes(first)

    def check_order(self, found: dict[str, list[tuple[Any, ...]]]) -> None:
        names = NAMES["records"]
        spots: dict[tuple[str, int], set[str]] = defaultdict(set)
        for row in found["records"]:
            one = dict(zip(names, row, strict=True))
            if one["position"] is not None and one["supersedes"] is None:
                spots[one["session"], one["position"]].add(one["uid"])
        assert all(len(uids) == 1 for uids in spots.values()), "two turns stand in one place"

    def check_bytes(self, found: dict[str, list[tuple[Any, ...]]]) -> None:
        whole = repr((found["records"], found["blocks"]))
        gone = [text for text in TEXTS if text not in whole]
        STAT["words erased"] += sum(any(text in each for each in self.texts.values()) for text in gone)
        for device in self.devices:
            assert device.memory._db.empty_log()
            data = device.path.read_bytes().lower()
            for text in gone:
                parts = {text[at : at + 10].encode() for at in range(len(text) - 9)}
                assert not any(part in data for part in parts), "the words of a forgotten record are in a file"


def _named(connection: Connection, table: str) -> list[str]:
    left_out = {"tombstones": {"hlc", "device", "forgotten_at", "reach"}, "records": {"stamps"}}  # who did it, and when
    return [name for name in tables.columns(connection, table) if name not in left_out.get(table, ())]


NAMES: dict[str, list[str]] = {}
Draw = random.Random
WHICH = {"which": lambda draw: draw.randrange(MOST)}
RECORD = {**WHICH, "record": lambda draw: draw.randrange(1 << 16), "user": lambda draw: draw.choice(USERS)}
TEXT = {"text": lambda draw: draw.choice(TEXTS)}
WALK_CHOICES: dict[str, dict[str, Any]] = {
    "remember": {**WHICH, **TEXT, "user": RECORD["user"], "number": lambda draw: draw.random() < 0.5},
    "observe": {
        **WHICH,
        "texts": lambda draw: draw.choices(TEXTS, k=draw.randint(1, 4)),
        "at": lambda draw: draw.random() < 0.5,
    },
    "case": {**WHICH, **TEXT, "case": lambda draw: draw.choice("xy")},
    "define": {
        **WHICH,
        "searchable": lambda draw: draw.choice(["case", "state"]),
        "key": lambda draw: draw.choice([(), ("case",), ("case",)]),
    },
    "write_block": {**WHICH, **TEXT, "label": lambda draw: draw.choice(["user", "project"])},
    "delete_block": {**WHICH, "label": lambda draw: draw.choice(["user", "project"])},
    "revise": {**RECORD, **TEXT},
    "rate": RECORD,
    "forget": RECORD,
    "sweep": {**WHICH, "user": RECORD["user"]},
    "expire": {**RECORD, "days": lambda draw: draw.choice([-1, 1, None])},
    "grant": {**WHICH, "to": lambda draw: draw.choice(["carl", "dora"])},
    "revoke": WHICH,
    "forget_user": {**WHICH, "user": RECORD["user"]},
    "set_clock": {**WHICH, "skew": lambda draw: draw.choice([0, 0, 1, -1, 11 * DAY, -11 * DAY])},
    "time_passes": {"ms": lambda draw: draw.choice([0, 5_000, DAY])},
    "reopen": WHICH,
    "copy": WHICH,
    "backup": {**WHICH, "plain": lambda draw: draw.random() < 0.7},
    "restore": {**WHICH, "plain": lambda draw: draw.random() < 0.7},
    "merge": {
        **WHICH,
        "step": lambda draw: draw.randint(1, MOST - 1),
        "stop": lambda draw: draw.choice([None, None, None, None, 1, 2, 3]),
    },
}
# What is done often, and what seldom.
OFTEN = {"merge": 8, "remember": 3, "observe": 2, "revise": 4, "case": 2, "forget": 2, "restore": 2}
WALK = [name for name in WALK_CHOICES for _ in range(OFTEN.get(name, 1))]


def state(memory: Memory) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that a file holds as every copy must hold it: table → rows, in order."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with memory._db.read() as connection:
        for table in tables.SYNCED:
            names = NAMES[table.name] = _named(connection, table.name)
            listed = ", ".join(tables.portable(table.name, name) for name in names)
            rows = connection.execute(f"select {listed} from {tables.source(table.name)}")
            found[table.name] = sorted(rows, key=repr)
        derived = """select r.uid, v.vector, c.codes, t.length, k.hash from records as r
            left join vectors as v on v.id = r.id left join token_codes as c on c.id = r.id
            left join traits as t on t.id = r.id left join keys as k on k.record = r.id"""
        found["derived"] = sorted(connection.execute(derived), key=repr)
    return found


def wander(seed: int, steps: int = 40) -> None:
    """One episode by chance alone, which goes further than one that hypothesis makes; *seed* gives the same again."""
    draw = random.Random(seed)
    mesh: Any = Mesh()
    mesh.begin(count=draw.randint(2, 4), other=draw.random() < 0.3)
    try:
        for _ in range(steps):
            name = draw.choice(WALK)
            arguments = {name: choice(draw) for name, choice in WALK_CHOICES[name].items()}
            if name != "copy" or len(mesh.devices) < MOST:
                getattr(mesh, name)(**arguments)
                mesh.no_holding_record_was_replaced()
    except BaseException:
        mesh.devices, devices = [], mesh.devices
        for device in devices:
            device.memory.close()
        raise
    mesh.teardown()


def measure(episodes: int, first: int, progress: Callable[[str], None]) -> Counter[str]:
    """Run episodes; raise where one goes wrong, and say how to get there."""
    changes.BATCH = 3  # so that a merge can be stopped in the middle
    STAT.clear()
    for seed in range(first, first + episodes * 4 // 5):
        try:
            wander(seed)
        except BaseException as error:
            error.add_note(f"in the episode of seed {seed}")
            raise
        progress(f"{seed - first + 1:,} of {episodes:,} episodes")
    progress("episodes by hypothesis")
    run(episodes - episodes * 4 // 5)
    return Counter(STAT)


def run(episodes: int, steps: int = 30) -> None:
    """Run episodes that hypothesis makes; raise where one goes wrong, with the shortest way to it that was found."""
    run_state_machine_as_test(
        Mesh,
        settings=settings(
            max_examples=episodes,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
