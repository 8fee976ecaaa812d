-- Schema 3: what left the window of a conversation, in few words; derived of its turns, and made again where it is missing.

create table summaries (             -- derived: stretches of conversations, in few words
    scope integer not null references scopes (id), -- the conversation
    first integer not null,          -- position of the first turn that it stands for
    last integer not null,           -- and of the last
    lines text not null check (json_type(lines) = 'array'), -- [uid of the record or null, day, speaker, words] each
    primary key (scope, first)
) strict, without rowid;
