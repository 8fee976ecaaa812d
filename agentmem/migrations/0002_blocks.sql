-- Schema 2: core blocks, a table of truth.

create table blocks (                -- what an agent always has in view: a row is one version of one block, never changed
    uid text primary key,            -- the version's public id: UUIDv7, unique across devices
    block text not null,             -- uid of the block's first version: a tombstone of it takes every version
    user text not null,              -- the owner; '' is the default user
    agent text not null,             -- the agent it belongs to; '' is shared by all of the user's
    session text not null,           -- the conversation it belongs to; '' is shared by all
    label text not null,             -- its name; the versions of user, agent, session and label are one history
    text text not null,              -- the words
    description text not null,       -- what belongs in it, for the model; may be ''
    capacity integer not null check (length(text) <= capacity), -- characters that it may hold
    read_only integer not null check (read_only in (0, 1)), -- 1: appending and replacing are refused
    recorded_at integer not null,    -- when this version was written
    hlc integer not null,            -- hybrid logical clock of the write; the latest version holds, ties by uid
    device integer not null references devices (id) -- who wrote it
) strict;

create index blocks_place on blocks (user, agent, session, label, hlc); -- which version holds?
