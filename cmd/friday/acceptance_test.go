package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/demo"
	"github.com/fridayos/friday/internal/judge"
)

// told is a demo that was run to its end.
type told struct {
	dir    string
	report demo.Report
}

func (s told) path(rel string) string { return filepath.Join(s.dir, rel) }

// TestAcceptance runs the whole loop with the real program, its server, worker
// and handset as processes of their own, and lets programs that are not ours
// judge what it leaves.
func TestAcceptance(t *testing.T) {
	exe := buildProgram(t)
	t.Run("SQLite", func(t *testing.T) {
		args := []string{}
		if real := os.Getenv("FRIDAY_REAL_ANDROID"); real != "" {
			args = append(args, "--files", real)
		}
		s := tell(t, exe, args...)
		t.Run("Report", func(t *testing.T) { checkReport(t, s) })
		for _, release := range s.report.Releases {
			t.Run("Images"+release, func(t *testing.T) { judgeImages(t, s, release) })
		}
		for _, p := range s.report.Packages {
			t.Run("Package"+p.Kind+p.To, func(t *testing.T) { judgePackage(t, s, p) })
		}
		t.Run("RealFiles", func(t *testing.T) { realFiles(t, s) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		checkReport(t, tell(t, exe, "--db", dbtest.Postgres(t)))
	})
}

func buildProgram(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "friday")
	cmd := exec.Command("go", "build", "-o", exe, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

func tell(t *testing.T, exe string, args ...string) told {
	t.Helper()
	s := told{dir: filepath.Join(t.TempDir(), "demo")}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, append([]string{"demo", "--headless", "--dir", s.dir}, args...)...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		for _, log := range []string{"serve.log", "worker.log"} {
			b, _ := os.ReadFile(s.path(log))
			t.Logf("%s:\n%s", log, b[max(0, len(b)-4000):])
		}
		t.Fatalf("friday demo: %v", err)
	}
	// The demo checks the answer as that client does, from the running server.
	if !bytes.Contains(out, []byte("LineageOS's updater is offered")) {
		t.Error("no LineageOS client was offered the release")
	}
	b, err := os.ReadFile(s.path("report.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s.report); err != nil {
		t.Fatal(err)
	}
	return s
}

func checkReport(t *testing.T, s told) {
	r := s.report
	if len(r.Releases) != 2 || r.Releases[0] >= r.Releases[1] {
		t.Errorf("releases are %q, want two in order", r.Releases)
	}
	var kinds []string
	for _, p := range r.Packages {
		b, err := os.ReadFile(s.path(p.File))
		if err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(b)); sum != p.SHA256 || int64(len(b)) != p.Size {
			t.Errorf("%s has SHA-256 %s and %d bytes, the report says %s and %d", p.File, sum, len(b), p.SHA256, p.Size)
		}
		kinds = append(kinds, p.Kind+" "+p.From+" to "+p.To)
	}
	slices.Sort(kinds)
	want := []string{"full  to " + r.Releases[0], "full  to " + r.Releases[1], "incremental " + r.Releases[0] + " to " + r.Releases[1]}
	if !slices.Equal(kinds, want) {
		t.Errorf("packages are %q, want %q", kinds, want)
	}
	var states []string
	for i, st := range r.Thread.States {
		states = append(states, st.State)
		if i > 0 && st.At.Before(r.Thread.States[i-1].At) {
			t.Errorf("state %s is dated before the one before it", st.State)
		}
	}
	if want := []string{"reported", "recorded", "fix-merged", "in-release", "on-handset", "confirmed"}; !slices.Equal(states, want) {
		t.Errorf("the thread went through %q, want %q", states, want)
	}
	first, last := r.Thread.States[0].At, r.Thread.States[len(r.Thread.States)-1].At
	if days := last.Sub(first).Hours() / 24; r.Thread.DaysToConfirmedFix < days*0.99 || r.Thread.DaysToConfirmedFix > days*1.01 {
		t.Errorf("days to the confirmed fix are %g, its states say %g", r.Thread.DaysToConfirmedFix, days)
	}
	h := r.Handset
	if h.SlotBefore != "a" || h.SlotAfter != "b" || h.VBMetaDigestBefore == h.VBMetaDigestAfter {
		t.Errorf("the handset went from slot %s, vbmeta %s to slot %s, vbmeta %s", h.SlotBefore, h.VBMetaDigestBefore, h.SlotAfter, h.VBMetaDigestAfter)
	}
	for i, digest := range []string{h.VBMetaDigestBefore, h.VBMetaDigestAfter} {
		b, err := os.ReadFile(s.path(r.Images[r.Releases[i]]["vbmeta"]))
		if err != nil {
			t.Fatal(err)
		}
		sum := avb.Digest(b)
		if got := hex.EncodeToString(sum[:]); got != digest {
			t.Errorf("the handset says vbmeta %s, the image of %s gives %s", digest, r.Releases[i], got)
		}
	}
}

func judgeImages(t *testing.T, s told, release string) {
	system := s.path(s.report.Images[release]["system"])
	t.Run("fsck.erofs", func(t *testing.T) { judge.Run(t, "fsck.erofs", system) })
	vb, err := os.ReadFile(s.path(s.report.Images[release]["vbmeta"]))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := avb.Verify(vb)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("veritysetup", func(t *testing.T) {
		for _, d := range meta.Descriptors {
			if h, ok := d.(*avb.HashtreeDescriptor); ok && h.Partition == "system" {
				judge.Verity(t, system, judge.HashTree{Root: h.RootDigest, Salt: h.Salt, ImageSize: h.ImageSize, TreeOffset: h.TreeOffset})
				return
			}
		}
		t.Error("vbmeta has no hash tree of system")
	})
	t.Run("openssl", func(t *testing.T) {
		// AVB: the signature covers header and auxiliary block.
		authSize, auxSize := binary.BigEndian.Uint64(vb[12:]), binary.BigEndian.Uint64(vb[20:])
		sigAt, sigSize := binary.BigEndian.Uint64(vb[48:]), binary.BigEndian.Uint64(vb[56:])
		auth := vb[256 : 256+authSize]
		signed := append(bytes.Clone(vb[:256]), vb[256+authSize:256+authSize+auxSize]...)
		sig := filepath.Join(t.TempDir(), "sig")
		if err := os.WriteFile(sig, auth[sigAt:sigAt+sigSize], 0o644); err != nil {
			t.Fatal(err)
		}
		judge.Pipe(t, signed, "openssl", "dgst", "-sha256", "-verify", s.path(s.report.AVBPublicKey), "-signature", sig)
	})
	t.Run("mount", func(t *testing.T) { mountAndCompare(t, system) })
}

// mountAndCompare lets the kernel show the system, and compares every file with
// what we read.
func mountAndCompare(t *testing.T, system string) {
	f, root := readTree(t, system)
	defer f.Close()
	judge.Same(t, root, judge.Kernel(t, system))
	files, labels, capabilities := 0, 0, 0
	err := tree.Walk(root, func(_ string, n *tree.Node) error {
		files++
		if n.Label() != "" {
			labels++
		}
		if _, ok := n.Xattr("security.capability"); ok {
			capabilities++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the kernel shows %d files as we read them, %d with capabilities", files, capabilities)
	if files < 3000 || labels < files || capabilities == 0 {
		t.Errorf("%d files, %d labels, %d capabilities: not a realistic system", files, labels, capabilities)
	}
}

// readTree reads an image. Close the file when done with the tree.
func readTree(t *testing.T, image string) (*os.File, *tree.Node) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	im, err := erofs.Open(f, fi.Size())
	if err != nil {
		t.Fatal(err)
	}
	root, err := im.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return f, root
}

func judgePackage(t *testing.T, s told, p demo.ReportPackage) {
	b, err := os.ReadFile(s.path(p.File))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("openssl", func(t *testing.T) {
		certificate, err := os.ReadFile(s.path(s.report.OTACertificate))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(certificate)
		if block == nil {
			t.Fatalf("%s holds no PEM block", s.report.OTACertificate)
		}
		judge.Signed(t, b, block.Bytes)
	})
	t.Run("protoc", func(t *testing.T) {
		z, err := otazip.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		section, err := z.Payload()
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 24)
		if _, err := section.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		manifest, err := io.ReadAll(io.NewSectionReader(section, 24, int64(binary.BigEndian.Uint64(head[12:]))))
		if err != nil {
			t.Fatal(err)
		}
		text := string(judge.Pipe(t, manifest, "protoc", "--decode_raw"))
		wants := []string{"3: 4096\n", `1: "system"`, `1: "boot"`, `1: "vbmeta"`}
		if p.Kind == "full" {
			// Minor version 0 is written or left out.
			if strings.Contains(text, "\n12: ") && !strings.Contains(text, "\n12: 0\n") {
				t.Error("the full package's minor version is not 0")
			}
		} else {
			wants = append(wants, "\n12: 6\n")
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("protoc does not show %q in the manifest", want)
			}
		}
	})
}

// realFiles checks that this week's real files are in the second release.
func realFiles(t *testing.T, s told) {
	real := os.Getenv("FRIDAY_REAL_ANDROID")
	if real == "" {
		t.Skip("needs real Android files in $FRIDAY_REAL_ANDROID, which make test fetches")
	}
	digests := map[[32]byte]string{}
	for _, week := range []string{"1", "2"} {
		entries, err := os.ReadDir(filepath.Join(real, week))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(real, week, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			digests[sha256.Sum256(b)] = week + "/" + e.Name()
		}
	}
	for i, release := range s.report.Releases {
		found := map[string]bool{}
		f, root := readTree(t, s.path(s.report.Images[release]["system"]))
		defer f.Close()
		if err := tree.Walk(root, func(_ string, n *tree.Node) error {
			if n.Type == tree.Regular && n.Size > 1<<20 {
				h := sha256.New()
				if _, err := io.Copy(h, io.NewSectionReader(n.Content, 0, n.Size)); err != nil {
					return err
				}
				if name, ok := digests[[32]byte(h.Sum(nil))]; ok {
					found[name] = true
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"settings.apk", "uiautomator2-server.apk", "esbuild"} {
			if want := fmt.Sprintf("%d/%s", i+1, name); !found[want] {
				t.Errorf("%s does not carry %s; it has %v", release, want, found)
			}
		}
	}
}
