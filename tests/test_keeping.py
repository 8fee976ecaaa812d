"""Keys, times to live, and vectors of the caller's own."""

from pathlib import Path

import pytest
from conftest import TinyEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from test_erasure import left

from agentmem import Memory, NotFoundError

DAY = 86_400_000


@pytest.fixture
def clock():
    return [DAY]


@pytest.fixture
def memory(tmp_path, clock):
    with Memory(tmp_path / "m.db", encoder=TinyEncoder(), now=lambda: clock[0]) as memory:
        schema = {"properties": {"name": {"type": "string"}, "dose": {"type": "integer"}}, "required": ["name"]}
        memory.define("drug", schema, key="name")
        memory.define("brief", {"properties": {}}, single=True)
        yield memory


def drug(memory, name, dose, **more):
    return memory.remember(kind="drug", metadata={"name": name, "dose": dose}, **more)


# -- find -----------------------------------------------------------------------------------------------------------


def test_a_key_finds_the_record_that_holds_it(memory):
    drug(memory, "aspirin", 100)
    new = drug(memory, "aspirin", 200)
    drug(memory, "aspirin", 300, user="eve")
    drug(memory, "aspirin", 400, session="s")
    brief = memory.remember("argue custody first", kind="brief")
    assert memory.find("drug", {"name": "aspirin"}) == new
    assert memory.find("drug", {"name": "aspirin"}, user="eve").metadata["dose"] == 300
    assert memory.find("drug", {"name": "aspirin"}, session="s").metadata["dose"] == 400
    assert memory.find("drug", {"name": "ibuprofen"}) is None
    assert memory.find("brief", {}) == brief
    memory.forget(new.id)
    assert memory.find("drug", {"name": "aspirin"}) is None


def test_a_key_does_not_find_what_expired(memory, clock):
    drug(memory, "aspirin", 100, expires_at=2 * DAY)
    clock[0] = 2 * DAY
    assert memory.find("drug", {"name": "aspirin"}) is None


@pytest.mark.parametrize(("kind", "key"), [("note", {}), ("pill", {"name": "a"}), ("drug", {}), ("brief", {"name": 1})])
def test_a_key_that_is_none_is_refused(memory, kind, key):
    with pytest.raises(ValueError, match=kind):
        memory.find(kind, key)


# -- expire, sweep --------------------------------------------------------------------------------------------------


def test_what_is_told_to_expire_is_seen_until_then_and_swept_after(memory, clock):
    ids = [memory.remember(text).id for text in ("the quagga", "the aurochs", "the dodo")]
    memory.expire(ids[0], 3 * DAY)
    memory.expire(ids[1:], 2 * DAY)
    memory.expire(ids[2], None)
    assert memory.sweep().count == 0
    clock[0] = 2 * DAY
    assert [record.text for record in memory.list()] == ["the dodo", "the quagga"]
    assert memory.sweep(kinds=["turn"]).count == 0
    assert memory.sweep(user="eve").count == 0
    assert memory.sweep().ids == (ids[1],)
    assert left(memory, ["aurochs"]) == [] and left(memory, ["quagga", "dodo"]) == ["quagga", "dodo"]
    assert memory.verify() == []


def test_an_unknown_id_among_several_changes_nothing(memory, clock):
    id = memory.remember("the quagga").id
    with pytest.raises(NotFoundError):
        memory.expire([id, "nobody"], 2 * DAY)
    clock[0] = 3 * DAY
    assert memory.get(id).expires_at is None
    with pytest.raises(NotFoundError):
        memory.expire(id, 1, user="eve")
    with pytest.raises(TypeError, match="id is a string"):
        memory.expire(5, 1)


def test_an_expired_record_goes_with_its_history_and_expired_history_goes_alone(memory, clock):
    first = memory.remember("I live in Oslo", expires_at=2 * DAY)
    second = memory.revise(first.id, "I live in Bergen")
    memory.expire(second.id, None)
    clock[0] = 2 * DAY
    assert memory.sweep().ids == (first.id,)
    assert memory.history(second.id) == [memory.get(second.id)]
    third = memory.revise(second.id, "I live in Porto")
    memory.expire(third.id, clock[0])
    assert set(memory.sweep().ids) == {second.id, third.id}
    assert left(memory, ["Bergen", "Porto"]) == [] and memory.verify() == []


