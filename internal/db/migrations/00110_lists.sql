-- Lists of threads by kind, part, device and state are read in their order, and
-- few of the others' rows with them (package feedback).

-- +goose Up
DROP INDEX threads_last;
DROP INDEX threads_votes;
CREATE INDEX threads_latest ON threads (merged_into, last_at, id);
CREATE INDEX threads_filed ON threads (merged_into, id);
CREATE INDEX threads_kind ON threads (merged_into, kind, pinned, last_at, id);
CREATE INDEX threads_part ON threads (merged_into, part, pinned, last_at, id, kind);
CREATE INDEX threads_lang ON threads (merged_into, lang, pinned, last_at, id);
CREATE INDEX threads_build ON threads (build);
CREATE INDEX threads_open ON threads (merged_into, pinned, last_at, id) WHERE closed_at = 0;
CREATE INDEX threads_open_hot ON threads (merged_into, votes, last_at, id) WHERE closed_at = 0;
CREATE INDEX threads_done ON threads (merged_into, pinned, last_at, id) WHERE closed_at <> 0;

-- Where the thread stands in lists, as threads says.
ALTER TABLE thread_devices ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE thread_devices ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0;
UPDATE thread_devices SET pinned = (SELECT t.pinned FROM threads t WHERE t.id = thread_devices.thread_id),
	last_at = (SELECT t.last_at FROM threads t WHERE t.id = thread_devices.thread_id);
DROP INDEX thread_devices_device;
CREATE INDEX thread_devices_listed ON thread_devices (device, pinned, last_at, thread_id);
CREATE INDEX thread_devices_state ON thread_devices (device, state, pinned, last_at, thread_id);
CREATE INDEX thread_devices_states ON thread_devices (state, pinned, last_at, thread_id);

-- +goose Down
DROP INDEX thread_devices_states;
DROP INDEX thread_devices_state;
DROP INDEX thread_devices_listed;
CREATE INDEX thread_devices_device ON thread_devices (device, state);
ALTER TABLE thread_devices DROP COLUMN last_at;
ALTER TABLE thread_devices DROP COLUMN pinned;
DROP INDEX threads_done;
DROP INDEX threads_open_hot;
DROP INDEX threads_open;
DROP INDEX threads_build;
DROP INDEX threads_lang;
DROP INDEX threads_part;
DROP INDEX threads_kind;
DROP INDEX threads_filed;
DROP INDEX threads_latest;
CREATE INDEX threads_last ON threads (last_at);
CREATE INDEX threads_votes ON threads (votes);
