package keys

import (
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// readPEM reads the first block of a small file.
func readPEM(path string) (*pem.Block, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read key: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || len(b) > maxFile {
		return nil, fmt.Errorf("cannot read key %s: no PEM block in a file of at most %d bytes", path, maxFile)
	}
	return block, nil
}

// writePEM makes a file that was not there, whole or not at all.
func writePEM(path, kind string, der []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write key %s: %w", path, err)
		}
	}()
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	// A link, unlike a rename, fails when somebody else was quicker.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
