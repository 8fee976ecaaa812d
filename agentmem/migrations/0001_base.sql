-- Schema 1.  Instants are UTC milliseconds since 1970.  Intervals are half-open: from <= t < to.
-- Tables of truth: devices, scopes, records, tombstones, kinds.
-- Derived, made again by rebuild(): vectors, token_codes, traits, times, claims, keys,
-- records_fts, records_folded.

create table meta (                  -- what the file knows about itself
    key text primary key,            -- 'device', 'clock', 'encoder', 'erased' (clock of the last forgetting)
    value text not null              -- its value as text
) strict, without rowid;

create table devices (               -- every copy of this memory that has written a row in it
    id integer primary key,          -- local number
    uid text not null unique         -- the device's public id (UUIDv7); meta 'device' names our own
) strict;

create table scopes (                -- whose memory a record is
    id integer primary key,          -- local number
    user text not null,              -- the owner; '' is the default user
    agent text not null,             -- the agent it belongs to; '' is none in particular
    session text not null,           -- the conversation; '' is outside any
    unique (user, agent, session)
) strict;

create table records (               -- what was said or noted; its text is never changed
    id integer primary key autoincrement, -- local row number, never reused; it does not leave the file
    uid text not null unique,        -- public id: UUIDv7, unique across devices
    scope integer not null references scopes (id), -- whose it is
    position integer,                -- place within its conversation, in order of arrival; null outside one
    kind text not null,              -- 'turn' (of a conversation), 'note', or a kind of the user's own
    role text not null,              -- chat role: user, assistant, system, tool
    speaker text,                    -- name of who said it, where known
    text text not null,              -- the words
    occurred_at integer,             -- when it was said or happened; null where the source does not say
    recorded_at integer not null,    -- when this file took it in
    valid_from integer not null,     -- from when it held: occurred_at, else recorded_at
    valid_to integer,                -- until when it held: set when a revision takes its place
    status text not null check (status in ('active', 'superseded')), -- superseded: kept as history
    supersedes text,                 -- uid of the record that this one replaced
    importance real not null check (importance between 0 and 1), -- how much it matters, said by the caller
    confidence real not null check (confidence between 0 and 1), -- how sure the caller is of it
    trust real not null check (trust between 0 and 1), -- how far the source is trusted, set by calling code
    source text,                     -- where it came from: a tool, a file, an address
    expires_at integer,              -- from then on no read shows it
    metadata text not null check (json_type(metadata) = 'object'), -- the caller's own fields
    content_hash blob not null,      -- sha256 of what makes it the same thing said twice
    hlc integer not null,            -- hybrid logical clock of the write: (ms << 16) + counter
    device integer not null references devices (id), -- who wrote it
    stamps text check (stamps is null or json_valid(stamps)) -- {column: [hlc, device uid]} of later changes
) strict;

create index records_position on records (scope, position); -- neighbours in a conversation
create index records_hash on records (content_hash);        -- is it here already?
create index records_supersedes on records (supersedes) where supersedes is not null; -- history

create table tombstones (            -- what was forgotten, so that it never comes back
    uid text primary key,            -- id of the forgotten record
    content_hash blob not null,      -- what an import must not bring in again
    forgotten_at integer not null,   -- when
    hlc integer not null,            -- hybrid logical clock of the forgetting
    device integer not null references devices (id) -- who forgot
) strict, without rowid;

create index tombstones_hash on tombstones (content_hash); -- is it forgotten?

create table kinds (                 -- kinds of record whose metadata has fields of its own, as the caller defined them
    name text primary key,           -- records.kind
    schema text not null check (json_type(schema) = 'object'), -- JSON Schema of the metadata
    key text not null check (json_type(key) = 'array'), -- fields by which a record takes the place of the one before
    searchable text not null check (json_type(searchable) = 'array'), -- fields whose values belong to the text
    single integer not null check (single in (0, 1)), -- 1: each record takes the place of the one before
    hlc integer not null,            -- hybrid logical clock of the definition
    device integer not null references devices (id) -- who defined it
) strict, without rowid;

