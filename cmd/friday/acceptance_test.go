package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/demo"
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

// need skips, by name, where a judge is missing.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s", program)
	}
}

func judge(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out[:min(len(out), 2000)])
	}
	return string(out)
}

func judgeImages(t *testing.T, s told, release string) {
	system := s.path(s.report.Images[release]["system"])
	t.Run("fsck.erofs", func(t *testing.T) {
		need(t, "fsck.erofs")
		judge(t, nil, "fsck.erofs", system)
	})
	vb, err := os.ReadFile(s.path(s.report.Images[release]["vbmeta"]))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := avb.Verify(vb)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("veritysetup", func(t *testing.T) {
		need(t, "veritysetup")
		for _, d := range meta.Descriptors {
			if h, ok := d.(*avb.HashtreeDescriptor); ok && h.Partition == "system" {
				judge(t, nil, "veritysetup", "verify", system, system, hex.EncodeToString(h.RootDigest), "--no-superblock",
					fmt.Sprintf("--hash-offset=%d", h.TreeOffset), "--salt", hex.EncodeToString(h.Salt),
					"--data-blocks", fmt.Sprint(h.ImageSize/4096), "--data-block-size", "4096", "--hash-block-size", "4096", "--hash=sha256", "--format=1")
				return
			}
		}
		t.Error("vbmeta has no hash tree of system")
	})
	t.Run("openssl", func(t *testing.T) {
		need(t, "openssl")
		// AVB: the signature covers header and auxiliary block.
		authSize, auxSize := binary.BigEndian.Uint64(vb[12:]), binary.BigEndian.Uint64(vb[20:])
		sigAt, sigSize := binary.BigEndian.Uint64(vb[48:]), binary.BigEndian.Uint64(vb[56:])
		auth := vb[256 : 256+authSize]
		signed := append(bytes.Clone(vb[:256]), vb[256+authSize:256+authSize+auxSize]...)
		sig := filepath.Join(t.TempDir(), "sig")
		if err := os.WriteFile(sig, auth[sigAt:sigAt+sigSize], 0o644); err != nil {
			t.Fatal(err)
		}
		judge(t, signed, "openssl", "dgst", "-sha256", "-verify", s.path(s.report.AVBPublicKey), "-signature", sig)
	})
	t.Run("mount", func(t *testing.T) { mountAndCompare(t, system) })
}

// mountAndCompare lets the kernel show the system: every label, and owners,
// modes and capabilities too.
func mountAndCompare(t *testing.T, system string) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	judge(t, nil, "mount", "-t", "erofs", "-o", "loop,ro", system, dir)
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	f, err := os.Open(system)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
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
	files, capabilities := 0, 0
	err = tree.Walk(root, func(path string, n *tree.Node) error {
		files++
		full := filepath.Join(dir, path)
		var st unix.Stat_t
		if err := unix.Lstat(full, &st); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if st.Uid != n.UID || st.Gid != n.GID || uint16(st.Mode&0o7777) != n.Perm {
			t.Errorf("%s: the kernel shows %d:%d %o, we read %d:%d %o", path, st.Uid, st.Gid, st.Mode&0o7777, n.UID, n.GID, n.Perm)
		}
		for _, name := range []string{"security.selinux", "security.capability"} {
			want, has := n.Xattr(name)
			buf := make([]byte, 256)
			k, err := unix.Lgetxattr(full, name, buf)
			if name == "security.selinux" && !has {
				t.Errorf("%s has no label", path)
			}
			if has && (err != nil || !bytes.Equal(buf[:k], want)) {
				t.Errorf("%s: the kernel shows %s %q (%v), we read %q", path, name, buf[:max(k, 0)], err, want)
			}
			if has && name == "security.capability" {
				capabilities++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the kernel shows %d files as we read them, %d with capabilities", files, capabilities)
	if files < 3000 || capabilities == 0 {
		t.Errorf("%d files, %d capabilities: not a realistic system", files, capabilities)
	}
}

func judgePackage(t *testing.T, s told, p demo.ReportPackage) {
	b, err := os.ReadFile(s.path(p.File))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("openssl", func(t *testing.T) {
		need(t, "openssl")
		end := len(b)
		start, comment := int(binary.LittleEndian.Uint16(b[end-6:])), int(binary.LittleEndian.Uint16(b[end-2:]))
		sig, signed := filepath.Join(t.TempDir(), "sig"), filepath.Join(t.TempDir(), "signed")
		if err := os.WriteFile(sig, b[end-start:end-6], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(signed, b[:end-comment-2], 0o644); err != nil {
			t.Fatal(err)
		}
		judge(t, nil, "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", sig, "-content", signed,
			"-certfile", s.path(s.report.OTACertificate), "-nointern", "-noverify", "-out", os.DevNull)
	})
	t.Run("protoc", func(t *testing.T) {
		need(t, "protoc")
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
		text := judge(t, manifest, "protoc", "--decode_raw")
		minor := "12: 6\n"
		if p.Kind == "full" {
			minor = "12: 0\n"
		}
		for _, want := range []string{"3: 4096\n", minor, `1: "system"`, `1: "boot"`, `1: "vbmeta"`} {
			if !strings.Contains(text, want) && want != "12: 0\n" {
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
		f, err := os.Open(s.path(s.report.Images[release]["system"]))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
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
