-- Members, their sessions and handsets, the audit trail, and what jobs need beside River's tables.

-- +goose Up
CREATE TABLE members (
	id            BIGINT PRIMARY KEY,
	name          TEXT NOT NULL,
	name_key      TEXT NOT NULL UNIQUE, -- the name folded: unique whatever its case
	password_hash TEXT NOT NULL,        -- argon2id in PHC form; empty: cannot sign in by password
	created_at    BIGINT NOT NULL
);

CREATE TABLE member_roles (
	member_id BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	role      TEXT NOT NULL,
	device    TEXT NOT NULL DEFAULT '', -- of a maintainer: the device; else empty
	PRIMARY KEY (member_id, role, device)
);

CREATE TABLE sessions (
	id         BIGINT PRIMARY KEY,
	token_hash TEXT NOT NULL UNIQUE,    -- SHA-256 of the token: a stolen backup opens nothing
	member_id  BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	agent      TEXT NOT NULL,           -- what the browser called itself
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL
);
CREATE INDEX sessions_member ON sessions (member_id);
CREATE INDEX sessions_seen ON sessions (seen_at);

-- One-time codes: the first administrator's (kind 'first') and claims ('claim').
CREATE TABLE codes (
	code_hash  TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	member_id  BIGINT REFERENCES members (id) ON DELETE CASCADE,
	device     TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL          -- 0: not yet
);
CREATE INDEX codes_member ON codes (member_id);

-- A member's own handset. Nothing that names the phone itself is kept.
CREATE TABLE claims (
	id         BIGINT PRIMARY KEY,
	member_id  BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	device     TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	ended_at   BIGINT NOT NULL          -- 0: in force
);
CREATE INDEX claims_member ON claims (member_id);

CREATE TABLE audit (
	id         BIGINT PRIMARY KEY,
	at         BIGINT NOT NULL,
	actor_id   BIGINT NOT NULL,         -- 0: the system itself
	actor_name TEXT NOT NULL,           -- as it was then: members may be renamed or go
	action     TEXT NOT NULL,
	subject    TEXT NOT NULL,
	detail     TEXT NOT NULL            -- JSON
);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_action ON audit (action, id);
CREATE INDEX audit_actor ON audit (actor_id, id);

CREATE TABLE job_progress (
	job_id BIGINT PRIMARY KEY,
	step   TEXT NOT NULL,
	done   BIGINT NOT NULL,
	total  BIGINT NOT NULL,
	at     BIGINT NOT NULL
);

-- Signs of life of worker processes.
CREATE TABLE job_workers (
	id      TEXT PRIMARY KEY,
	seen_at BIGINT NOT NULL
);
