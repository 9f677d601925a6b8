package updateapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// updater is a phone with the LineageOS Updater of version 23.2 or later. What it
// does is what its sources do; the functions that are named are theirs.
type updater struct {
	uri                    string // lineage.updater.uri
	device, kind, incr     string // ro.lineage.device, ro.lineage.releasetype, ro.build.version.incremental
	buildDate              int64  // ro.build.date.utc
	sdk                    int
	checksType, strictJSON bool // as some of its versions and forks do
	streamed               []byte
}

// upstream is what NetworkUpdate and NetworkUpdateFile decode: names without a
// default must be there, of their type, and be no null.
var upstream = struct{ update, file, optional map[string]any }{
	update:   map[string]any{"datetime": 0.0, "files": []any{}, "type": "", "version": ""},
	file:     map[string]any{"filename": "", "sha256": "", "size": 0.0, "url": ""},
	optional: map[string]any{"os_patch_level": "", "os_sdk_level": 0.0, "ota_property_files": ""},
}

type lineageUpdate struct {
	ID, Name, URL, Type, Version, PatchLevel string
	Time, Size                               int64
	SDK                                      int
	ranges                                   map[string][2]int64
}

// decode is Json.decodeFromString<List<NetworkUpdate>>, then toUpdate for each.
func (u *updater) decode(body []byte) (all []lineageUpdate, err error) {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, errors.New("the list is null")
	}
	read := func(object map[string]json.RawMessage, need, may map[string]any) (map[string]any, error) {
		out := map[string]any{}
		for name, like := range need {
			var v any
			if err := json.Unmarshal(object[name], &v); err != nil || fmt.Sprintf("%T", v) != fmt.Sprintf("%T", like) {
				return nil, fmt.Errorf("%s is %s, expected a %T", name, object[name], like)
			}
			out[name] = v
		}
		for name, raw := range object {
			like, known := may[name]
			if need[name] != nil {
				continue
			}
			if !known && u.strictJSON { // without JsonIgnoreUnknownKeys
				return nil, fmt.Errorf("%s is not known", name)
			}
			var v any
			if err := json.Unmarshal(raw, &v); err != nil || known && v != nil && fmt.Sprintf("%T", v) != fmt.Sprintf("%T", like) {
				return nil, fmt.Errorf("%s is %s, expected a %T", name, raw, like)
			}
			out[name] = v
		}
		return out, nil
	}
	for _, object := range list {
		b, err := read(object, upstream.update, nil)
		if err != nil {
			return nil, err
		}
		var files []map[string]json.RawMessage
		if err := json.Unmarshal(object["files"], &files); err != nil || len(files) != 1 { // files[0]; forks want it to be the only one
			return nil, fmt.Errorf("files are %s, %w", object["files"], err)
		}
		f, err := read(files[0], upstream.file, upstream.optional)
		if err != nil {
			return nil, err
		}
		up := lineageUpdate{ID: f["sha256"].(string), Name: f["filename"].(string), URL: f["url"].(string), Type: b["type"].(string), Version: b["version"].(string), Time: int64(b["datetime"].(float64)), Size: int64(f["size"].(float64)), ranges: map[string][2]int64{}}
		if sdk, ok := f["os_sdk_level"].(float64); ok {
			up.SDK = int(sdk)
		}
		up.PatchLevel, _ = f["os_patch_level"].(string)
		if text, ok := f["ota_property_files"].(string); ok {
			for token := range strings.SplitSeq(text, ",") { // parsePackageFileRanges
				part := strings.Split(strings.TrimSpace(token), ":")
				if len(part) != 3 {
					return nil, fmt.Errorf("ota_property_files has %q", token)
				}
				offset, err1 := strconv.ParseInt(part[1], 10, 64)
				size, err2 := strconv.ParseInt(part[2], 10, 64)
				if _, twice := up.ranges[part[0]]; err1 != nil || err2 != nil || twice || size <= 0 || offset+size > up.Size {
					return nil, fmt.Errorf("ota_property_files has %q", token)
				}
				up.ranges[part[0]] = [2]int64{offset, size}
			}
		}
		all = append(all, up)
	}
	return all, nil
}

// maxUpdateList is MAX_RESPONSE_BYTES of a fork that bounds it.
const maxUpdateList = 4 << 10

