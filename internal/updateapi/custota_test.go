package updateapi_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/android/csig"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// zipFile is an otazip.File in memory.
type zipFile struct{ b []byte }

func (f *zipFile) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(f.b).ReadAt(p, at) }

func (f *zipFile) WriteAt(p []byte, at int64) (int, error) {
	if grow := int(at) + len(p) - len(f.b); grow > 0 {
		f.b = append(f.b, make([]byte, grow)...)
	}
	return copy(f.b[at:], p), nil
}

// shipped is a release of a device with packages as the worker makes them:
// signed, with their metadata, described to Custota.
type shipped struct {
	*bench
	before, after catalog.Build
	zips          map[string][]byte // by kind
	packages      map[string]catalog.Package
	certs         []*x509.Certificate // otacerts.zip of a phone
	rollout       fleet.Rollout
}

func hexOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// ship puts a release of device cmi into b that everybody may have.
func ship(t *testing.T, b *bench) *shipped {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := keys.GenerateWith(dir, keys.Options{AVBBits: 2048, OTABits: 2048}); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	key, cert, err := ring.OTA()
	if err != nil {
		t.Fatal(err)
	}
	s := &shipped{bench: b, zips: map[string][]byte{}, packages: map[string]catalog.Package{}, certs: []*x509.Certificate{cert}}
	of := func(version string, at int64) catalog.Build {
		images := []catalog.Partition{{Name: "system", Digest: blob.Digest(sha256.Sum256([]byte(version))), Size: 4096}}
		return catalog.Build{ID: catalog.BuildID("cmi", version, images), Device: "cmi", Version: version, Incremental: version, Fingerprint: "friday/cmi/cmi:15/" + version, PatchLevel: "2026-11-05", SDK: 35,
			Timestamp: at, VBMetaDigest: hexOf("vbmeta of " + version), Images: images}
	}
	s.before, s.after = of("26.11.20", 2000), of("26.11.27", 3000)
	for kind, from := range map[string]*catalog.Build{catalog.Full: nil, catalog.Incremental: &s.before} {
		m := otazip.Metadata{PreDevice: []string{"cmi"}, PostBuild: s.after.Fingerprint, PostBuildIncremental: s.after.Incremental, PostTimestamp: s.after.Timestamp, PostSecurityPatch: s.after.PatchLevel, PostSDKLevel: "35"}
		if from != nil {
			m.PreBuild, m.PreBuildIncremental = from.Fingerprint, from.Incremental
		}
		var f zipFile
		info, err := otazip.Write(t.Context(), &f, otazip.Contents{Metadata: m, CareMap: []byte("care of " + kind), Payload: func(w io.Writer) (string, error) {
			body := append([]byte("CrAU\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x64\x00\x00\x00\x10"), bytes.Repeat([]byte(kind), 9000)...)
			_, err := w.Write(body)
			return fmt.Sprintf("FILE_HASH=%s\nFILE_SIZE=%d\nMETADATA_HASH=x=\nMETADATA_SIZE=124\n", hexOf(kind), len(body)), err
		}}, key, cert)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := b.blobs.Put(t.Context(), bytes.NewReader(f.b))
		if err != nil {
			t.Fatal(err)
		}
		p := catalog.Package{Digest: ref.Digest, Size: ref.Size, Kind: kind, Device: "cmi", To: s.after.ID, File: "friday-cmi-" + kind + ".zip", PayloadOffset: info.PayloadOffset, PayloadSize: info.PayloadSize,
			Properties: info.Properties, PropertyFiles: info.PropertyFiles, ProvenAt: time.Now()}
		vbmeta := s.after.VBMetaDigest
		if from != nil {
			p.From, vbmeta = from.ID, ""
		}
		s.zips[kind], s.packages[kind] = f.b, p
		about, err := csig.Describe(t.Context(), &f, p.Size, vbmeta)
		if err != nil {
			t.Fatal(err)
		}
		der, err := csig.Sign(about, key, cert)
		if err != nil {
			t.Fatal(err)
		}
		described, err := b.blobs.Put(t.Context(), bytes.NewReader(der))
		if err != nil {
			t.Fatal(err)
		}
		b.write(t, func(tx *db.Tx) error {
			return errors.Join(catalog.PutBuild(tx, s.before), catalog.PutBuild(tx, s.after), catalog.PutPackage(tx, p), catalog.PutCsig(tx, catalog.Csig{Package: p.Digest, Ref: described}))
		})
	}
	b.write(t, func(tx *db.Tx) (err error) {
		s.rollout, err = fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "cmi", Channel: wire.Weekly, Build: s.after.ID, Stages: []fleet.Stage{{Percent: 100}}}, "ana", "go")
		return err
	})
	b.refresh(t)
	return s
}

