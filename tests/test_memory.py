"""The verbs, as their documentation says them."""

import asyncio
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

import agentmem
from agentmem import AsyncMemory, Memory, NotFoundError
from agentmem.rank import WEIGHTS

DEMO = Path(agentmem.__file__).parent / "demo"
MARCH = "2026-03-01T00:00:00Z"


class Clock:
    """A clock that a test winds."""

    def __init__(self, at=MARCH):
        self.at = at

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def mem(tmp_path, clock, encoder):
    with Memory(tmp_path / "clocked.db", user="ana", now=clock, encoder=encoder) as memory:
        yield memory


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The sample conversation with the real encoder."""
    with Memory(tmp_path_factory.mktemp("demo") / "demo.db") as memory:
        memory.load(DEMO / "conversation.jsonl")
        yield memory


# -- remember


def test_remember_returns_what_it_kept(mem):
    record = mem.remember(
        "I'm allergic to peanuts", speaker="Ana", at="2026-02-01", importance=0.9, confidence=0.8, trust=0.7,
        source="form", kind="health", metadata={"list": [1, None], "deep": {"a": "ü"}}, expires_at="2027-01-01",
        agent="cook", session="s",
    )  # fmt: skip
    assert (record.text, record.speaker, record.kind, record.role) == (
        "I'm allergic to peanuts",
        "Ana",
        "health",
        "user",
    )
    assert (record.user, record.agent, record.session) == ("ana", "cook", "s")
    assert record.occurred_at == record.valid_from == datetime(2026, 2, 1, tzinfo=UTC)
    assert record.recorded_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert (record.importance, record.confidence, record.trust, record.source) == (0.9, 0.8, 0.7, "form")
    assert record.metadata == {"list": [1, None], "deep": {"a": "ü"}}
    assert record.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert mem.get(record.id) == record


def test_the_same_statement_from_the_same_source_adds_nothing(mem, clock):
    first = mem.remember("I live in Oslo")
    clock.at = "2026-04-01"
    assert mem.remember("I live in Oslo") == first
    assert mem.remember("I live in Oslo", source="form") != first
    assert len(mem.list()) == 2


def test_a_statement_said_again_after_a_change_is_news(mem):
    first = mem.remember("I live in Oslo")
    mem.revise(first.id, "I live in Bergen")
    again = mem.remember("I live in Oslo")
    assert again.id != first.id and again.status == "active"


def test_an_event_with_its_own_time_stays_known_after_a_change(mem):
    first = mem.remember("I live in Oslo", at="2026-01-01")
    mem.revise(first.id, "I live in Bergen")
    assert mem.remember("I live in Oslo", at="2026-01-01").id == first.id


def test_remember_many_keeps_order_and_returns_known_ones_too(mem):
    progress = []
    texts = [f"note {number}" for number in range(300)] + ["note 7"]
    records = mem.remember_many(texts, progress=progress.append)
    assert [record.text for record in records] == texts
    assert records[-1].id == records[7].id
    assert progress == [256, 301]
    assert mem.stats().records == 300


def test_remember_many_takes_mappings_with_a_scope_of_their_own(mem):
    records = mem.remember_many([{"text": "a", "user": "ben", "kind": "fact", "metadata": {"n": 1}}, "b"])
    assert [(r.user, r.kind) for r in records] == [("ben", "fact"), ("ana", "note")]


def test_remember_many_reads_no_further_than_a_batch_ahead(mem):
    read = []

    def endless():
        number = 0
        while True:
            read.append(number)
            yield f"note {number}"
            number += 1

    class Enough(Exception):
        pass

    def stop(done):
        raise Enough

    with pytest.raises(Enough):
        mem.remember_many(endless(), progress=stop)
    assert len(read) == 512 and mem.stats().records == 256


# -- observe

CHAT = [
    {"role": "user", "name": "Ana", "content": "Did you go?", "at": "2026-03-02T09:00:00Z"},
    {"role": "assistant", "content": "Yes, last summer!", "at": "2026-03-02T09:01:00Z"},
]


def test_observe_keeps_turns_in_order_with_their_speakers_and_times(mem):
    records = mem.observe(CHAT, session="s-1", metadata={"app": "x"})
    assert [(r.kind, r.role, r.speaker, r.session) for r in records] == [
        ("turn", "user", "Ana", "s-1"),
        ("turn", "assistant", None, "s-1"),
    ]
    assert records[1].occurred_at == datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
    assert records[0].metadata == {"app": "x"}


def test_a_chat_history_can_be_handed_over_whole_each_time(mem):
    mem.observe(CHAT, session="s-1")
    more = [*CHAT, {"role": "user", "name": "Ana", "content": "Lovely", "at": "2026-03-02T09:02:00Z"}]
    assert len(mem.observe(more, session="s-1")) == 3
    assert mem.stats().records == 3
    mem.observe(CHAT, session="s-2")
    assert mem.stats().records == 5


def test_a_history_handed_over_again_does_not_bring_back_what_was_forgotten(mem):
    first, _ = mem.observe(CHAT, session="s-1")
    mem.forget(first.id)
    assert [r.text for r in mem.observe(CHAT, session="s-1")] == ["Yes, last summer!"]
    assert mem.stats().records == 1


def test_the_same_words_twice_in_one_call_are_two_turns(mem):
    chat = [
        {"role": "user", "content": "ok"},
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "ok"},
    ]
    first = mem.observe(chat, session="s")
    assert len({record.id for record in first}) == 3
    assert mem.observe(chat, session="s") == first


def test_messages_as_chat_interfaces_make_them_are_taken(mem):
    records = mem.observe(
        [
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1"}]},
            {"role": "tool", "tool_call_id": "c1", "content": "a dog"},
            {"role": "assistant", "content": "A dog.", "refusal": None, "annotations": []},
        ]
    )
    assert [(r.role, r.text) for r in records] == [
        ("system", "Be brief."),
        ("user", "What is this?"),
        ("tool", "a dog"),
        ("assistant", "A dog."),
    ]


def test_a_misspelt_message_field_is_an_error_not_a_loss(mem):
    with pytest.raises(ValueError, match=r"message 1: unknown message field 'time'.*at"):
        mem.observe([CHAT[0], {"role": "user", "content": "x", "time": "2026"}])
    assert mem.list() == []


def test_an_unknown_time_is_kept_as_unknown(mem):
    known, unknown = mem.observe([{"role": "user", "content": "a"}, {"role": "user", "content": "b", "at": None}])
    assert known.occurred_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert unknown.occurred_at is None and unknown.valid_from == unknown.recorded_at
    assert [r.text for r in mem.list(since="2020-01-01")] == ["a"]


# -- revise, history, as_of


def test_a_revision_takes_the_place_and_history_keeps_the_old(mem, clock):
    first = mem.remember("I live in Oslo", metadata={"topic": "home"})
    clock.at = "2026-05-01"
    second = mem.revise(first.id, "I live in Bergen")
    clock.at = "2026-06-01"
    third = mem.revise(second.id, "I live in Tromsø", at="2026-05-20")
    assert [r.text for r in mem.list()] == ["I live in Tromsø"]
    for id in (first.id, second.id, third.id):
        assert [r.text for r in mem.history(id)] == ["I live in Oslo", "I live in Bergen", "I live in Tromsø"]
    assert mem.get(first.id).status == "superseded"
    assert mem.get(first.id).valid_to == second.valid_from == datetime(2026, 5, 1, tzinfo=UTC)
    assert third.supersedes == second.id and third.metadata == {"topic": "home"}


def test_as_of_answers_from_any_past_moment(mem, clock):
    first = mem.remember("I live in Oslo")
    clock.at = "2026-05-01"
    mem.revise(first.id, "I live in Bergen")
    for moment, text in (("2026-04-30", ["I live in Oslo"]), ("2026-05-01", ["I live in Bergen"]), ("2026-02-01", [])):
        assert [r.text for r in mem.list(as_of=moment)] == text
        assert [h.text for h in mem.recall("where do I live", as_of=moment)] == text


def test_an_old_version_cannot_be_revised(mem):
    first = mem.remember("a")
    second = mem.revise(first.id, "b")
    with pytest.raises(ValueError, match=second.id):
        mem.revise(first.id, "c")
    assert [r.text for r in mem.list()] == ["b"]


def test_a_revised_turn_keeps_its_place_among_its_neighbours(demo, tmp_path):
    with Memory(tmp_path / "m.db") as memory:
        question, answer = memory.observe(CHAT, session="s")
        memory.observe([{"role": "user", "content": "Shall we talk about the boiler?", "at": MARCH}], session="s")
        memory.revise(answer.id, "No, not yet.")
        why = {hit.text: hit.why for hit in memory.recall("did you go", explain=True)}
        assert why["No, not yet."]["previous lexical"] > why["Shall we talk about the boiler?"]["previous lexical"]
        assert question.id


# -- forget


def test_forget_takes_every_version(mem):
    first = mem.remember("I live in Oslo")
    second = mem.revise(first.id, "I live in Bergen")
    kept = mem.remember("The boiler is broken")
    erased = mem.forget(second.id)
    assert set(erased.ids) == {first.id, second.id} and erased.count == 2 and erased.log_truncated
    assert mem.list() == [kept] and mem.verify() == []
    with pytest.raises(NotFoundError):
        mem.get(first.id)


def test_forget_by_filter_session_and_user(mem):
    mem.remember("a", metadata={"topic": "x"})
    mem.remember("b", metadata={"topic": "y"})
    mem.remember("c", session="s-1")
    mem.remember("d", user="ben")
    assert mem.forget(where={"topic": "x"}).count == 1
    assert mem.forget(session="s-1").count == 1
    assert [r.text for r in mem.list()] == ["b"]
    assert mem.forget(user="ana").count == 1
    assert mem.list() == [] and [r.text for r in mem.list(user="ben")] == ["d"]
    assert mem.forget(where={"topic": "none"}).count == 0


def test_forget_without_saying_what_is_refused(mem):
    mem.remember("a")
    with pytest.raises(ValueError, match="erase everything"):
        mem.forget()
    assert len(mem.list()) == 1


def test_what_was_forgotten_does_not_come_back_by_import_but_may_be_said_again(mem, tmp_path):
    chat = tmp_path / "chat.jsonl"
    chat.write_text(json.dumps({"role": "user", "content": "My PIN is on the fridge", "at": MARCH}) + "\n")
    assert mem.load(chat).added == 1
    mem.forget(mem.list()[0].id)
    again = mem.load(chat)
    assert (again.added, again.known) == (0, 1) and mem.list() == []
    mem.remember("My PIN is on the fridge")
    assert len(mem.list()) == 1


# -- recall, context


def test_recall_finds_by_words_and_by_meaning(tmp_path):
    with Memory(tmp_path / "m.db") as memory:
        memory.remember_many(["The boiler is broken", "I'm allergic to peanuts", "Invoice RX-4471 is open"])
        assert memory.recall("invoice RX-4471")[0].text == "Invoice RX-4471 is open"
        assert memory.recall("which food makes me ill?")[0].text == "I'm allergic to peanuts"


def test_recall_answers_the_demo_questions(demo):
    questions = json.loads((DEMO / "questions.json").read_text("utf-8"))
    found = [
        any(
            q["answer_contains"] in hit.text and hit.record.session == q["session"]
            for hit in demo.recall(q["question"], k=5)
        )
        for q in questions
    ]
    assert sum(found) >= len(questions) - 1, [q["question"] for q, ok in zip(questions, found, strict=True) if not ok]


def test_recall_is_repeatable_and_bounded_by_k(demo):
    first = demo.recall("dog", k=7, explain=True)
    assert len(first) == 7
    assert [(h.id, h.score, h.why) for h in first] == [
        (h.id, h.score, h.why) for h in demo.recall("dog", k=7, explain=True)
    ]
    assert [h.id for h in demo.recall("dog", k=3)] == [h.id for h in first[:3]]
    assert len({h.id for h in demo.recall("dog", k=1_000)}) == len(demo.recall("dog", k=1_000))


def test_scores_fall_from_1_to_0_and_min_score_cuts(demo):
    scores = [hit.score for hit in demo.recall("allergy", k=50)]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 1
    assert [h.score for h in demo.recall("allergy", k=50, min_score=0.5)] == [s for s in scores if s >= 0.5]


def test_explain_names_each_signal(demo):
    hits = demo.recall("peanuts", explain=True)
    for hit in hits:
        assert set(hit.why) == {*WEIGHTS, "known"}
        assert hit.score == pytest.approx(1 / (1 + math.exp(-sum(hit.why.values()))), abs=1e-5)
    assert hits[0].why["lexical"] > 0 and len({hit.why["known"] for hit in hits}) == 1
    assert demo.recall("peanuts")[0].why is None


def test_a_question_about_the_user_prefers_the_user_and_one_about_you_the_assistant(tmp_path):
    with Memory(tmp_path / "m.db") as memory:
        memory.observe(
            [
                {"role": "user", "content": "A book on Lisbon would be nice", "at": MARCH},
                {"role": "assistant", "content": "A book on Lisbon would be nice", "at": MARCH},
            ],
            session="s",
        )
        assert memory.recall("which book did I want?")[0].record.role == "user"
        assert memory.recall("which book did you want?")[0].record.role == "assistant"


def test_a_question_that_names_one_speaker_prefers_that_speaker(tmp_path):
    with Memory(tmp_path / "m.db") as memory:
        memory.remember_many({"text": "I went to the dentist", "speaker": name} for name in ("Ana Silva", "Ben"))
        assert memory.recall("did Ben see a dentist?")[0].record.speaker == "Ben"
        assert memory.recall("did Ana see a dentist?")[0].record.speaker == "Ana Silva"


def test_recall_narrows_by_time_kind_session_and_trust(mem):
    mem.remember("tea in January", at="2026-01-10")
    mem.remember("tea in February", at="2026-02-10", kind="habit", trust=0.2, session="s")
    texts = lambda **narrowed: [h.text for h in mem.recall("tea", **narrowed)]  # noqa: E731
    assert texts(since="2026-02-01") == ["tea in February"]
    assert texts(until="2026-02-01") == ["tea in January"]
    assert texts(kinds=["habit"]) == texts(session="s") == ["tea in February"]
    assert texts(min_trust=0.5) == ["tea in January"]
    assert texts(kinds=[]) == []


def test_what_expired_is_not_seen(mem, clock):
    record = mem.remember("The code is 4471", expires_at="2026-03-02")
    assert len(mem.list()) == len(mem.recall("code")) == 1
    clock.at = "2026-03-02"
    assert mem.list() == mem.recall("code") == []
    with pytest.raises(NotFoundError):
        mem.get(record.id)
    assert mem.forget(user="ana").count == 1


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "a AND",
        "NEAR(x y",
        "*",
        "text:x",
        "(",
        "-",
        "^x",
        "x' or 1=1 --",
        "\0",
        "\ud800",
        "日本語",
        "🙃",
        "{}",
        "a*b",
        "?",
    ],
)
def test_any_text_is_a_query(mem, query):
    mem.remember("x marks the spot")
    assert [h.text for h in mem.recall(query)] == ["x marks the spot"]


def test_a_pasted_page_is_a_query(demo):
    page = " ".join(
        json.loads(line)["content"] for line in (DEMO / "conversation.jsonl").read_text("utf-8").splitlines()
    )
    assert len(demo.recall(page * 3)) == 10


@pytest.mark.parametrize("query", ["\u200b", "\ufeff", "\u200b\u200b x"])
def test_a_query_without_any_token_gives_finite_scores(demo, query):
    hits = demo.recall(query, explain=True)
    assert hits
    for hit in hits:
        signals = [part for name, part in hit.why.items() if name != "known"]
        assert all(math.isfinite(part) and part >= 0 for part in signals) and math.isfinite(hit.why["known"])
        assert 0 <= hit.score <= 1


def test_a_run_without_spaces_keeps_to_the_budget(tmp_path):
    with Memory(tmp_path / "m.db") as memory:
        memory.remember("x" * 200_000)
        memory.remember("ก" * 2_000)
        for query in ("x", "ก"):
            assert len(memory.context(query, budget_tokens=60).text) < 400


def test_a_note_is_found_by_its_heading(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text("# House\n\n## Plumber\n\nMr. Sato, 0664 123\n\n## Baker\n\nFrau Gruber, open till six\n")
    with Memory(tmp_path / "m.db") as memory:
        memory.load(path)
        hit = memory.recall("plumber")[0]
        assert hit.text == "Plumber: Mr. Sato, 0664 123" and hit.metadata["heading"] == "House > Plumber"


def test_a_revision_cannot_lie_in_the_future(mem):
    first = mem.remember("I live in Oslo")
    with pytest.raises(ValueError, match="to come"):
        mem.revise(first.id, "I live in Bergen", at="2027-01-01")
    assert [r.text for r in mem.list()] == ["I live in Oslo"]


def test_a_new_file_is_its_owners_alone(tmp_path, encoder):
    with Memory(tmp_path / "m.db", encoder=encoder) as memory:
        memory.remember("private")
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("where", [{"customer": None}, {"n": {}}, {"n": {"ne": 99}}, {"NOT": {"n": 99}}, {}])
def test_forget_refuses_a_filter_that_an_unset_variable_makes(mem, where):
    for number in range(3):
        mem.remember(f"note {number}", metadata={"n": number})
    with pytest.raises(ValueError, match="forget"):
        mem.forget(where=where)
    assert mem.stats().records == 3
    assert mem.forget(where=where, user="ana").count == 3


def test_verify_is_not_misled_by_what_another_connection_wrote(tmp_path, encoder):
    """A connection that had searched before reported damage in FTS5 where there was none."""
    with Memory(tmp_path / "m.db", encoder=encoder) as one, Memory(tmp_path / "m.db", encoder=encoder) as two:
        one.remember_many(f"filler {number} lorem" for number in range(300))
        one.recall("lorem")
        for number in range(200):
            two.remember(f"fact {number}")
        held = len(one._db._idle)
        assert one.verify() == [] and len(one._db._idle) == held


def test_recall_of_an_empty_memory_is_empty(mem):
    assert mem.recall("anything") == [] and str(mem.context("anything")) == ""


def test_context_is_a_block_within_its_budget(demo):
    context = demo.context("What am I allergic to?", budget_tokens=120)
    assert 0 < context.tokens <= 120 and context.hits
    assert "allergic to peanuts" in str(context)
    wide = demo.context("What am I allergic to?", budget_tokens=800)
    assert {hit.id for hit in context.hits} <= {hit.id for hit in wide.hits}


# -- list, stats, rebuild, close


def test_list_is_newest_first_and_pages(mem):
    for month in (2, 1, 3):
        mem.remember(f"month {month}", at=f"2026-0{month}-01")
    assert [r.text for r in mem.list()] == ["month 3", "month 2", "month 1"]
    assert [r.text for r in mem.list(limit=1, offset=1)] == ["month 2"]
    assert mem.list(limit=0) == []


def test_stats_count_one_scope_and_the_whole_file(mem):
    first = mem.remember("a", speaker="Ana", at="2026-01-01")
    mem.revise(first.id, "b")
    mem.observe(CHAT, session="s")
    mem.remember("c", user="ben")
    stats = mem.stats()
    assert (stats.records, stats.superseded, stats.sessions) == (3, 1, 1)
    assert stats.kinds == {"turn": 2, "note": 1} and stats.speakers == {"Ana": 2}
    assert stats.last_at == datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
    assert stats.file_bytes > 0 and stats.tables["records"] > 0 and stats.encoder == "tiny"
    assert stats.schema == mem._db.schema


def test_rebuild_makes_the_same_indexes_again(mem):
    for number in range(20):
        mem.remember(f"note {number} about peanuts")
    before = [(h.id, h.score) for h in mem.recall("peanuts 7")]
    with mem._db.transaction() as connection:
        connection.execute("delete from vectors where id % 2")
        connection.execute("delete from token_codes where id % 3 = 0")
        connection.execute("insert into records_fts (records_fts) values ('delete-all')")
    problems = " ".join(mem.verify())
    assert "10 records have no vector" in problems and "no token codes" in problems and "full-text" in problems
    done = []
    mem.rebuild(progress=lambda count, total: done.append((count, total)))
    assert mem.verify() == [] and done == [(20, 20)]
    assert [(h.id, h.score) for h in mem.recall("peanuts 7")] == before


def test_compact_gives_back_what_forgetting_left_and_changes_nothing_else(mem):
    mem.remember_many(f"note {number} about peanuts and number {number * 7}" for number in range(600))
    mem.forget(user="ana")
    kept = mem.remember_many(f"letter {number} from Oslo" for number in range(50))
    said = [(hit.id, hit.score) for hit in mem.recall("letter 7")]
    with mem._db.read() as connection:  # another reader, for whom the old state must stay
        assert connection.execute("select count(*) from records").get == 50
        assert mem.compact() <= 0
        assert connection.execute("select count(*) from records").get == 50
    assert mem.stats().file_bytes > 400_000
    freed = mem.compact()
    assert freed > 400_000 and mem.stats().file_bytes < 450_000 and mem.compact() < 20_000
    assert mem.verify() == [] and [(hit.id, hit.score) for hit in mem.recall("letter 7")] == said
    assert sorted(record.id for record in mem.list(limit=100)) == sorted(record.id for record in kept)


def test_compact_leaves_a_small_memory_sound(encoder):
    with Memory(":memory:", encoder=encoder) as memory:
        assert memory.compact() <= 4096  # a page that the schema does not need
        memory.remember("x")
        memory.compact()
        assert memory.verify() == [] and [hit.text for hit in memory.recall("x")] == ["x"]


def test_a_memory_in_memory_needs_no_file(encoder):
    with Memory(":memory:", encoder=encoder) as memory, Memory(":memory:", encoder=encoder) as other:
        memory.remember("x")
        assert [h.text for h in memory.recall("x")] == ["x"] and memory.verify() == [] and other.list() == []


def test_what_was_written_is_there_after_reopening(tmp_path, encoder):
    with Memory(tmp_path / "m.db", encoder=encoder) as memory:
        record = memory.remember("kept")
    with Memory(tmp_path / "m.db", encoder=encoder, durability="full") as memory:
        assert memory.list() == [record]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.db"]


# -- AsyncMemory


def test_async_verbs_do_what_the_plain_ones_do(tmp_path, encoder):
    async def story():
        async with AsyncMemory(tmp_path / "m.db", user="ana", encoder=encoder) as memory:
            record = await memory.remember("I like tea")
            await memory.observe(CHAT, session="s")
            hits = await asyncio.gather(*(memory.recall("tea") for _ in range(8)))
            assert {tuple(h.id for h in found) for found in hits} == {tuple(h.id for h in hits[0])}
            assert hits[0][0].id == record.id
            assert (await memory.forget(record.id)).count == 1
            return await memory.list()

    assert len(asyncio.run(story())) == 2


def test_an_awaited_recall_leaves_the_event_loop_free(tmp_path, encoder):
    import time

    class Slow(type(encoder)):
        def encode(self, texts):
            time.sleep(0.3)
            return super().encode(texts)

    async def story():
        async with AsyncMemory(tmp_path / "m.db", encoder=Slow()) as memory:
            task = asyncio.create_task(memory.remember("x"))
            ticks = 0
            while not task.done():
                await asyncio.sleep(0.01)
                ticks += 1
            return ticks

    assert asyncio.run(story()) > 5
