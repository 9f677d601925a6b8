package jobs_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/jobs"
)

// TestMain is also the worker process of TestKilledWorker.
func TestMain(m *testing.M) {
	if address := os.Getenv("JOBS_TEST_WORKER"); address != "" {
		if err := beWorker(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func beWorker(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	d, err := db.Open(ctx, address)
	if err != nil {
		return err
	}
	defer d.Close()
	var w jobs.Workers
	jobs.Add(&w, func(ctx context.Context, a buildArgs) error {
		fmt.Println("began", a.Device)
		jobs.SetProgress(ctx, "working", 1, 2)
		if a.Device == "hangs" && os.Getenv("JOBS_TEST_HANG") != "" {
			<-ctx.Done()
			return ctx.Err()
		}
		return d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO audit (id, at, actor_id, actor_name, action, subject, detail) VALUES ($1, $2, 0, '', 'test', $3, '')",
				db.NewID(), tx.Now(), a.Device)
			return err
		})
	})
	return jobs.Run(ctx, d, &w, jobs.RunOptions{MaxWorkers: 3, Lease: 3 * time.Second})
}

type child struct {
	*exec.Cmd
	out *bufio.Scanner
}

func spawn(t *testing.T, address string, env ...string) child {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), "JOBS_TEST_WORKER="+address), env...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return child{c, bufio.NewScanner(out)}
}

// A worker process is killed in the middle of a job while this one, as the
// server does, goes on putting jobs in; another worker takes all of them over.
func TestKilledWorker(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			address := fresh(t)
			d, err := db.Open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			hangs := insert(t, d, buildArgs{Device: "hangs"}, jobs.Options{})
			first := spawn(t, address, "JOBS_TEST_HANG=1")
			if !first.out.Scan() || first.out.Text() != "began hangs" {
				t.Fatalf("the worker said %q", first.out.Text())
			}
			for i := range 60 {
				insert(t, d, buildArgs{Device: fmt.Sprint(i)}, jobs.Options{})
				if i == 40 {
					if err := first.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
			second := spawn(t, address)
			go func() {
				for second.out.Scan() {
				}
			}()
			job := wait(t, d, hangs)
			if job.State != jobs.Completed || job.Attempt != 2 {
				t.Errorf("found %+v", job)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := jobs.WaitIdle(ctx, d); err != nil {
				t.Fatal(err)
			}
			if err := d.Read(ctx, func(tx *db.Tx) error {
				var done, workers int
				if err := tx.QueryRow("SELECT COUNT(DISTINCT subject) FROM audit").Scan(&done); err != nil {
					return err
				}
				if done != 61 {
					t.Errorf("%d jobs were done, want 61", done)
				}
				return tx.QueryRow("SELECT COUNT(*) FROM job_workers").Scan(&workers)
			}); err != nil {
				t.Fatal(err)
			}
			if err := second.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := second.Wait(); err != nil {
				t.Errorf("the worker ended with %v", err)
			}
		})
	}
}