// complete lets the release reach everyone.
func (s *shipped) complete(t *testing.T) {
	t.Helper()
	s.write(t, func(tx *db.Tx) error {
		_, err := fleet.Next(tx, s.rollout.ID, "ana", "all well")
		return err
	})
	s.refresh(t)
}

// custota is a phone with Custota. What it does, and in which order, is what
// UpdaterThread.kt of version 5.22 does: fetchUpdateInfo, checkForUpdates,
// downloadAndCheckCsig, fetchAndCheckMetadata, fetchPropertyFile and
// startInstallation are named where a rule of theirs is replayed.
type custota struct {
	base                                                 string // as the owner entered it
	device, incremental, fingerprint, patchLevel, vbmeta string
	buildTime                                            int64 // seconds
	certs                                                []*x509.Certificate
	client                                               *http.Client
}

type custotaFound struct {
	update, incremental bool
	ota                 string
	about               csig.Info
	fetched             map[string][]byte // what update_engine is given, by name
}

func (c *custota) check(t *testing.T) (found custotaFound, err error) {
	t.Helper()
	base, err := url.Parse(strings.TrimSuffix(c.base, "/") + "/") // resolveUri
	if err != nil {
		return found, err
	}
	body, err := c.read(t, base.JoinPath(c.device+".json").String())
	if err != nil {
		return found, err
	}
	// fetchUpdateInfo: kotlinx.serialization with ignoreUnknownKeys; a field
	// without a default must be there, and be no null.
	var info struct {
		Version     *int
		Full        *struct{ Location_ota, Location_csig *string }           //nolint:revive // as in the JSON
		Incremental map[string]struct{ Location_ota, Location_csig *string } //nolint:revive // as in the JSON
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return found, err
	}
	if info.Version == nil || *info.Version != 2 || info.Full == nil {
		return found, fmt.Errorf("only update info of version 2 with a full package is read: %s", body)
	}
	// checkForUpdates: the incremental for the digest of what runs, else the full one.
	at, isIncremental := info.Incremental[c.vbmeta]
	if !isIncremental {
		at = *info.Full
	}
	if at.Location_ota == nil || at.Location_csig == nil {
		return found, fmt.Errorf("a location is missing: %s", body)
	}
	found.incremental = isIncremental
	resolve := func(location string) (string, error) {
		u, err := base.Parse(location)
		if err == nil && u.Scheme != "http" && u.Scheme != "https" {
			err = fmt.Errorf("%s resolves to an unsupported protocol", location)
		}
		return fmt.Sprint(u), err
	}
	if found.ota, err = resolve(*at.Location_ota); err != nil {
		return found, err
	}
	where, err := resolve(*at.Location_csig)
	if err != nil {
		return found, err
	}
	der, err := c.read(t, where)
	if err != nil {
		return found, err
	}
	if found.about, err = csig.Open(der, c.certs); err != nil { // downloadAndCheckCsig
		return found, err
	}
	m, err := c.metadata(t, &found)
	if err != nil {
		return found, err
	}
	found.update = isIncremental || m.PostBuild != c.fingerprint || found.about.VBMetaDigest != "" && found.about.VBMetaDigest != c.vbmeta
	return found, nil
}

// metadata is fetchAndCheckMetadata.
func (c *custota) metadata(t *testing.T, found *custotaFound) (m otazip.Metadata, err error) {
	t.Helper()
	body, err := c.property(t, found, "metadata.pb")
	if err != nil {
		return m, err
	}
	if m, err = otazip.ParseMetadataPB(body); err != nil {
		return m, err
	}
	switch {
	case m.OTAType != "AB":
		return m, errors.New("not an A/B OTA package")
	case !slices.Contains(m.PreDevice, c.device):
		return m, fmt.Errorf("mismatched device ID: %q", m.PreDevice)
	case m.PostSecurityPatch < c.patchLevel:
		return m, fmt.Errorf("downgrading to older security patch %s", m.PostSecurityPatch)
	case m.PostTimestamp < c.buildTime:
		return m, fmt.Errorf("downgrading to older timestamp %d", m.PostTimestamp)
	case m.PreBuildIncremental != "" && m.PreBuildIncremental != c.incremental:
		return m, fmt.Errorf("mismatched incremental version %s", m.PreBuildIncremental)
	case m.PreBuild != "" && m.PreBuild != c.fingerprint:
		return m, fmt.Errorf("mismatched fingerprint %s", m.PreBuild)
	case m.PostBuild == "":
		return m, errors.New("metadata postcondition lists no fingerprints")
	}
	list, ok := m.PropertyFiles[otazip.PropertyFiles]
	if !ok {
		return m, errors.New("no ota-property-files")
	}
	for i, segment := range strings.Split(list, ",") { // in pairs, as far as the shorter list goes
		part := strings.Split(strings.TrimRight(segment, " "), ":")
		if len(part) != 3 {
			return m, fmt.Errorf("invalid property files segment: %s", segment)
		}
		if i >= len(found.about.Files) {
			break
		}
		f := found.about.Files[i]
		if f.Name != part[0] || strconv.FormatInt(f.Offset, 10) != part[1] || strconv.FormatInt(f.Size, 10) != part[2] {
			return m, fmt.Errorf("csig files do not match metadata property files: %s, %+v", segment, f)
		}
	}
	return m, nil
}