// fetch is UpdatesNetworkDataSource.fetchUpdates and UpdatesRepository.filterUpdates:
// 10 s, no redirect, a status of 2xx, and what is newer and not of an older Android.
func (u *updater) fetch(t *testing.T) (shown []lineageUpdate, err error) {
	t.Helper()
	address := strings.NewReplacer("{device}", u.device, "{type}", strings.ToLower(u.kind), "{incr}", u.incr).Replace(u.uri)
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, body := get(t, client, address, "")
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("unexpected HTTP status: %d", resp.StatusCode)
	}
	if len(body) > maxUpdateList {
		return nil, fmt.Errorf("the list has %d bytes", len(body))
	}
	all, err := u.decode(body)
	for _, up := range all {
		if up.Time > u.buildDate && up.SDK >= u.sdk && (!u.checksType || strings.EqualFold(up.Type, u.kind)) {
			shown = append(shown, up)
		}
	}
	return shown, err
}

// stream is what it does with an A/B package that it need not download: a ranged
// GET of payload_properties.txt, which must be answered with 206 and the exact
// Content-Range; update_engine then takes url, offset, size and those lines.
func (u *updater) stream(t *testing.T, up lineageUpdate) error {
	t.Helper()
	part := func(name string) ([]byte, error) {
		at, ok := up.ranges[name]
		if !ok {
			return nil, fmt.Errorf("ota_property_files lacks %s", name)
		}
		resp, body := get(t, http.DefaultClient, up.URL, fmt.Sprintf("bytes=%d-%d", at[0], at[0]+at[1]-1))
		if want := fmt.Sprintf("bytes %d-%d/%d", at[0], at[0]+at[1]-1, up.Size); resp.StatusCode != http.StatusPartialContent || resp.Header.Get("Content-Range") != want || int64(len(body)) != at[1] {
			return nil, fmt.Errorf("%s is answered with %d, %q, %d bytes; expected 206, %q", name, resp.StatusCode, resp.Header.Get("Content-Range"), len(body), want)
		}
		return body, nil
	}
	properties, err := part("payload_properties.txt")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(properties)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); !ok || name == "FILE_SIZE" && value != strconv.FormatInt(up.ranges["payload.bin"][1], 10) {
			return fmt.Errorf("payload_properties.txt has %q", line)
		}
	}
	head, err := part("payload_metadata.bin")
	if err != nil {
		return err
	}
	if u.streamed, err = part("payload.bin"); err == nil && (!bytes.HasPrefix(u.streamed, head) || !bytes.HasPrefix(head, []byte("CrAU"))) {
		err = errors.New("the payload does not begin with its metadata")
	}
	return err
}

func (s *shipped) updater(query string) *updater {
	return &updater{uri: s.http.URL + "/api/v2/devices/{device}/builds" + query, device: "cmi", kind: "UNOFFICIAL", incr: s.before.Incremental, buildDate: s.before.Timestamp, sdk: 35, strictJSON: true}
}

func TestLineageOSUpdater(t *testing.T) {
	b := newBench(t, sqlite(t))
	s := ship(t, b)
	phone := s.updater("")
	shows := func(phone *updater, want int) []lineageUpdate {
		t.Helper()
		shown, err := phone.fetch(t)
		if err != nil || len(shown) != want {
			t.Fatalf("it shows %+v, %v; expected %d", shown, err, want)
		}
		return shown
	}
	shows(phone, 0) // in its stages
	s.complete(t)
	up := shows(phone, 1)[0]
	if p := s.packages[catalog.Full]; up.ID != p.Digest.String() || up.Size != p.Size || up.Name != p.File || up.PatchLevel != "2026-11-05" || up.Version != "26.11.27" || up.Time != 3000 || !strings.HasPrefix(up.URL, "http") {
		t.Errorf("it shows %+v", up)
	}
	if err := phone.stream(t, up); err != nil {
		t.Error(err)
	}
	if p := s.packages[catalog.Full]; !bytes.Equal(phone.streamed, s.zips[catalog.Full][p.PayloadOffset:p.PayloadOffset+p.PayloadSize]) {
		t.Error("it streams something else")
	}
	typed := s.updater("?type={type}&incr={incr}")
	typed.checksType = true
	shows(typed, 1)
	old := s.updater("")
	old.checksType = true // and its address does not tell the type
	shows(old, 0)
	newer := s.updater("")
	newer.buildDate = 3000
	shows(newer, 0)
	newer.buildDate, newer.sdk = 2000, 36
	shows(newer, 0)

	s.write(t, func(tx *db.Tx) error {
		_, err := fleet.Pull(tx, s.rollout.ID, "ana", "eats photos")
		return err
	})
	s.refresh(t)
	if shown := shows(phone, 0); shown != nil {
		t.Errorf("pulled, and it shows %v: a real recall is an empty list", shown)
	}
	nobody := s.updater("")
	nobody.device = "nobody"
	shows(nobody, 0)
}

