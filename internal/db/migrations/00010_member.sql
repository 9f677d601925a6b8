-- Ways into an account beside the password, its mail address, and parts of the
-- system that a member maintains (package member).

-- +goose Up
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0; -- when the member last showed who they are
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';    -- IP address last seen; emptied after a while

-- The parts of the system that a maintainer maintains: Camera, Phone, …
CREATE TABLE member_parts (
	member_id BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	part      TEXT NOT NULL,
	PRIMARY KEY (member_id, part)
);

-- Names of members who left: nobody can take one and be taken for them for a while.
CREATE TABLE former_names (
	key_hash TEXT PRIMARY KEY, -- SHA-256 of the folded name: the name itself is gone
	until    BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
	code_hash  TEXT PRIMARY KEY,
	member_id  BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL -- 0: not yet
);
CREATE INDEX recovery_codes_member ON recovery_codes (member_id);

CREATE TABLE member_mail (
	member_id    BIGINT PRIMARY KEY REFERENCES members (id) ON DELETE CASCADE,
	address      TEXT NOT NULL,   -- confirmed; empty: none is
	address_key  TEXT NOT NULL,   -- in lower case
	confirmed_at BIGINT NOT NULL,
	pending      TEXT NOT NULL,   -- waits to be confirmed; empty: none does
	pending_at   BIGINT NOT NULL
);
CREATE INDEX member_mail_key ON member_mail (address_key);
CREATE INDEX member_mail_pending ON member_mail (pending_at);

-- What was sent by mail: to confirm an address ('mail') or to set a new password ('reset').
CREATE TABLE mail_codes (
	code_hash  TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	member_id  BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	address    TEXT NOT NULL,     -- it was sent to
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX mail_codes_member ON mail_codes (member_id, kind);
CREATE INDEX mail_codes_expires ON mail_codes (expires_at);

-- WebAuthn (package passkey).
CREATE TABLE passkey_users (
	member_id BIGINT PRIMARY KEY REFERENCES members (id) ON DELETE CASCADE,
	handle    TEXT NOT NULL UNIQUE -- random, base64url: what an authenticator keeps instead of a name
);
CREATE TABLE passkeys (
	id            BIGINT PRIMARY KEY,
	member_id     BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	credential_id TEXT NOT NULL UNIQUE, -- base64url
	name          TEXT NOT NULL,
	credential    TEXT NOT NULL,        -- JSON: public key, counter, flags
	created_at    BIGINT NOT NULL,
	used_at       BIGINT NOT NULL       -- 0: never
);
CREATE INDEX passkeys_member ON passkeys (member_id);
CREATE TABLE passkey_challenges (
	token_hash TEXT PRIMARY KEY,
	member_id  BIGINT NOT NULL,         -- 0: whoever signs in
	data       TEXT NOT NULL,           -- JSON
	expires_at BIGINT NOT NULL
);
CREATE INDEX passkey_challenges_expires ON passkey_challenges (expires_at);

-- Sign-in by other services (package oidc).
CREATE TABLE identities (
	issuer     TEXT NOT NULL,
	subject    TEXT NOT NULL,
	member_id  BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	label      TEXT NOT NULL,           -- what the service calls the person, for their own page
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL,
	PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_member ON identities (member_id);
CREATE TABLE oidc_flows (
	state_hash   TEXT PRIMARY KEY,
	browser_hash TEXT NOT NULL,         -- of the cookie of the browser that began it
	provider     TEXT NOT NULL,
	nonce        TEXT NOT NULL,
	verifier     TEXT NOT NULL,         -- PKCE
	member_id    BIGINT NOT NULL,       -- who adds an identity; 0: someone signs in
	next         TEXT NOT NULL,
	expires_at   BIGINT NOT NULL
);
CREATE INDEX oidc_flows_expires ON oidc_flows (expires_at);
-- Someone who came from a service and has not chosen a name yet.
CREATE TABLE oidc_arrivals (
	token_hash TEXT PRIMARY KEY,
	issuer     TEXT NOT NULL,
	subject    TEXT NOT NULL,
	label      TEXT NOT NULL,
	address    TEXT NOT NULL,           -- that the service has verified, or empty
	expires_at BIGINT NOT NULL
);
CREATE INDEX oidc_arrivals_expires ON oidc_arrivals (expires_at);

-- +goose Down
DROP TABLE oidc_arrivals;
DROP TABLE oidc_flows;
DROP TABLE identities;
DROP TABLE passkey_challenges;
DROP TABLE passkeys;
DROP TABLE passkey_users;
DROP TABLE mail_codes;
DROP TABLE member_mail;
DROP TABLE recovery_codes;
DROP TABLE former_names;
DROP TABLE member_parts;
ALTER TABLE sessions DROP COLUMN address;
ALTER TABLE sessions DROP COLUMN proved_at;