// install is startInstallation as far as the server has a part in it.
func (c *custota) install(t *testing.T, found *custotaFound) error {
	t.Helper()
	found.fetched = map[string][]byte{}
	for _, name := range []string{"payload_metadata.bin", "care_map.pb", "payload_properties.txt"} {
		body, err := c.property(t, found, name)
		if err != nil {
			return err
		}
		found.fetched[name] = body
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(string(found.fetched["payload_properties.txt"]), "\n") { // parseKeyValuePairs
		if line == "" {
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if !ok || seen[name] {
			return fmt.Errorf("invalid property file line: %s", line)
		}
		seen[name] = true
	}
	var err error
	found.fetched["payload.bin"], err = c.property(t, found, "payload.bin") // update_engine fetches it
	return err
}

// property is fetchPropertyFile: the range that was asked for and no other, its
// length, and its digest as the csig has it.
func (c *custota) property(t *testing.T, found *custotaFound, name string) ([]byte, error) {
	t.Helper()
	f, ok := found.about.Find(name)
	if !ok {
		return nil, fmt.Errorf("missing property files entry: %s", name)
	}
	asked := fmt.Sprintf("%d-%d", f.Offset, f.Offset+f.Size-1)
	resp, body := get(t, c.client, found.ota, "bytes="+asked)
	answered, _, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
	switch {
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("got %d for %s", resp.StatusCode, found.ota)
	case answered != "bytes "+asked:
		return nil, fmt.Errorf("response range (%s) does not match request (%s)", answered, asked)
	case resp.ContentLength != f.Size || int64(len(body)) != f.Size:
		return nil, fmt.Errorf("expected %d bytes, but Content-Length is %d", f.Size, resp.ContentLength)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != f.Digest {
		return nil, fmt.Errorf("expected sha256 %s of %s", f.Digest, name)
	}
	return body, nil
}

// read is HttpURLConnection.inputStream: an error for every status from 400 on.
func (c *custota) read(t *testing.T, address string) ([]byte, error) {
	t.Helper()
	resp, body := get(t, c.client, address, "")
	if resp.StatusCode >= 400 {
		return nil, fmt.Errorf("%s is answered with %d", address, resp.StatusCode)
	}
	return body, nil
}

func (s *shipped) custota(base string) custota {
	return custota{base: base + "/custota/weekly", device: "cmi", incremental: s.before.Incremental, fingerprint: s.before.Fingerprint, patchLevel: "2026-10-05", vbmeta: s.before.VBMetaDigest,
		buildTime: s.before.Timestamp, certs: s.certs, client: http.DefaultClient}
}

func TestCustota(t *testing.T) {
	b := newBench(t, sqlite(t))
	if resp, _ := get(t, http.DefaultClient, b.http.URL+"/custota/weekly/cmi.json", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the first snapshot it is answered with %d", resp.StatusCode)
	}
	s := ship(t, b)
	phone := s.custota(b.http.URL)
	if _, err := phone.check(t); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("while the rollout is in its stages it finds %v", err)
	}
	s.complete(t)
	for name, c := range map[string]struct {
		edit   func(*custota)
		kind   string
		update bool
		refuse string
	}{
		"the build before":        {func(*custota) {}, catalog.Incremental, true, ""},
		"an address with a slash": {func(c *custota) { c.base += "/" }, catalog.Incremental, true, ""},
		"another build":           {func(c *custota) { c.vbmeta, c.incremental, c.fingerprint = hexOf("x"), "26.11.06", "f" }, catalog.Full, true, ""},
		"the same build": {func(c *custota) {
			c.vbmeta, c.incremental, c.fingerprint = s.after.VBMetaDigest, s.after.Incremental, s.after.Fingerprint
		}, catalog.Full, false, ""},
		"the same build, patched": {func(c *custota) {
			c.vbmeta, c.incremental, c.fingerprint = hexOf("root"), s.after.Incremental, s.after.Fingerprint
		}, catalog.Full, true, ""},
		"a newer one":                  {func(c *custota) { c.vbmeta, c.buildTime = hexOf("x"), 4000 }, "", false, "older timestamp"},
		"a newer patch level":          {func(c *custota) { c.vbmeta, c.patchLevel = hexOf("x"), "2026-12-05" }, "", false, "older security patch"},
		"another's key":                {func(c *custota) { c.certs = nil }, "", false, "trusted certificates signed it"},
		"a channel that is not open":   {func(c *custota) { c.base = b.http.URL + "/custota/alpha" }, "", false, "404"},
		"a device that is not there":   {func(c *custota) { c.device = "lmi" }, "", false, "404"},
		"a device that is undescribed": {func(c *custota) { c.device = "umi" }, "", false, "404"},
	} {
		phone := s.custota(b.http.URL)
		c.edit(&phone)
		found, err := phone.check(t)
		if c.refuse != "" {
			if err == nil || !strings.Contains(err.Error(), c.refuse) {
				t.Errorf("%s: it finds %+v, %v; expected %q", name, found, err, c.refuse)
			}
			continue
		}
		if err != nil || found.update != c.update || found.incremental != (c.kind == catalog.Incremental) {
			t.Errorf("%s: update %v, incremental %v, %v", name, found.update, found.incremental, err)
			continue
		}
		if err := phone.install(t, &found); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := s.packages[c.kind]
		if !bytes.Equal(found.fetched["payload.bin"], s.zips[c.kind][p.PayloadOffset:p.PayloadOffset+p.PayloadSize]) || string(found.fetched["care_map.pb"]) != "care of "+c.kind || len(found.fetched["payload_metadata.bin"]) != 24+100+16 {
			t.Errorf("%s: it installs something else", name)
		}
	}
	s.write(t, func(tx *db.Tx) error {
		_, err := fleet.Pull(tx, s.rollout.ID, "ana", "eats photos")
		return err
	})
	was := s.custota(b.http.URL)
	found, err := was.check(t) // by the snapshot of a moment ago
	if err != nil {
		t.Fatal(err)
	}
	s.refresh(t)
	if _, err := was.check(t); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("pulled, and it finds %v", err)
	}
	if err := was.install(t, &found); err == nil || !strings.Contains(err.Error(), "410") {
		t.Errorf("pulled, and it installs: %v", err)
	}
}

// TestCustotaByCDN: HttpURLConnection follows a redirect of the same protocol and
// takes its headers along.
func TestCustotaByCDN(t *testing.T) {
	b := newBench(t, sqlite(t))
	s := ship(t, b)
	s.complete(t)
	var ranges []string
	cdn := http.NewServeMux()
	origin := b.api
	cdn.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		r.Header.Set("CDN-Loop", "cdn.example")
		origin.ServeHTTP(w, r)
	})
	front := b.serve(t, nil, b.db)
	front.http.Config.Handler = cdn
	api, err := updateapi.New(updateapi.Options{DB: b.db, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "http://os.example", PackagesURL: front.http.URL, Metrics: prometheus.NewPedanticRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	n := b.serve(t, api, b.db)
	n.refresh(t)
	phone := s.custota(n.http.URL)
	phone.client = &http.Client{Transport: rewrite{"os.example", n.http.Listener.Addr().String()}}
	found, err := phone.check(t)
	if err == nil {
		err = phone.install(t, &found)
	}
	if err != nil || !found.incremental || len(ranges) != 6 || ranges[0] != "" || !strings.HasPrefix(ranges[5], "bytes=4096-") {
		t.Errorf("%+v, %v; the CDN was asked for %q", found, err, ranges)
	}
}

// rewrite sends what is for one host to another.
type rewrite struct{ from, to string }

func (w rewrite) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == w.from {
		r = r.Clone(r.Context())
		r.URL.Host = w.to
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestCsigByOpenSSL has openssl read and verify what the server serves.
func TestCsigByOpenSSL(t *testing.T) {
	b := newBench(t, sqlite(t))
	s := ship(t, b)
	s.complete(t)
	_, body := get(t, http.DefaultClient, b.http.URL+"/custota/weekly/cmi.json", "")
	var info struct {
		Full struct {
			Csig string `json:"location_csig"`
		}
	}
	if err := json.Unmarshal(body, &info); err != nil {
		t.Fatal(err)
	}
	resp, der := get(t, http.DefaultClient, info.Full.Csig, "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/pkcs7-mime" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("a csig is answered with %d, %v", resp.StatusCode, resp.Header)
	}
	dir := t.TempDir()
	file, trusted := filepath.Join(dir, "a.csig"), filepath.Join(dir, "ota.pem")
	err := errors.Join(os.WriteFile(file, der, 0o600), os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certs[0].Raw}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	// As Custota's README has it.
	out := judge.Pipe(t, nil, "openssl", "cms", "-verify", "-in", file, "-inform", "DER", "-binary", "-CAfile", trusted, "-purpose", "any")
	var about csig.Info
	if err := json.Unmarshal(out, &about); err != nil || about.VBMetaDigest != s.after.VBMetaDigest || len(about.Files) != 6 {
		t.Errorf("openssl reads %s, %v", out, err)
	}
}