// TestLineageOSNeverEmptyInDoubt: an empty list makes the client delete what it
// has downloaded (UpdatesRepository removes what is no longer advertised).
func TestLineageOSNeverEmptyInDoubt(t *testing.T) {
	b := newBench(t, sqlite(t))
	phone := &updater{uri: b.http.URL + "/api/v2/devices/{device}/builds", device: "umi"}
	if shown, err := phone.fetch(t); err == nil {
		t.Errorf("before the first snapshot it is told %v", shown)
	}
	b.refresh(t)
	if _, err := phone.fetch(t); err != nil {
		t.Error(err)
	}
	b.advance(time.Minute) // no word of the rollouts since
	if shown, err := phone.fetch(t); err == nil {
		t.Errorf("past the lease it is told %v", shown)
	}
}

// TestLineageOSWithoutPropertyFiles: a package for the recovery has none, and the
// client takes an empty text for a list with one entry that it cannot read.
func TestLineageOSWithoutPropertyFiles(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.write(t, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE packages SET property_files = ''")
		return err
	})
	b.refresh(t)
	complete(t, b)
	phone := &updater{uri: b.http.URL + "/api/v2/devices/{device}/builds", device: "umi", strictJSON: true}
	shown, err := phone.fetch(t)
	if err != nil || len(shown) != 1 || len(shown[0].ranges) != 0 {
		t.Errorf("it shows %+v, %v", shown, err)
	}
	if _, err := phone.decode([]byte(`[{"datetime":1,"type":"a","version":"1","files":[{"filename":"a","sha256":"b","size":1,"url":"c","ota_property_files":""}]}]`)); err == nil {
		t.Error("the client reads an empty list of files")
	}
}

// TestLineageOSInTurn: a handset that tells its bucket and its build is offered a
// release in its stage, stays in it, and is led out of a pulled one.
func TestLineageOSInTurn(t *testing.T) {
	b := newBench(t, sqlite(t))
	var staged fleet.Rollout
	b.write(t, func(tx *db.Tx) (err error) {
		if _, err = fleet.Pull(tx, b.rollout.ID, "ana", "another"); err != nil {
			return err
		}
		staged, err = fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Weekly, Region: "IN", Build: b.new.ID, Stages: []fleet.Stage{{Percent: 10}, {Percent: 100}}}, "ana", "go")
		return err
	})
	b.refresh(t)
	first, last := -1, -1
	for bucket := range wire.Buckets {
		switch place := fleet.Place(staged.Release, bucket); {
		case place == 0:
			first = bucket
		case place == wire.Buckets-1:
			last = bucket
		}
	}
	for _, c := range []struct {
		name, query string
		want        int
	}{
		{"first of the stage", fmt.Sprintf("?incr={incr}&region=IN&bucket=%d", first), 1},
		{"last of all", fmt.Sprintf("?incr={incr}&region=IN&bucket=%d", last), 0},
		{"another region", fmt.Sprintf("?incr={incr}&region=DE&bucket=%d", first), 0},
		{"no region", fmt.Sprintf("?incr={incr}&bucket=%d", first), 0},
		{"no build", fmt.Sprintf("?region=IN&bucket=%d", first), 0},
		{"a build that is not known", fmt.Sprintf("?incr=x&region=IN&bucket=%d", first), 0},
		{"no bucket", "?incr={incr}&region=IN", 0},
		{"a large number that is none of its first", "?incr={incr}&region=IN&bucket=" + mixedTo(last), 0},
		{"a large number that is one of its first", "?incr={incr}&region=IN&bucket=" + mixedTo(first), 1},
		{"a negative number", "?incr={incr}&region=IN&bucket=-1", 0},
		{"a bucket that is no number", "?incr={incr}&region=IN&bucket=x", 0},
	} {
		phone := &updater{uri: b.http.URL + "/api/v2/devices/{device}/builds" + c.query, device: "umi", incr: "26.11.20", buildDate: 2000, sdk: 35}
		if shown, err := phone.fetch(t); err != nil || len(shown) != c.want || c.want == 1 && shown[0].ID != b.packages[catalog.Full].Digest.String() {
			t.Errorf("%s: it shows %v, %v", c.name, shown, err)
		}
		one := phoneV1{address: b.http.URL + "/api/v1/umi/unofficial/" + strings.ReplaceAll(strings.Replace(c.query, "incr={incr}&", "", 1), "incr=x&", ""), version: "26.11.20", kind: "UNOFFICIAL", date: 2000}
		incr := "26.11.20"
		if c.name == "no build" || c.name == "a build that is not known" {
			incr = "x"
		}
		one.address = strings.Replace(one.address, "unofficial/", "unofficial/"+incr, 1)
		if shown, err := one.fetch(t); err != nil || len(shown) != c.want {
			t.Errorf("%s: the older client shows %v, %v", c.name, shown, err)
		}
	}
}

