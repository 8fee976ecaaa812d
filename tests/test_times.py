"""Times that texts speak of: every expression to the exact interval, and what only looks like one to none."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmem.records import FIRST_INSTANT, LAST_INSTANT, instant, moment
from agentmem.times import MOST_YEARS, asks_when, named_times, spoken_of

DAY_MS = 86_400_000
SAID = "2023-05-08T13:00:00Z"  # a Monday


def intervals(text, at=SAID):
    """What *text* speaks of, as "2023-05-07" for a day and "2023-05-01..2023-05-08" for more, the end excluded."""
    return [written(span) for span in spoken_of(text, None if at is None else instant(at))]


def written(span):
    first, last = (iso(ms) for ms in (span.since, span.until))
    return first if span.until - span.since == DAY_MS else f"{first}..{last}"


def iso(milliseconds):
    return moment(milliseconds).date().isoformat()


# Said on Monday, 8 May 2023.
SPOKEN = [
    # days beside today
    ("I planted the tomatoes yesterday.", "2023-05-07"),
    ("Yesterday's rehearsal ran late", "2023-05-07"),
    ("The parcel came the day before yesterday.", "2023-05-06"),
    ("We leave the day after tomorrow!", "2023-05-10"),
    ("Remind me tomorrow to water the fern", "2023-05-09"),
    ("I had the exam today", "2023-05-08"),
    ("dinner at ours tonight?", "2023-05-08"),
    ("The alarm went off last night", "2023-05-07"),
    ("I swam two kilometres this morning", "2023-05-08"),
    # so long ago
    ("We moved in two days ago.", "2023-05-06"),
    ("Two days ago and then again we lost power", "2023-05-06"),
    ("2-3 weeks ago I fell", "2023-04-17..2023-05-01"),
    ("three or four days ago", "2023-05-04..2023-05-06"),
    ("It arrived 10 days ago", "2023-04-28"),
    ("She called a week ago", "2023-05-01..2023-05-08"),
    ("He quit three weeks ago", "2023-04-17..2023-04-24"),
    ("We hiked two weekends ago", "2023-04-29..2023-05-01"),
    ("They wed a month ago", "2023-04-01..2023-05-01"),
    ("I sold the van eighteen months ago, no, 18 months ago", "2021-11-01..2021-12-01"),
    ("Grandpa retired ten years ago", "2013-01-01..2014-01-01"),
    ("I quit smoking a year ago", "2022-01-01..2023-01-01"),
    ("That was a few days ago", "2023-05-03..2023-05-07"),
    ("a couple of weeks ago we adopted a parrot", "2023-04-17..2023-05-01"),
    ("I saw it couple months ago", "2023-02-01..2023-04-01"),
    ("several years ago I broke my arm", "2016-01-01..2021-01-01"),
    ("I was there a few years back", "2018-01-01..2022-01-01"),
    ("I have been knitting for 3 years now", "2020-01-01..2021-01-01"),
    ("Four months now, and it still hurts", "2023-01-01..2023-02-01"),
    # last, this, next
    ("I finished the quilt last week", "2023-05-01..2023-05-08"),
    ("last month we repainted the hall", "2023-04-01..2023-05-01"),
    ("Last year was rough", "2022-01-01..2023-01-01"),
    ("This week I am on call", "2023-05-08..2023-05-15"),
    ("The rent went up this month", "2023-05-01..2023-06-01"),
    ("this year I want to learn Greek", "2023-01-01..2024-01-01"),
    ("next week I fly to Oslo", "2023-05-15..2023-05-22"),
    ("The audit is next month", "2023-06-01..2023-07-01"),
    ("We marry next year", "2024-01-01..2025-01-01"),
    ("We sailed last weekend", "2023-05-06..2023-05-08"),
    ("We are camping this weekend", "2023-05-13..2023-05-15"),
    ("What a storm we had this weekend, it flooded the cellar", "2023-05-06..2023-05-08"),
    ("I slept over the weekend", "2023-05-06..2023-05-08"),
    ("We will paint over the weekend", "2023-05-13..2023-05-15"),
    ("this past weekend was lovely", "2023-05-06..2023-05-08"),
    ("the week before last I was ill", "2023-04-24..2023-05-01"),
    ("the month after next we move", "2023-07-01..2023-08-01"),
    ("over the past two weeks it rained", "2023-04-24..2023-05-09"),
    ("in the last month I read nine books", "2023-04-08..2023-05-09"),
    ("the next 3 days are full", "2023-05-08..2023-05-12"),
    ("We will open in two weeks", "2023-05-22..2023-05-29"),
    ("the lease ends in a year's time", "2024-01-01..2025-01-01"),
    ("three months from now it is over", "2023-08-01..2023-09-01"),
    # weekdays
    ("last Friday I got the keys", "2023-05-05"),
    ("last Monday it snowed", "2023-05-01"),
    ("I joined the choir last Tues.", "2023-05-02"),
    ("Last Fri the boiler broke", "2023-05-05"),
    ("next Wednesday is the hearing", "2023-05-17"),
    ("this Thursday the plumber comes", "2023-05-11"),
    ("We met on Friday", "2023-05-05"),
    ("We are flying on Friday", "2023-05-12"),
    ("I met her on Tuesday at the market", "2023-05-02"),
    ("See you Wednesday!", "2023-05-10"),
    ("The match is on Sat", "2023-05-13"),
    ("Sunday night was wild", "2023-05-07"),
    ("the coming Saturday", "2023-05-13"),
    ("On Thursday last week the fridge died", "2023-05-04"),
    ("the Tuesday of next week", "2023-05-16"),
    ("the Friday before last we ate out", "2023-04-28"),
    ("the Tuesday after next", "2023-05-23"),
    # dates
    ("My appointment was on 7 May", "2023-05-07"),
    ("due May 12th at noon", "2023-05-12"),
    ("on the 7th of May, 2023 we signed", "2023-05-07"),
    ("May 7, 2021 was the day", "2021-05-07"),
    ("Sunday 7 May 2023", "2023-05-07"),
    ("Saturday, March 4th, 2023", "2023-03-04"),
    ("Logged 2023-05-07 in the ledger", "2023-05-07"),
    ("backup of 2023-05-07T10:00:00Z", "2023-05-07"),
    ("signed 2021/12/31", "2021-12-31"),
    ("born 25/12/1990", "1990-12-25"),
    ("paid on 12/25/2022", "2022-12-25"),
    ("paid on 25.12.2022", "2022-12-25"),
    ("due 31/01/23", "2023-01-31"),
    ("held on 05/05/2023", "2023-05-05"),
    ("the gale of 3 January", "2023-01-03"),
    ("my flight is on 3 January", "2024-01-03"),
    ("I will be away on 3 January", "2024-01-03"),
    ("the fair runs 12-14 May", "2023-05-12..2023-05-15"),
    ("closed from June 3 to 5, 2022", "2022-06-03..2022-06-06"),
    ("we met on the 3rd, at noon", "2023-05-03"),
    ("29 February was odd", "2020-02-29"),
    ("Sept. 3, 2022", "2022-09-03"),
    # months, seasons, years
    ("I ran a marathon in March", "2023-03-01..2023-04-01"),
    ("in may we started", "2023-05-01..2023-06-01"),
    ("It closed in June", "2022-06-01..2022-07-01"),
    ("The congress is in September.", "2023-09-01..2023-10-01"),
    ("We will move in June", "2023-06-01..2023-07-01"),
    ("last May I was in Lima", "2022-05-01..2022-06-01"),
    ("next April the lease ends", "2024-04-01..2024-05-01"),
    ("May 2023 was busy", "2023-05-01..2023-06-01"),
    ("in sept 2021", "2021-09-01..2021-10-01"),
    ("back in November of 2019", "2019-11-01..2019-12-01"),
    ("October was cold", "2022-10-01..2022-11-01"),
    ("early June 2022", "2022-06-01..2022-06-11"),
    ("it happened in mid-July 2021", "2021-07-11..2021-07-22"),
    ("in mid-June I moved", "2022-06-11..2022-06-21"),
    ("late in August 2020", "2020-08-22..2020-09-01"),
    ("at the end of last month", "2023-04-21..2023-05-01"),
    ("by the end of the year", "2023-09-02..2024-01-01"),
    ("last summer we kept bees", "2022-06-01..2022-09-01"),
    ("next winter", "2023-12-01..2024-03-01"),
    ("this spring I planted leeks", "2023-03-01..2023-06-01"),
    ("the summer of 2018", "2018-06-01..2018-09-01"),
    ("during the summer we swam", "2022-06-01..2022-09-01"),
    ("I lived there in 2022", "2022-01-01..2023-01-01"),
    ("back in 2019 we had a cat", "2019-01-01..2020-01-01"),
    ("I have played since 2016", "2016-01-01..2017-01-01"),
    ("from 2015 to 2018 I taught", "2015-01-01..2019-01-01"),
    ("music of the 1990s", "1990-01-01..2000-01-01"),
    ("a novel from the 1800s", "1800-01-01..1900-01-01"),
    ("in 2000 I was nine", "2000-01-01..2001-01-01"),
    ("late 2021", "2021-09-02..2022-01-01"),
    # beside and inside another time
    ("the week before 9 June 2023", "2023-06-02..2023-06-09"),
    ("the weekend of 3 June 2023", "2023-06-03..2023-06-05"),
    ("at the weekend of the 20th, we hope", "2023-05-20..2023-05-22"),
    ("the weekend before 17 July 2023", "2023-07-15..2023-07-17"),
    ("the weekend after 17 July 2023", "2023-07-22..2023-07-24"),
    ("the week of 23 August 2023", "2023-08-21..2023-08-28"),
    ("the Friday before 15 July 2023", "2023-07-14"),
    ("the Monday after Christmas 2022", "2022-12-26"),
    ("two weeks before 11 August 2023", "2023-07-24..2023-07-31"),
    ("three days after Halloween 2021", "2021-11-03"),
    ("the day before New Year's Eve", "2022-12-30"),
    ("the month before June 2022", "2022-05-01..2022-06-01"),
    ("first weekend of August 2023", "2023-08-05..2023-08-07"),
    ("the last Monday in May 2023", "2023-05-29"),
    ("the second week of November 2022", "2022-11-08..2022-11-15"),
    ("the last week of July", "2022-07-25..2022-08-01"),
    # feasts
    ("We were snowed in at Christmas", "2022-12-25"),
    ("last Christmas", "2022-12-25"),
    ("on Christmas Eve 2020 it rained", "2020-12-24"),
    ("New Year’s Eve was quiet", "2022-12-31"),
    ("dressed as a fox for Halloween", "2022-10-31"),
    ("the 4th of July parade, 4th of July", "2023-07-04"),
    ("Thanksgiving 2023", "2023-11-23"),
    ("at Easter 2024", "2024-03-31"),
    ("on Valentine's Day she proposed", "2023-02-14"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "interval"), SPOKEN)
def test_a_time_is_resolved_against_when_it_was_said(text, interval):
    assert set(intervals(text)) == {interval}


NONE = [
    "", "Hello there, how are you?", "I may go", "You may 5 times retry", "May I come in?", "At least 20 may come",
    "We march on", "They march 10 miles", "this may be wrong", "This march against the cuts grew", "the March Hare",
    "just a second", "the second time", "in seconds", "The sun was hot", "last sun of the evening", "We sat down",
    "he sat 3 exams", "They wed young", "mon ami", "release 3.11.7", "v2023.05.07", "see RFC 2023", "at 5 pm",
    "at 17:30", "around noon", "It costs $2023", "€1999 in total", "call 555-12-2023", "call 020 7946 0958",
    "4/5 stars", "07/05/2023", "30/02/2023", "2023-02-30", "30 February", "February 31, 2023", "2023-13-01",
    "2000 words", "in 2000 words", "in 1500 steps",
    "a total of 1900 points", "every Sunday", "on Mondays", "Monday to Friday",
    "a Friday kind of mood", "on Black Friday", "for three years", "I read it in two weeks", "in a year I learned it",
    "April is my sister", "a gift for June", "Augustus", "Summer is my favourite", "hurt in the fall",
    "the last week of the course", "the last Friday of term", "on the 5th floor", "on the 2nd try", "the 3rd edition",
    "Christmas tree", "our Halloween costume", "years ago", "ages ago", "the other day", "some day", "one day", "daily",
    "day by day", "back and forth", "a weekly call", "the year of the rabbit", "24/7", "50/50", "1/2 cup",
    "192.168.1.254",
    "a 10-day trip", "5-3 win", "room 2022", "the last one", "next time", "this one", "last name", "10 days later",
    "The month flew by", "page 12 of 2023", "in the coming weeks", "for just under a year now", "June bugs",
    "| Monday | Friday |", "Friday: pasta",
    "winters (December-February)",
    "a year and two weeks ago",
]  # fmt: skip


@pytest.mark.parametrize("text", NONE)
def test_what_only_looks_like_a_time_is_none(text):
    assert intervals(text) == []


def test_a_text_of_unknown_date_speaks_only_of_what_names_a_year():
    text = "Yesterday, on Friday, in May, two days ago, on 7 May, at Christmas; then 7 May 2021, June 2020, in 2019."
    assert intervals(text, None) == ["2021-05-07", "2020-06-01..2020-07-01", "2019-01-01..2020-01-01"]


def test_spans_point_at_the_words():
    text = "İstanbul: we met the week before 9 June 2023, and\nlast\nFriday."
    assert [text[span.start : span.end] for span in spoken_of(text, instant(SAID))] == [
        "the week before 9 June 2023",
        "last\nFriday",
    ]


def test_a_question_of_now_has_the_same_times():
    assert intervals("What did we do last week?") == ["2023-05-01..2023-05-08"]
    assert intervals("When did I plant the tomatoes?") == []


@pytest.mark.parametrize(
    ("said", "text", "interval"),
    [
        ("2023-05-07", "last week", "2023-04-24..2023-05-01"),  # a Sunday still belongs to the week
        ("2023-05-13", "this weekend", "2023-05-13..2023-05-15"),
        ("2023-12-26", "last summer", "2023-06-01..2023-09-01"),
        ("2023-12-08", "last August", "2023-08-01..2023-09-01"),
        ("2024-01-07", "On Friday I heard", "2024-01-05"),
        ("2024-01-15", "last month", "2023-12-01..2024-01-01"),
        ("2024-02-29", "last year", "2023-01-01..2024-01-01"),
        ("2023-05-12", "It was on Friday", "2023-05-05"),  # who means today says so
        ("2023-05-14", "next Monday", "2023-05-15"),
        ("2023-12-20", "the party is at Christmas", "2023-12-25"),
        ("2023-05-08T00:00:00Z", "yesterday", "2023-05-07"),
        ("2023-05-08T23:59:59.999Z", "yesterday", "2023-05-07"),
        ("1969-07-20", "yesterday", "1969-07-19"),
    ],
)
def test_the_day_it_was_said_decides(said, text, interval):
    assert intervals(text, said) == [interval]


def test_nothing_lies_outside_the_years_1_to_9999():
    assert spoken_of("yesterday, last year, 5 years ago", FIRST_INSTANT) == []
    assert spoken_of("tomorrow, next year", LAST_INSTANT) == []
    assert [span.until for span in spoken_of("today, 9999-12-31", LAST_INSTANT)] == [LAST_INSTANT] * 2
    assert intervals("0000-01-01 and 0001-01-01") == ["0001-01-01"]


WORDS = """
    the a in on of at last next this past coming week weekend month year day days weeks before after ago back now early
    late mid- end first second two 3 29 31 2023 9999 0 May may March February Friday sun summer winter Christmas Easter
    yesterday tomorrow couple few from to and , . 7th 2023-05-07 31/12/2022 - / will was İ ٣
