-- Medals that members won (package reputation): thanks, which stay.

-- +goose Up
CREATE TABLE medals (
	member_id BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
	medal     TEXT NOT NULL,
	won_at    BIGINT NOT NULL,
	PRIMARY KEY (member_id, medal)
);

-- +goose Down
DROP TABLE medals;
