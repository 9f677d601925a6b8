package handset

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/wire"
)

const certPlace = "system/etc/security/otacerts.zip"

var customKey = bootprofile.Profile{
	Trust: bootprofile.CustomKey, Slots: bootprofile.AB, Flash: bootprofile.Fastboot, PayloadMinor: 6,
	UpdateCertificates: []string{"system:" + certPlace},
}

// maker holds the keys of an OS and makes builds and packages of it.
type maker struct {
	avb, ota *rsa.PrivateKey
	cert     *x509.Certificate
}

var makers = sync.OnceValues(func() ([2]*maker, error) {
	var ms [2]*maker
	for i := range ms {
		m := &maker{}
		var err error
		if m.avb, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return ms, err
		}
		if m.ota, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return ms, err
		}
		t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
		der, err := x509.CreateCertificate(rand.Reader, t, t, &m.ota.PublicKey, m.ota)
		if err != nil {
			return ms, err
		}
		if m.cert, err = x509.ParseCertificate(der); err != nil {
			return ms, err
		}
		ms[i] = m
	}
	return ms, nil
})

// ours and theirs are the makers of this OS and of another one.
func ours(t testing.TB) *maker   { return must(makers())(t)[0] }
func theirs(t testing.TB) *maker { return must(makers())(t)[1] }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// spec is one build.
type spec struct {
	device    string
	version   string
	timestamp int64
	patch     string
	rollback  uint64
	noInit    bool // Android does not come up
	bytes     int  // of one file that differs in every version
	common    int  // of one file that is the same in all
}

func week(n int) spec {
	return spec{device: "umi", version: fmt.Sprintf("26.11.%02d", 6+7*n), timestamp: 1_790_000_000 + int64(n)*604_800,
		patch: fmt.Sprintf("2026-%02d-05", 10+n), rollback: uint64(10 + n), bytes: 40_000, common: 20_000}
}

func noise(seed string, n int) []byte {
	b := make([]byte, n)
	mrand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(b)
	return b
}

func file(perm uint16, label string, b []byte) *tree.Node {
	n := &tree.Node{Type: tree.Regular, Perm: perm, Size: int64(len(b)), Content: bytes.NewReader(b)}
	n.SetXattr("security.selinux", append([]byte("u:object_r:"+label+":s0"), 0))
	return n
}

// put adds a file, making its folders.
func put(root *tree.Node, path string, n *tree.Node) {
	dir := root
	for {
		i := bytes.IndexByte([]byte(path), '/')
		if i < 0 {
			dir.Set(path, n)
			return
		}
		next := dir.Entry(path[:i])
		if next == nil {
			next = tree.NewDir(0o755, 0, 0)
			dir.Set(path[:i], next)
		}
		dir, path = next, path[i+1:]
	}
}

type images map[string][]byte

// build makes system, boot and vbmeta.
func (m *maker) build(t testing.TB, s spec) images {
	t.Helper()
	root := tree.NewDir(0o755, 0, 0)
	props := fmt.Sprintf("ro.product.device=%s\nro.build.version.incremental=%s\nro.build.date.utc=%d\nro.system.build.date.utc=%[3]d\nro.build.version.security_patch=%[4]s\nro.build.version.release=15\nro.build.fingerprint=Xiaomi/umi/umi:15/AP1A/1:user/release-keys\n",
		s.device, s.version, s.timestamp, s.patch)
	put(root, "system/build.prop", file(0o600, "system_file", []byte(props)))
	put(root, "system/app/Camera/Camera.apk", file(0o644, "system_file", noise("camera "+s.version, s.bytes)))
	put(root, "system/framework/framework.jar", file(0o644, "system_file", noise("framework", s.common)))
	put(root, certPlace, file(0o644, "system_security_cacerts_file", must(otazip.WriteCerts([]*x509.Certificate{m.cert}))(t)))
	if !s.noInit {
		put(root, "system/bin/init", file(0o750, "init_exec", []byte("\x7fELF init")))
	}
	im := must(erofs.Build(root, erofs.Options{BuildTime: s.timestamp}))(t)
	system, tr, err := avb.AddHashtree(im, avb.HashtreeParams{Partition: "system", Salt: []byte("salt")})
	if err != nil {
		t.Fatal(err)
	}
	var kernel tree.Image
	kernel.AppendBytes(noise("kernel "+s.version, 8192))
	boot, h, err := avb.AddHash(&kernel, avb.HashParams{Partition: "boot", Salt: []byte("salt"), PartitionSize: 96 << 10})
	if err != nil {
		t.Fatal(err)
	}
	vbmeta := must(avb.Sign(&avb.VBMeta{RollbackIndex: s.rollback, Descriptors: []avb.Descriptor{h, tr}}, m.avb))(t)
	vbmeta = append(vbmeta, make([]byte, (4096-len(vbmeta)%4096)%4096)...)
	return images{"system": all(t, system), "boot": all(t, boot), "vbmeta": vbmeta}
}

