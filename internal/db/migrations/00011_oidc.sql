-- What a round trip to another service is for (package oidc).

-- +goose Up
ALTER TABLE oidc_flows ADD COLUMN purpose TEXT NOT NULL DEFAULT 'signin'; -- signin, link, prove
ALTER TABLE oidc_flows ADD COLUMN began_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE oidc_flows DROP COLUMN began_at;
ALTER TABLE oidc_flows DROP COLUMN purpose;