// phoneV1 is a phone with the LineageOS Updater before version 23.2; what is named
// is its Utils and HttpURLConnectionClient.
type phoneV1 struct {
	address, version, kind string // ro.lineage.build.version, ro.lineage.releasetype
	date                   int64  // ro.build.date.utc
}

type updateV1 struct {
	name, id, url, version string
	size                   int64
	installable            bool
}

// fetch is parseJson, with isCompatible and canInstall.
func (p phoneV1) fetch(t *testing.T) (shown []updateV1, err error) {
	t.Helper()
	resp, body := get(t, http.DefaultClient, p.address, "")
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the server replied with code %d", resp.StatusCode)
	}
	var list struct{ Response *[]map[string]any }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if list.Response == nil {
		return nil, errors.New("there is no response")
	}
	for _, u := range *list.Response {
		text := func(name string) string { // getString
			s, ok := u[name].(string)
			if !ok {
				err = fmt.Errorf("%s is %v, expected a text", name, u[name])
			}
			return s
		}
		number := func(name string) int64 { // getLong
			n, ok := u[name].(float64)
			if !ok {
				err = fmt.Errorf("%s is %v, expected a number", name, u[name])
			}
			return int64(n)
		}
		one := updateV1{name: text("filename"), id: text("id"), url: text("url"), version: text("version"), size: number("size")}
		at, kind := number("datetime"), text("romtype")
		if err != nil { // the client leaves such an element out; we never send one
			return nil, err
		}
		if one.version >= p.version && at > p.date && strings.EqualFold(kind, p.kind) {
			one.installable = strings.EqualFold(one.version, p.version)
			shown = append(shown, one)
		}
	}
	return shown, nil
}

// download goes on from what is there: any answer but 206 is a failure (mResume),
// and so is a redirect to another protocol.
func (u updateV1) download(t *testing.T, have []byte) ([]byte, error) {
	t.Helper()
	from, err := url.Parse(u.url)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Scheme != from.Scheme {
			return errors.New("protocol changes are not allowed")
		}
		return nil
	}}
	ranges, want := "", http.StatusOK
	if len(have) > 0 {
		ranges, want = fmt.Sprintf("bytes=%d-", len(have)), http.StatusPartialContent
	}
	resp, rest := get(t, client, u.url, ranges)
	if resp.StatusCode != want {
		return nil, fmt.Errorf("the server replied with code %d", resp.StatusCode)
	}
	if total := resp.ContentLength + int64(len(have)); total != u.size { // getContentLengthLong: its progress
		return nil, fmt.Errorf("the total is %d, expected %d", total, u.size)
	}
	return append(have, rest...), nil
}

func TestLineageOSUpdaterV1(t *testing.T) {
	b := newBench(t, sqlite(t))
	phone := phoneV1{address: b.http.URL + "/api/v1/umi/unofficial/eng.ana.20261120", version: "26.11.20", kind: "UNOFFICIAL", date: 2000}
	if shown, err := phone.fetch(t); err == nil {
		t.Errorf("before the first snapshot it shows %v", shown)
	}
	b.refresh(t)
	shows := func(want string) (one updateV1) {
		t.Helper()
		shown, err := phone.fetch(t)
		var names []string
		for _, u := range shown {
			names, one = append(names, u.name), u
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("it shows %q, %v, expected %q", names, err, want)
		}
		return one
	}
	shows("") // in its stages
	complete(t, b)
	one := shows("umi-full-26.11.27.zip")
	for _, have := range []int{0, 1, 29_000} {
		got, err := one.download(t, bytes.Clone(b.full[:have]))
		if sum := sha256.Sum256(got); err != nil || hex.EncodeToString(sum[:]) != one.id {
			t.Errorf("from byte %d on it has %d bytes, %v", have, len(got), err)
		}
	}
	phone.kind = "weekly"
	shows("")
	phone.address = b.http.URL + "/api/v1/umi/weekly/x"
	if one := shows("umi-full-26.11.27.zip"); one.installable {
		t.Error("an update of another version is installed unasked")
	}
	phone.version = "26.11.27"
	if one := shows("umi-full-26.11.27.zip"); !one.installable {
		t.Error("it may not be installed")
	}
	b.pull(t)
	shows("")
}

