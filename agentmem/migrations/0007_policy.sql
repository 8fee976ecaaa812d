-- Schema 7: what may be stored, what was kept out, and what waits until a person has looked at it.
-- Tables of truth: policies, kept_out, quarantine.  Derived, made again by rebuild(): topics.

create table policies (              -- what may be stored, shown and shared, as a person wrote it down
    user text primary key,           -- whose rules they are; '' is everybody's without rules of their own
    text text,                       -- TOML; null: they have none of their own any more
    hlc integer not null,            -- hybrid logical clock of the write
    device integer not null references devices (id) -- who wrote it
) strict, without rowid;

create table kept_out (              -- how often a policy kept something out; never what it was
    user text not null,              -- from whose memory
    day text not null,               -- when, UTC: 2026-03-01
    action text not null check (action in ('redacted', 'refused', 'put aside')), -- what became of it
    rule text not null,              -- why: 'card number', 'health', 'reads like instructions' …
    device integer not null references devices (id), -- who counted: each device counts its own
    count integer not null,          -- how often, on that day
    hlc integer not null,            -- hybrid logical clock of the last time
    primary key (user, day, action, rule, device)
) strict, without rowid;

create table quarantine (            -- what was put aside until a person accepts or rejects it; no read sees it
    uid text primary key,            -- public id (UUIDv7)
    user text not null,              -- whose memory it would be
    agent text not null,             -- the agent it would belong to; '' is none in particular
    session text not null,           -- the conversation; '' is outside any
    source text,                     -- where it came from
    reason text not null,            -- why it was put aside
    draft text not null check (json_type(draft) = 'object'), -- what was handed in, as remember's arguments
    vector blob,                     -- int8[384], by which a flood is told
    content_hash blob not null unique, -- sha256 of what makes it the same thing said twice
    put_at integer not null,         -- when
    hlc integer not null,            -- hybrid logical clock of that
    device integer not null references devices (id) -- who put it there
) strict, without rowid;

create index quarantine_user on quarantine (user, put_at); -- what waits for somebody?

create table topics (                -- derived: sensitive topics that a text speaks of
    id integer not null references records (id), -- the record
    topic text not null,             -- 'health', 'distress' …
    primary key (id, topic)
) strict, without rowid;