create table vectors (               -- derived: one sentence vector per record
    id integer primary key references records (id), -- the record
    vector blob not null check (length(vector) = 384) -- int8[384], largest component +-127, as sqlite-vec reads it
) strict;

create table token_codes (           -- derived: one 1-bit code per content token, for late interaction
    id integer primary key references records (id), -- the record
    codes blob not null check (length(codes) % 48 = 0) -- 48 bytes a token: the signs of its 384 components, as sqlite-vec packs bits
) strict;

create table traits (                -- derived: what ranking asks of a text, so that it need not read it
    id integer primary key references records (id), -- the record
    length integer not null,         -- characters
    asks integer not null,           -- 1: ends with a question mark
    states integer not null,         -- 1: holds more than questions
    tells integer not null,          -- how often somebody says in it what they did, as far as 2
    dated integer not null,          -- 1: speaks of a time
    signs blob check (length(signs) = 48) -- of its vector's 384 components, as sqlite-vec packs bits; null without one
) strict;

create table times (                 -- derived: the times that a text speaks of: "yesterday", said on 8 May, is 7 May
    id integer not null references records (id), -- the record
    since integer not null,          -- from then
    until integer not null,          -- to before then
    primary key (id, since, until)
) strict, without rowid;

create index times_until on times (until); -- what speaks of a time?

create table claims (                -- derived: what a text says of somebody; facts follow from all of them
    record integer not null references records (id), -- the record that says so
    number integer not null,         -- place in it
    subject text not null,           -- of whom, a name without case and accents; '' is the user, "ana's sister" a relation
    predicate text not null,         -- 'lives in', 'likes', 'sister' …
    object text not null,            -- as it was said
    object_key text not null,        -- the same without case and accents
    own integer not null,            -- 1: said by the subject itself
    holds integer not null,          -- 1: it is so; 0: it is not
    ended integer not null,          -- 1: it was so until then
    confidence real not null,        -- how sure the words are, before the record's own confidence
    primary key (record, number)
) strict, without rowid;

create index claims_subject on claims (subject, predicate); -- what is said of somebody?
create index claims_object on claims (object_key, predicate); -- who is called so?

create table keys (                  -- derived: the keys of records whose kind has one, or is single
    record integer primary key references records (id), -- the record
    hash blob not null               -- sha256 of scope, kind and the key's fields
) strict;

create index keys_hash on keys (hash); -- whose place does it take?

create virtual table records_fts using fts5 (  -- derived: full text over the records
    speaker,                         -- a name belongs to what is searched
    text,                            -- the words
    content="records",               -- double quotes: other tools look for exactly this
    content_rowid="id",              -- the record
    tokenize="porter unicode61 remove_diacritics 2" -- English stems; accents do not matter
);

create virtual table records_folded using fts5 ( -- derived: what records_fts cannot find of text that is not plain English
    terms,                           -- words.folded_terms of speaker and text: parts of words, in one spelling
    content="",                      -- the terms are kept in the index alone
    tokenize="ascii tokenchars '+#'" -- terms are split at spaces and, beyond ASCII, nowhere: in every version of SQLite
);

create view memories as              -- for people with an SQL shell: what is true now, newest first
select
    r.uid,                           -- public id
    s.user, s.agent, s.session,      -- scope
    r.kind, r.role, r.speaker, r.text, -- what was said
    strftime('%Y-%m-%dT%H:%M:%SZ', r.occurred_at / 1000.0, 'unixepoch') as occurred, -- when, UTC
    r.source, r.metadata             -- where from, and the caller's fields
from records as r
join scopes as s on s.id = r.scope
where r.status = 'active'
order by coalesce(r.occurred_at, r.recorded_at) desc, r.id desc;