"""
TEXTS = st.lists(st.sampled_from(WORDS.split()), max_size=25).map(" ".join) | st.text()


@given(TEXTS, st.none() | st.integers(FIRST_INSTANT, LAST_INSTANT))
@example("the weekend after yesterday", LAST_INSTANT)
@example("the week before yesterday", FIRST_INSTANT + DAY_MS)
@example("winter 9999", None)
def test_spans_lie_in_the_text_and_in_time(text, at):
    end = 0
    for span in spoken_of(text, at):
        assert end <= span.start < span.end <= len(text)
        assert FIRST_INSTANT <= span.since < span.until <= LAST_INSTANT
        end = span.end


@pytest.mark.parametrize(
    "unit",
    ["1", "may ", "last week ", "the ", " ", "\n", "in a couple of ", "2023-", "12/", "on the weekend of the ", "a",
     "two weeks before ", "first week of May", "is doing ", "7 May, ", "from 2015 to ", "on 3rd to ", "İ2", "jan"],
)  # fmt: skip
def test_long_texts_take_time_in_proportion(unit):
    text = unit * (60_000 // len(unit))
    started = time.process_time()
    spoken_of(text, instant(SAID))
    assert time.process_time() - started < 20  # it takes less than one; a pattern that backtracks takes hours


@pytest.mark.parametrize(
    "query",
    ["When did I plant the tomatoes?", "when's the hearing", "What date was the wedding?", "which year did we move",
     "What month was it?", "In what year did she retire?", "How long ago did he call?", "Since when do you knit?",
     "How long has Ana had the dog?", "How many weeks ago was the storm?", "Tell me when the lease ends",
     "On which day do we leave?", "what was the date of the audit"],
)  # fmt: skip
def test_a_question_for_a_time_is_known(query):
    assert asks_when(query)


@pytest.mark.parametrize(
    "query",
    ["", "What did we do last week?", "When I was in Lima, what did I eat?", "Who was there when it rained?",
     "what day-to-day tasks do I have", "How long is the bridge?", "What time is the train?", "how many dogs are there",
     "Where did we go in 2022?"],
)  # fmt: skip
def test_other_questions_do_not_ask_when(query):
    assert not asks_when(query)


def named(query, now="2023-05-08", first="2021-03-01", last="2023-05-08"):
    """The times that *query* names, as `written` has them, oldest first."""
    return sorted(
        interval(since, until)
        for since, until in named_times(query, instant(now), lambda: (instant(first), instant(last)))
    )


def interval(since, until):
    return iso(since) if until - since == DAY_MS else f"{iso(since)}..{iso(until)}"


def mays(*years):
    return [f"{year}-05-01..{year}-06-01" for year in years]


# Asked on Monday, 8 May 2023, of what was said from March 2021 on.
NAMED = [
    ("What did we do last week?", ["2023-05-01..2023-05-08"]),
    ("What happened yesterday?", ["2023-05-07"]),
    ("What did Ana say on Friday?", ["2023-05-05"]),
    ("Where did we sail in 2019?", ["2019-01-01..2020-01-01"]),
    ("Who came on 7 May 2022?", ["2022-05-07"]),
    ("What did we plant last May?", ["2022-05-01..2022-06-01"]),
    ("What is on next May?", ["2024-05-01..2024-06-01"]),
    ("Who came last Christmas?", ["2022-12-25"]),
    ("What did we do in May 2022?", ["2022-05-01..2022-06-01"]),
    ("Where were we a year ago?", ["2022-01-01..2023-01-01"]),
    ("What happened yesterday, and in 2019?", ["2019-01-01..2020-01-01", "2023-05-07"]),
    ("Yesterday? What was yesterday?", ["2023-05-07"]),
    ("What did we do?", []),
    ("May I ask who may come?", []),
    ("", []),
]


@pytest.mark.parametrize(("query", "intervals"), NAMED)
def test_a_question_names_times_by_the_day_it_is_asked(query, intervals):
    assert named(query) == intervals


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("What did we do in May?", mays(2021, 2022, 2023)),
        ("What did we do on 7 May?", ["2021-05-07", "2022-05-07", "2023-05-07"]),
        ("Who came at Christmas?", ["2021-12-25", "2022-12-25"]),
        ("Where did we swim in the summer?", ["2021-06-01..2021-09-01", "2022-06-01..2022-09-01"]),
        ("Which books in the winter?", ["2020-12-01..2021-03-01", "2021-12-01..2022-03-01", "2022-12-01..2023-03-01"]),
        ("What did we do in December?", ["2021-12-01..2022-01-01", "2022-12-01..2023-01-01"]),
        ("What did we do in January?", ["2022-01-01..2022-02-01", "2023-01-01..2023-02-01"]),
    ],
)
def test_what_names_no_year_is_asked_of_every_year_there_is(query, there):
    assert set(named(query)) >= set(there)


def test_every_year_is_no_more_than_a_year_beyond_what_there_is():
    assert set(mays(2021, 2022, 2023)) <= set(named("in May")) <= set(mays(*range(2019, 2025)))


def test_the_year_of_one_time_does_not_stand_for_another():
    assert set(named("in May 2022 and at Christmas")) == {*named("at Christmas"), *mays(2022)}


def test_of_very_many_years_the_latest_are_asked():
    found = named("in May", first="0001-01-01", last="2023-05-08")
    assert len(found) <= MOST_YEARS + 1 and set(mays(*range(2000, 2024))) <= set(found)


@given(TEXTS, *[st.integers(FIRST_INSTANT, LAST_INSTANT)] * 3)
@example("in May, at Christmas, in the winter", LAST_INSTANT, FIRST_INSTANT, LAST_INSTANT)
@example("in May, at Christmas, in the winter", FIRST_INSTANT, FIRST_INSTANT, FIRST_INSTANT)
@example("in May, at Christmas, in the winter", LAST_INSTANT, LAST_INSTANT, LAST_INSTANT)
def test_named_times_lie_in_time_once_each_and_hold_what_the_question_speaks_of(query, now, one, other):
    found = named_times(query, now, lambda: (min(one, other), max(one, other)))
    assert len(set(found)) == len(found)
    assert all(FIRST_INSTANT <= since < until <= LAST_INSTANT for since, until in found)
    assert {(span.since, span.until) for span in spoken_of(query, now)} <= set(found)
