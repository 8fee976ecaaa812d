-- Schema 6: what it takes to merge two copies of a file at the cost of what differs.
-- A device is one run of a program that writes, see `Database.stamp`: its stamps are used once, whatever is copied.

alter table devices add column began integer not null default 0; -- hybrid logical clock of its first write
alter table devices add column seen integer not null default 0;  -- every write of it up to this one is in the file; 0: who knows
alter table devices add column partly integer not null default 0; -- writes of it up to this one may be in the file: a merge broke off
alter table tombstones add column reach integer; -- the same content written up to this hybrid logical clock goes too; null: hlc
alter table tombstones add column alone integer not null default 0; -- 1: its other versions, and what says the same, stay

create index records_written on records (device, hlc); -- what has it written since?
create index records_changed on records (              -- what was changed since? `tables.CHANGED`
    max(ifnull(stamps ->> '$.status[0]', 0), ifnull(stamps ->> '$.valid_to[0]', 0),
        ifnull(stamps ->> '$.position[0]', 0), ifnull(stamps ->> '$.supersedes[0]', 0),
        ifnull(stamps ->> '$.importance[0]', 0), ifnull(stamps ->> '$.confidence[0]', 0),
        ifnull(stamps ->> '$.trust[0]', 0), ifnull(stamps ->> '$.expires_at[0]', 0))
) where stamps is not null;
create index tombstones_written on tombstones (device, hlc); -- what has it forgotten since?
