package keys

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const pushBlock = "FRIDAY PUSH KEY"

// OpenPush reads the key at path by which push services know this server (VAPID,
// RFC 8292: a scalar of P-256), and makes it when it is missing. Browsers bind
// their subscription to it, so several nodes that serve one site need the same
// file. It signs no release.
func OpenPush(path string) (*ecdh.PrivateKey, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makePush(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	} else if err != nil {
		return nil, fmt.Errorf("cannot open push key: %w", err)
	}
	if err := checkMode(path, 0o600); err != nil {
		return nil, err
	}
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	if block.Type != pushBlock {
		return nil, fmt.Errorf("cannot read push key %s: found a %q block, expected %q", path, block.Type, pushBlock)
	}
	key, err := ecdh.P256().NewPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read push key %s: %w; put the right file back, or remove it for a new key: browsers must then subscribe again", path, err)
	}
	return key, nil
}

func makePush(path string) error {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return fmt.Errorf("cannot make push key: %w", err)
	}
	return writePEM(path, pushBlock, key.Bytes())
}
