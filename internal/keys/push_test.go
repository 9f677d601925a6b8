package keys

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestOpenPush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "push.key")
	publics := make([]string, 8)
	var all sync.WaitGroup
	for i := range publics { // several processes may begin at once
		all.Go(func() {
			key, err := OpenPush(path)
			if err != nil {
				t.Error(err)
				return
			}
			publics[i] = string(key.PublicKey().Bytes())
		})
	}
	all.Wait()
	for _, p := range publics {
		if p != publics[0] || len(p) != 65 {
			t.Errorf("a key of %d bytes is another", len(p))
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	for name, text := range map[string]string{
		"empty": "", "no PEM": "hello", "another kind": "-----BEGIN FRIDAY TICKET KEY-----\nAAAA\n-----END FRIDAY TICKET KEY-----\n",
		"short": "-----BEGIN FRIDAY PUSH KEY-----\nAAAA\n-----END FRIDAY PUSH KEY-----\n",
		"zero":  "-----BEGIN FRIDAY PUSH KEY-----\n" + strings.Repeat("A", 43) + "=\n-----END FRIDAY PUSH KEY-----\n",
	} {
		bad := filepath.Join(t.TempDir(), "push.key")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPush(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPush(path); err == nil {
		t.Error("a key that everyone reads is taken")
	}
}
