-- Lists of threads are read in their order, without sorting all of them
-- (package feedback): every list leaves merged threads out.

-- +goose Up
DROP INDEX threads_merged;
CREATE INDEX threads_listed ON threads (merged_into, pinned, last_at, id);
CREATE INDEX threads_hot ON threads (merged_into, votes, last_at, id);

-- +goose Down
DROP INDEX threads_hot;
DROP INDEX threads_listed;
CREATE INDEX threads_merged ON threads (merged_into);
