-- The test ring (package ring), and the number that rises when a claimed
-- handset may follow other channels than before (package member).

-- +goose Up
CREATE TABLE enrolment_revision (
	id       BIGINT PRIMARY KEY, -- one row: 1
	revision BIGINT NOT NULL
);
INSERT INTO enrolment_revision (id, revision) VALUES (1, 0);

CREATE TABLE ring_places (
	id         BIGINT PRIMARY KEY,
	member_id  BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	device     TEXT NOT NULL,
	channel    TEXT NOT NULL,
	state      TEXT NOT NULL,   -- applied, accepted, refused, left, removed
	why        TEXT NOT NULL,   -- what the applicant wrote
	reason     TEXT NOT NULL,   -- of whoever decided
	applied_at BIGINT NOT NULL,
	decided_at BIGINT NOT NULL, -- 0: not yet
	decided_by BIGINT NOT NULL, -- a member; 0: the rule
	UNIQUE (member_id, device, channel)
);
CREATE INDEX ring_places_state ON ring_places (state, channel, device);

-- Each time a member took a channel's quiz.
CREATE TABLE ring_tries (
	id        BIGINT PRIMARY KEY,
	member_id BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	channel   TEXT NOT NULL,
	passed    BOOLEAN NOT NULL,
	at        BIGINT NOT NULL
);
CREATE INDEX ring_tries_member ON ring_tries (member_id, channel, id);

-- +goose Down
DROP TABLE ring_tries;
DROP TABLE ring_places;
DROP TABLE enrolment_revision;