// grapheneOS is a phone with GrapheneOS's Updater; what it does is what its
// Service does in onHandleIntent and onDownloadFinished.
type grapheneOS struct {
	base, device, channel, incremental, fingerprint string
	buildDate                                       int64
	have                                            []byte // UPDATE_PATH
	file                                            string // PREFERENCE_DOWNLOAD_FILE
}

var errCurrent = errors.New("target build date not higher than source build date")

// update fetches the line, and the package that it speaks of, from where it
// stopped if it has some of it. stop ends the download after so many bytes.
func (g *grapheneOS) update(t *testing.T, stop int) error {
	t.Helper()
	resp, body := get(t, http.DefaultClient, g.base+g.device+"-"+g.channel, "")
	if resp.StatusCode >= 400 {
		return fmt.Errorf("the line is answered with %d", resp.StatusCode)
	}
	line, _, _ := strings.Cut(string(body), "\n")
	metadata := strings.Split(line, " ")
	if len(metadata) < 4 {
		return fmt.Errorf("the line is %q", line)
	}
	date, err := strconv.ParseInt(metadata[1], 10, 64)
	switch {
	case err != nil:
		return err
	case date <= g.buildDate:
		return errCurrent
	case metadata[2] != g.device || metadata[3] != g.channel:
		return fmt.Errorf("the line is %q", line)
	}
	incremental := g.device + "-incremental-" + g.incremental + "-" + metadata[0] + ".zip"
	full := g.device + "-ota_update-" + metadata[0] + ".zip"
	if len(g.have) > 0 && (g.file == incremental || g.file == full) {
		resp, body = get(t, http.DefaultClient, g.base+g.file, fmt.Sprintf("bytes=%d-", len(g.have)))
		if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable { // download completed previously
			return g.finished(date)
		}
		if resp.StatusCode != http.StatusPartialContent { // it would append the whole to what it has
			return fmt.Errorf("a download that goes on is answered with %d", resp.StatusCode)
		}
	} else {
		g.have, g.file = nil, incremental
		if resp, body = get(t, http.DefaultClient, g.base+incremental, ""); resp.StatusCode == http.StatusNotFound {
			g.file = full
			resp, body = get(t, http.DefaultClient, g.base+full, "")
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s is answered with %d", g.file, resp.StatusCode)
		}
	}
	if stop > 0 {
		g.have = append(g.have, body[:stop]...)
		return io.ErrUnexpectedEOF
	}
	g.have = append(g.have, body...)
	return g.finished(date)
}

func TestGrapheneOSUpdater(t *testing.T) {
	b := newBench(t, sqlite(t))
	base := b.http.URL + "/grapheneos/"
	if resp, _ := get(t, http.DefaultClient, base+"umi-weekly", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the first snapshot it is answered with %d", resp.StatusCode)
	}
	if resp, _ := get(t, http.DefaultClient, base+"umi-incremental-26.11.20-26.11.27.zip", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the first snapshot a package is answered with %d: on 404 it would fetch the full one", resp.StatusCode)
	}
	s := ship(t, b)
	phone := func() *grapheneOS {
		return &grapheneOS{base: base, device: "cmi", channel: "weekly", incremental: s.before.Incremental, fingerprint: s.before.Fingerprint, buildDate: s.before.Timestamp}
	}
	if err := phone().update(t, 0); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("while the rollout is in its stages: %v", err)
	}
	s.complete(t)
	g := phone()
	if err := g.update(t, 0); err != nil || !bytes.Equal(g.have, s.zips[catalog.Incremental]) {
		t.Errorf("it has %d bytes of %s, %v", len(g.have), g.file, err)
	}
	if err := g.update(t, 0); err != nil { // 416: it has all
		t.Error(err)
	}
	g = phone()
	if err := g.update(t, 5000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if err := g.update(t, 0); err != nil || !bytes.Equal(g.have, s.zips[catalog.Incremental]) {
		t.Errorf("gone on, it has %d bytes, %v", len(g.have), err)
	}
	g = phone()
	g.incremental, g.fingerprint = "26.11.06", "f" // of which there is no incremental
	if err := g.update(t, 0); err != nil || !bytes.Equal(g.have, s.zips[catalog.Full]) || !strings.Contains(g.file, "ota_update") {
		t.Errorf("it has %d bytes of %s, %v", len(g.have), g.file, err)
	}
	g = phone()
	g.buildDate = 3000
	if err := g.update(t, 0); !errors.Is(err, errCurrent) {
		t.Errorf("it is current: %v", err)
	}
	for _, name := range []string{"umi", "umi-nightly", "umi-", "-weekly", "lmi-weekly", "cmi-ota_update-26.11.28.zip", "cmi-incremental-.zip", ".zip", "cmi-alpha"} {
		if resp, _ := get(t, http.DefaultClient, base+name, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered with %d", name, resp.StatusCode)
		}
	}
	s.write(t, func(tx *db.Tx) error {
		_, err := fleet.Pull(tx, s.rollout.ID, "ana", "eats photos")
		return err
	})
	s.refresh(t)
	for _, name := range []string{"cmi-incremental-26.11.20-26.11.27.zip", "cmi-ota_update-26.11.27.zip"} {
		if resp, _ := get(t, http.DefaultClient, base+name, ""); resp.StatusCode != http.StatusGone {
			t.Errorf("pulled, %s is answered with %d", name, resp.StatusCode)
		}
	}
}

