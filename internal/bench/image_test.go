package bench

import (
	"context"
	"errors"
	"os"
	"testing"
)

func TestImages(t *testing.T) {
	dir := t.TempDir()
	figures, err := Images(context.Background(), ImageOptions{Dir: dir, MiB: 4, PayloadMiB: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(figures) != 6 {
		t.Errorf("%+v", figures)
	}
	for _, f := range figures {
		if f.Seconds <= 0 && f.Note == "" || f.Name == "" || f.Peer == "" || (f.Ratio > 0) != (f.PeerSeconds > 0) {
			t.Errorf("%+v", f)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Images(stopped, ImageOptions{Dir: dir, MiB: 4, Seed: 1}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
