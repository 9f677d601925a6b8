package updateapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/pipenet"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// servePipes serves api until the test ends.
func servePipes(t *testing.T, api http.Handler) pipenet.Listener {
	l := make(pipenet.Listener)
	s := &http.Server{Handler: api}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return l
}

// Who does not read does not hold a connection for ever; who reads slowly gets
// all of a package.
func TestSlowReaders(t *testing.T) {
	b := newBench(t, sqlite(t))
	large := make([]byte, 24<<20)
	ref, err := b.blobs.Put(t.Context(), strings.NewReader(string(large)))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, func(tx *db.Tx) error {
		release := catalog.Release{Name: "26.11.28", Commit: "c0ffee", Builds: map[string]string{"umi": b.new.ID}}
		_, err := fleet.Start(tx, fleet.Plan{Release: release.Name, Device: "umi", Channel: wire.Stable, Build: b.new.ID, Stages: []fleet.Stage{{Percent: 100}}}, "ana", "go")
		return errors.Join(err, catalog.PutPackage(tx, catalog.Package{Digest: ref.Digest, Size: ref.Size, Kind: catalog.Full, Device: "umi", To: b.new.ID, File: "large.zip", PayloadOffset: 1, PayloadSize: 2,
			Properties: "FILE_SIZE=2\n", ProvenAt: time.Now()}))
	})
	b.refresh(t)
	for name, c := range map[string]struct {
		pause time.Duration // before each half MiB
		whole bool
	}{
		"one who stops reading": {updateapi.Patience + time.Second, false},
		"one who reads slowly":  {updateapi.Patience - time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := servePipes(t, b.api).Dial()
				defer conn.Close()
				if _, err := io.WriteString(conn, "GET "+wire.PathPackages+ref.Digest.String()+"/large.zip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				var n int64
				piece := make([]byte, 512<<10)
				for {
					time.Sleep(c.pause)
					got, err := io.ReadFull(conn, piece)
					if n += int64(got); err != nil {
						break
					}
				}
				if whole := n > int64(len(large)); whole != c.whole {
					t.Errorf("got %d bytes of %d", n, len(large))
				}
			})
		})
	}
}

// TestSlowSenders: whoever sends its request drop by drop holds nothing for long,
// and is in nobody's way.
func TestSlowSenders(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	synctest.Test(t, func(t *testing.T) {
		l := servePipes(t, b.api)
		ask := "POST " + wire.PathCheckIn + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
		began := time.Now()
		var conns []net.Conn
		for range 50 {
			c := l.Dial()
			defer c.Close()
			if _, err := io.WriteString(c, ask+"16000\r\n\r\n{\"device\":"); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		body, err := json.Marshal(checkin())
		if err != nil {
			t.Fatal(err)
		}
		other := l.Dial()
		defer other.Close()
		go func() { _, _ = io.WriteString(other, fmt.Sprintf("%s%d\r\n\r\n%s", ask, len(body), body)) }()
		answer, err := io.ReadAll(other)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") || !strings.Contains(string(answer), `"offer":{`) {
			t.Errorf("others are answered meanwhile with %.300q, %v", answer, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("others wait %v for it", took)
		}
		for _, c := range conns {
			answer, err := io.ReadAll(c) // to the end: the server has hung up
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
				t.Fatalf("a slow sender was answered with %.60q, %v", answer, err)
			}
		}
		if took := time.Since(began); took != updateapi.BodyPatience {
			t.Errorf("slow senders were let go after %v, expected %v", took, updateapi.BodyPatience)
		}
	})
}
