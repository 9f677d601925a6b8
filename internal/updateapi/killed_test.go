package updateapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// serveVar is set where this program is run again, as a server to be killed: its
// database, blobs and ticket key, on a line each.
const serveVar = "FRIDAY_TEST_SERVE"

func TestMain(m *testing.M) {
	if o := strings.Split(os.Getenv(serveVar), "\n"); len(o) == 3 {
		fmt.Fprintln(os.Stderr, serveProcess(o[0], o[1], o[2]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serveProcess serves until it is killed, or returns why it cannot.
func serveProcess(address, blobs, key string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, address)
	if err != nil {
		return err
	}
	store, err := blob.Open(blobs)
	tickets, err2 := keys.OpenTicket(key)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	api, err := updateapi.New(updateapi.Options{DB: d, Blobs: store, Tickets: tickets, BaseURL: "http://x", Refresh: 20 * time.Millisecond})
	if err == nil {
		err = api.Refresh(ctx)
	}
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	ended := make(chan error, 2)
	go func() { ended <- http.Serve(l, api) }()
	go func() { ended <- api.Run(ctx) }()
	return <-ended
}

// process is a server of its own that can be killed.
type process struct {
	cmd *exec.Cmd
	url string
}

func startProcess(t *testing.T, address, blobs, key string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), os.Args[0])}
	p.cmd.Env = append(os.Environ(), serveVar+"="+address+"\n"+blobs+"\n"+key)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	p.url = "http://" + strings.TrimSpace(line)
	return p
}

// kill ends it as a crash does: nothing is written any more.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// post sends one request; 0 if there was no answer.
func (p *process) post(path string, v, out any) int {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	resp, err := http.Post(p.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if out != nil && json.NewDecoder(resp.Body).Decode(out) != nil {
		return 0
	}
	return resp.StatusCode
}

// killed is a rollout whose servers are killed.
type killed struct {
	d       *db.DB
	key     *keys.Ticket
	rollout fleet.Rollout
	start   func() *process
}

func eachKilled(t *testing.T, fn func(t *testing.T, k *killed)) {
	for name, make := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			d, address := openAt(t, make(t))
			b := newBench(t, d)
			dir := t.TempDir()
			key, err := keys.OpenTicket(dir + "/ticket.key")
			if err != nil {
				t.Fatal(err)
			}
			fn(t, &killed{d, key, b.rollout, func() *process { return startProcess(t, address, dir+"/blobs", dir+"/ticket.key") }})
		})
	}
}

func (k *killed) outcome(i int) wire.Outcome {
	token := k.key.For("offer").Sign(fmt.Appendf(nil, `{"id":"handset %d","rollout":%d,"expires":%d}`, i, k.rollout.ID, k.d.Now().Add(time.Hour).Unix()))
	return wire.Outcome{Token: token, Event: wire.Booted}
}

func (k *killed) counted(t *testing.T) (n outcome.Counts) {
	t.Helper()
	if err := k.d.Read(t.Context(), func(tx *db.Tx) (err error) {
		n, err = outcome.Of(tx, k.rollout.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// until waits until so many have booted, as the sums have it.
func (k *killed) until(t *testing.T, booted int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got := k.counted(t)
		if got.Anonymous.Booted == booted {
			return
		}
		if got.Anonymous.Booted > booted || time.Now().After(deadline) {
			t.Fatalf("counted %+v, expected %d booted", got, booted)
		}
	}
}

// TestKilledInAFlush: a process is killed while it writes what came in since the
// flush before. That is lost as a whole; what was written stays, and so does what
// a human did to the rollout meanwhile. Told again, each counts once.
func TestKilledInAFlush(t *testing.T) {
	eachKilled(t, func(t *testing.T, k *killed) {
		p := k.start()
		defer func() { p.kill() }()
		tell := func(from, to int) {
			t.Helper()
			for i := range to - from {
				if status := p.post(wire.PathOutcome, k.outcome(from+i), nil); status != http.StatusNoContent {
					t.Fatalf("outcome %d was answered with %d", from+i, status)
				}
			}
		}
		tell(0, 30)
		k.until(t, 30)
		// Whoever writes the sums waits for us; what it has noted by then is not committed.
		if err := k.d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec("UPDATE outcome_sums SET n = n WHERE rollout = $1", k.rollout.ID); err != nil {
				return err
			}
			if _, err := fleet.Halt(tx, k.rollout.ID, "ana", "camera"); err != nil {
				return err
			}
			tell(30, 50)
			time.Sleep(200 * time.Millisecond) // ten flushes could have been
			p.kill()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got, want := k.counted(t), (outcome.Counts{Anonymous: outcome.Group{Booted: 30}}); got != want {
			t.Errorf("counted %+v, expected %+v: a flush is written whole or not at all", got, want)
		}
		p = k.start()
		var reply wire.CheckInReply
		if status := p.post(wire.PathCheckIn, checkin(), &reply); status != http.StatusOK || reply.Offer != nil || !strings.Contains(reply.Reason, "halted") {
			t.Errorf("what was halted meanwhile is answered with %d, %+v", status, reply)
		}
		tell(0, 50)
		k.until(t, 50)
	})
}

// TestKilledAtAnyTime: servers are killed at random while handsets tell, who tell
// again when they hear nothing. In the end each is counted once.
func TestKilledAtAnyTime(t *testing.T) {
	eachKilled(t, func(t *testing.T, k *killed) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		const handsets, kills, tellers = 400, 4, 4
		var lost int64
		taken, next := 0, 0
		for kill := range kills {
			p := k.start()
			var wg sync.WaitGroup
			var mu sync.Mutex
			end := (kill + 1) * handsets / kills
			for range tellers {
				wg.Go(func() {
					for {
						mu.Lock()
						i := next
						next++
						mu.Unlock()
						if i >= end || p.post(wire.PathOutcome, k.outcome(i), nil) != http.StatusNoContent {
							return
						}
						mu.Lock()
						taken++
						mu.Unlock()
					}
				})
			}
			time.Sleep(time.Duration(r.Int64N(int64(300 * time.Millisecond))))
			p.kill()
			wg.Wait()
			next = end
			lost = int64(taken) - k.counted(t).Anonymous.Booted
			if lost < -tellers { // an answer may be lost on its way, and the outcome not
				t.Fatalf("%d were taken and %d more counted", taken, -lost)
			}
		}
		t.Logf("%d of %d that were taken were lost with %d kills", lost, taken, kills)
		p := k.start()
		defer p.kill()
		for i := range handsets {
			if status := p.post(wire.PathOutcome, k.outcome(i), nil); status != http.StatusNoContent {
				t.Fatalf("outcome %d was answered with %d", i, status)
			}
		}
		k.until(t, handsets)
		if got, want := k.counted(t), (outcome.Counts{Anonymous: outcome.Group{Booted: handsets}}); got != want {
			t.Errorf("counted %+v, expected %+v", got, want)
		}
	})
}
