-- Schema 4: who may read what of others, and who did what when.
-- Of these, grants are a table of truth; the audit is of this file alone and is never merged with another's.

create table grants (                -- what a user lets another one read of his; rows are never deleted
    uid text primary key,            -- public id (UUIDv7)
    user text,                       -- whose records; null: he was forgotten, which ended it
    agent text not null,             -- only those of this agent of his; '' is any
    session text not null,           -- only those of this conversation; '' is any
    grantee text,                    -- who may read them; null as for user
    grantee_agent text not null,     -- only when he reads as this agent; '' is any
    kinds text check (json_type(kinds) = 'array'), -- only these kinds of record; null is all
    filter text check (json_type(filter) = 'object'), -- only what fits this filter over metadata; null is all
    granted_at integer not null,     -- from then on
    until integer,                   -- to before then; null is without end
    revoked_at integer,              -- when the owner ended it; null: he did not
    hlc integer not null,            -- hybrid logical clock of the grant, or of its end
    device integer not null references devices (id) -- who wrote that
) strict, without rowid;

create index grants_grantee on grants (grantee) where revoked_at is null; -- what may he read?

create table audit (                 -- who did what when; rows are only added, and forgetting takes names and ids out
    id integer primary key autoincrement, -- place in the chain; 1, 2, 3 … without a gap
    at integer not null,             -- when
    verb text not null,              -- remember, revise, forget, grant, revoke, correct, define, import, recall …
    names text not null check (json_type(names) = 'object'), -- {"user": [name, salt], …}; forgotten: [sha256 of both]
    ids text not null check (json_type(ids) = 'array'), -- records, or the grant; of a forgotten one '-' and a sha256
    count integer not null,          -- how many records it is about, also of those forgotten since
    hash blob not null               -- sha256 of this row, and of the hash of the row before
) strict;