func all(t testing.TB, im *tree.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	b.Write(make([]byte, (4096-b.Len()%4096)%4096))
	return b.Bytes()
}

// pack makes a package: incremental if from is given. edit may falsify the
// metadata.
func (m *maker) pack(t testing.TB, from images, fromSpec spec, to images, s spec, edit func(*otazip.Metadata, *payload.Plan)) string {
	t.Helper()
	meta := otazip.Metadata{OTAType: "AB", PreDevice: []string{s.device}, PostBuild: "b", PostBuildIncremental: s.version,
		PostTimestamp: s.timestamp, PostSecurityPatch: s.patch, PostSDKLevel: "35"}
	plan := payload.Plan{MaxTimestamp: s.timestamp, SecurityPatchLevel: s.patch, TempDir: t.TempDir()}
	if from != nil {
		plan.MinorVersion = 6
		meta.PreBuild, meta.PreBuildIncremental = "a", fromSpec.version
	}
	for _, name := range []string{"boot", "system", "vbmeta"} {
		part := payload.PlanPart{Name: name, New: bytes.NewReader(to[name]), NewSize: int64(len(to[name]))}
		if from == nil {
			part.Ops = payload.FullOps(part.New, part.NewSize, nil)
		} else {
			part.Old, part.OldSize = bytes.NewReader(from[name]), int64(len(from[name]))
			part.Ops = blockOps(from[name], to[name])
		}
		plan.Parts = append(plan.Parts, part)
	}
	if edit != nil {
		edit(&meta, &plan)
	}
	path := filepath.Join(t.TempDir(), "package.zip")
	f := must(os.Create(path))(t)
	defer f.Close()
	_, err := otazip.Write(context.Background(), f, otazip.Contents{Metadata: meta, Payload: func(w io.Writer) (string, error) {
		props, err := payload.Write(context.Background(), w, plan, m.ota)
		return props.Text(), err
	}}, m.ota, m.cert)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// blockOps copies the blocks that stayed in their place and replaces the rest.
func blockOps(from, to []byte) []payload.PlannedOp {
	var ops []payload.PlannedOp
	for b := 0; b < len(to)/4096; b++ {
		block := to[b*4096 : (b+1)*4096]
		ext := []payload.Extent{{Start: uint64(b), Count: 1}}
		if (b+1)*4096 <= len(from) && bytes.Equal(from[b*4096:(b+1)*4096], block) {
			ops = append(ops, payload.PlannedOp{Type: payload.SourceCopy, Src: ext, Dst: ext})
			continue
		}
		ops = append(ops, payload.PlannedOp{Dst: ext, Data: func(context.Context) (payload.OpType, []byte, error) {
			return payload.Compress(block)
		}})
	}
	return ops
}

// phone makes a handset that runs a build.
func (m *maker) phone(t testing.TB, profile bootprofile.Profile, im images) *Phone {
	t.Helper()
	return m.phoneIn(t, t.TempDir(), profile, im)
}

// memory is a folder that does not outlive the power, where there is one: a
// test that writes thousands of times durably, and is about something else,
// does not wait for a disk there.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "friday-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (m *maker) phoneIn(t testing.TB, dir string, profile bootprofile.Profile, im images) *Phone {
	t.Helper()
	var key []byte
	if profile.KeyEnforced() {
		key = avb.EncodePublicKey(&m.avb.PublicKey)
	}
	p := must(New(filepath.Join(dir, "phone"), Identity{Device: "umi", Profile: profile, Channel: "weekly", Bucket: 7}, key))(t)
	for name, b := range im {
		if err := p.Flash(name, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Boot(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p
}

// offerOf describes the package at path as a server would.
func offerOf(t testing.TB, path string, s spec) wire.Offer {
	t.Helper()
	b := must(os.ReadFile(path))(t)
	sum := sha256.Sum256(b)
	return wire.Offer{Release: s.version, Version: s.version, Kind: wire.Full, URL: wire.PathPackages + "p.zip",
		SHA256: fmt.Sprintf("%x", sum), Size: int64(len(b)), Timestamp: s.timestamp, PatchLevel: s.patch,
		RollbackIndex: s.rollback, Token: "token"}
}

// server offers one package and keeps the outcomes it is told.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	offer    wire.Offer
	path     string
	ranges   []string
	checkins []wire.CheckIn
	outcomes []wire.Outcome
	chunk    int // bytes before a pause; 0: no pauses
	cutAt    int // bytes after which the next answer is cut off; 0: never
}

func newServer(t testing.TB, path string, o wire.Offer) *server {
	s := &server{offer: o, path: path}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathCheckIn, func(w http.ResponseWriter, r *http.Request) {
		var in wire.CheckIn
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.checkins = append(s.checkins, in)
		reply := wire.CheckInReply{Reason: "up to date", NextCheck: 60}
		if in.Incremental != s.offer.Version && len(in.FailedHere) == 0 {
			reply.Offer = &s.offer
		}
		json.NewEncoder(w).Encode(reply)
	})
	mux.HandleFunc("POST "+wire.PathOutcome, func(w http.ResponseWriter, r *http.Request) {
		var o wire.Outcome
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.outcomes = append(s.outcomes, o)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET "+wire.PathPackages+"p.zip", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		cut, chunk := s.cutAt, s.chunk
		s.cutAt = 0
		s.mu.Unlock()
		f, err := os.Open(s.path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		defer f.Close()
		http.ServeContent(&slowWriter{ResponseWriter: w, chunk: chunk, cut: cut}, r, "p.zip", time.Time{}, f)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) events() []wire.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []wire.Event
	for _, o := range s.outcomes {
		list = append(list, o.Event)
	}
	return list
}

// slowWriter pauses between chunks, and breaks the connection after cut bytes.
type slowWriter struct {
	http.ResponseWriter
	chunk, cut, sent int
}

func (w *slowWriter) Write(b []byte) (int, error) {
	total := 0
	for len(b) > 0 {
		n := len(b)
		if w.chunk > 0 {
			n = min(n, w.chunk)
			time.Sleep(time.Millisecond)
		}
		if w.cut > 0 && w.sent+n >= w.cut {
			w.ResponseWriter.Write(b[:w.cut-w.sent])
			w.ResponseWriter.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		k, err := w.ResponseWriter.Write(b[:n])
		total, w.sent, b = total+k, w.sent+k, b[k:]
		if err != nil {
			return total, err
		}
		if w.chunk > 0 {
			w.ResponseWriter.(http.Flusher).Flush()
		}
	}
	return total, nil
}

// newServerBody answers every request with body.
func newServerBody(t testing.TB, body []byte) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }))
	t.Cleanup(s.Close)
	return s
}
