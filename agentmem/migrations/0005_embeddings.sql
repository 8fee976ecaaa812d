create table embeddings (            -- vectors that a caller made of a record, with an encoder of its own
    record integer not null references records (id), -- the record
    number integer not null,         -- which of the record's vectors: a caller may make one of each part of it
    vector blob not null check (length(vector) > 0 and length(vector) % 4 = 0), -- float32s, as sqlite-vec reads them
    primary key (record, number)
) strict, without rowid;