def test_what_was_replaced_is_swept_where_that_is_asked_for(memory):
    drug(memory, "aspirin", 100)
    new = drug(memory, "aspirin", 250)
    note = memory.revise(memory.remember("the quagga").id, "the dodo")
    assert memory.sweep().count == 0
    assert memory.sweep(kinds=["drug"], superseded=True).count == 1
    assert memory.history(new.id) == [new] and len(memory.history(note.id)) == 2
    assert drug(memory, "aspirin", 100).supersedes == new.id  # said again, it is news
    assert memory.verify() == []


# -- attach, nearest ------------------------------------------------------------------------------------------------

vectors = st.lists(
    st.lists(st.floats(-9, 9, width=16), min_size=3, max_size=3), min_size=1, max_size=3
)  # of one record


@settings(deadline=None)
@given(st.lists(vectors, min_size=1, max_size=6), st.lists(st.floats(-9, 9, width=16), min_size=3, max_size=3))
def test_the_score_is_the_cosine_of_the_nearest_vector(given_vectors, query):
    def cosine(vector):
        product = sum(a * b for a, b in zip(vector, query, strict=True))
        lengths = (sum(a * a for a in vector) * sum(a * a for a in query)) ** 0.5
        return product / lengths if lengths else 0.0

    with Memory(":memory:", encoder=TinyEncoder()) as memory:
        records = memory.remember_many(f"text {number}" for number in range(len(given_vectors)))
        memory.attach({record.id: own for record, own in zip(records, given_vectors, strict=True)})
        hits = memory.nearest(query)
    wanted = sorted((max(map(cosine, own)) for own in given_vectors), reverse=True)
    assert [hit.score for hit in hits] == pytest.approx(wanted, abs=1e-5)


def test_nearest_sees_what_may_be_seen(memory):
    mine = memory.remember("mine", metadata={"n": 1})
    other = memory.remember("mine too", kind="drug", metadata={"name": "x", "n": 2})
    hers = memory.remember("hers", user="eve")
    for user, record in (("", mine), ("", other), ("eve", hers)):
        memory.attach({record.id: [[1, 0], [0, 1]]}, user=user)
    memory.attach({mine.id: [[1, 1]]})  # in the place of both
    assert [(hit.id, round(hit.score, 3)) for hit in memory.nearest([0, 2])] == [(other.id, 1), (mine.id, 0.707)]
    assert [hit.id for hit in memory.nearest([0, 2], kinds=["note"])] == [mine.id]
    assert [hit.id for hit in memory.nearest([0, 2], where={"n": 2}, k=1)] == [other.id]
    assert [hit.id for hit in memory.nearest([0, 2], user="eve")] == [hers.id]
    assert memory.nearest([0, 2, 0]) == []  # of another encoder
    with pytest.raises(NotFoundError):
        memory.attach({hers.id: [[1, 0]]})


def test_vectors_are_forgotten_with_their_record_down_to_the_bytes(memory):
    record = memory.remember("a secret")
    vector = [float(number) for number in range(1, 200)]
    memory.attach({record.id: [vector]})
    memory.close()
    path = Path(memory._db.path)
    import numpy as np

    assert np.asarray(vector, np.float32).tobytes()[:64] in path.read_bytes()
    with Memory(path, encoder=TinyEncoder()) as memory:
        memory.forget(record.id)
    assert np.asarray(vector, np.float32).tobytes()[:64] not in path.read_bytes()


@pytest.mark.parametrize("vector", ["ab", 5, [], [1, "x"], [float("nan")], [float("inf")], [1e39], None])
def test_what_is_no_vector_is_refused(memory, vector):
    id = memory.remember("x").id
    with pytest.raises((TypeError, ValueError), match="vector"):
        memory.attach({id: [vector]})
    with pytest.raises((TypeError, ValueError), match="vector"):
        memory.nearest(vector)