// finished is onDownloadFinished.
func (g *grapheneOS) finished(date int64) error {
	z, err := otazip.Open(bytes.NewReader(g.have), int64(len(g.have)))
	if err != nil {
		return err
	}
	text, err := z.ReadFile(otazip.NameMetadata)
	if err != nil {
		return err
	}
	m := map[string]string{}
	for line := range strings.Lines(string(text)) {
		pair := strings.Split(strings.TrimSuffix(line, "\n"), "=")
		if len(pair) > 1 {
			m[pair[0]] = pair[1]
		}
	}
	switch {
	case m["post-timestamp"] != strconv.FormatInt(date, 10):
		return errors.New("timestamp does not match server metadata")
	case m["pre-device"] != g.device:
		return errors.New("device mismatch")
	case m["serialno"] != "":
		return errors.New("serialno constraint not permitted")
	case m["ota-type"] != "AB":
		return errors.New("package is not an A/B update")
	case m["pre-build-incremental"] != "" && m["pre-build-incremental"] != g.incremental:
		return errors.New("source incremental mismatch")
	case m["pre-build"] != "" && m["pre-build"] != g.fingerprint:
		return errors.New("source fingerprint mismatch")
	}
	for file := range strings.SplitSeq(strings.TrimSpace(m["ota-streaming-property-files"]), ",") {
		if part := strings.Split(file, ":"); part[0] == "payload.bin" {
			offset, err := strconv.Atoi(part[1])
			if err != nil || !bytes.HasPrefix(g.have[offset:], []byte("CrAU")) {
				return fmt.Errorf("the payload is not at %s", part[1])
			}
			return nil
		}
	}
	return errors.New("the payload's offset is not told")
}

// mixedTo is a large number of which the server makes that bucket.
func mixedTo(bucket int) string {
	for n := 1_000_000_000; ; n++ {
		if b, ok := updateapi.BucketOf(strconv.Itoa(n)); ok && b == bucket {
			return strconv.Itoa(n)
		}
	}
}

// TestBucketOf: the nanoseconds of a clock that ticks at 19.2 MHz, as phones' do,
// fill every bucket alike.
func TestBucketOf(t *testing.T) {
	count := make([]int, wire.Buckets)
	const each = 100
	for tick := range each * wire.Buckets {
		b, ok := updateapi.BucketOf(strconv.Itoa(2_000_000_000 + tick*625/12))
		if !ok {
			t.Fatal("a number is none")
		}
		count[b]++
	}
	chi := 0.0
	for _, n := range count {
		chi += float64((n-each)*(n-each)) / each
	}
	// 9,999 degrees of freedom: 141 is one standard deviation, and nothing here is left
	// to chance.
	if chi > 9_999+5*141 {
		t.Errorf("chi-squared is %.0f", chi)
	}
	for text, want := range map[string]int{"0": 0, "9999": 9999, "0042": 42} {
		if b, ok := updateapi.BucketOf(text); !ok || b != want {
			t.Errorf("%s is %d, %v", text, b, ok)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5", "99999999999999999999"} {
		if b, ok := updateapi.BucketOf(text); ok {
			t.Errorf("%q is %d", text, b)
		}
	}
}
