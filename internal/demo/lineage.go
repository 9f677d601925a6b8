package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/fleet"
)

// everyone ends the stages, and asks as a phone would whose updater is
// LineageOS's: its request says nothing about the handset, so it is offered only
// what all are.
func (s *story) everyone(ctx context.Context) (string, error) {
	if err := s.complete(ctx, s.releases[1], "Reporter and outcomes say that it works"); err != nil {
		return "", err
	}
	u := lineageUpdater{base: s.base, http: &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the client follows no redirect here")
	}}}
	for try := 0; ; try++ { // nodes read the rollouts every second
		b, err := u.builds(ctx)
		if err != nil {
			return "", err
		}
		if len(b) > 0 && b[0].Version == s.releases[1] {
			n, err := u.properties(ctx, b[0].Files[0])
			return fmt.Sprintf("LineageOS's updater is offered %s too, and reads %d bytes of properties from within it", b[0].Version, n), err
		}
		if try == 40 {
			return "", fmt.Errorf("a LineageOS client is offered %+v, expected %s", b, s.releases[1])
		}
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// complete lets a release's weekly rollout go on to its end.
func (s *story) complete(ctx context.Context, release, reason string) error {
	for {
		r, err := s.rollout(ctx, release)
		if err != nil || r.State == fleet.Complete {
			return err
		}
		if err := s.move(ctx, release, "next", reason); err != nil {
			return err
		}
	}
}

// lineageUpdater asks as the LineageOS Updater since 23.2 does: strict decoding,
// small answers, no redirect, a 206 with the exact range.
type lineageUpdater struct {
	base string
	http *http.Client
}

type lineageBuild struct {
	Datetime *int64        `json:"datetime"`
	Type     string        `json:"type"`
	Version  string        `json:"version"`
	Files    []lineageFile `json:"files"`
}

type lineageFile struct {
	Filename      string `json:"filename"`
	SHA256        string `json:"sha256"`
	Size          int64  `json:"size"`
	URL           string `json:"url"`
	PatchLevel    string `json:"os_patch_level"`
	SDKLevel      int    `json:"os_sdk_level"`
	PropertyFiles string `json:"ota_property_files"`
}

func (u lineageUpdater) builds(ctx context.Context) ([]lineageBuild, error) {
	body, _, err := u.get(ctx, u.base+"/api/v2/devices/"+url.PathEscape(device)+"/builds", "", http.StatusOK)
	if err != nil {
		return nil, err
	}
	var list []lineageBuild
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("cannot read the list of builds: %w", err)
	}
	for _, b := range list {
		if b.Datetime == nil || b.Type == "" || b.Version == "" || len(b.Files) == 0 {
			return nil, fmt.Errorf("cannot use the list of builds: %s lacks what clients need", body)
		}
		if f := b.Files[0]; f.Filename == "" || len(f.SHA256) != 64 || f.Size <= 0 || f.PatchLevel == "" || f.SDKLevel == 0 || f.PropertyFiles == "" {
			return nil, fmt.Errorf("cannot use the list of builds: %s lacks what clients need of a file", body)
		}
	}
	return list, nil
}

// properties reads payload_properties.txt from within the zip, by the range that
// the list names, and checks it as the client does.
func (u lineageUpdater) properties(ctx context.Context, f lineageFile) (int, error) {
	for entry := range strings.SplitSeq(f.PropertyFiles, ",") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(entry), "payload_properties.txt:")
		if !ok {
			continue
		}
		at, n, _ := strings.Cut(rest, ":")
		offset, err1 := strconv.ParseInt(at, 10, 64)
		size, err2 := strconv.ParseInt(n, 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, fmt.Errorf("cannot read ota_property_files: %w", err)
		}
		asked := fmt.Sprintf("%d-%d", offset, offset+size-1)
		body, header, err := u.get(ctx, f.URL, "bytes="+asked, http.StatusPartialContent)
		if err != nil {
			return 0, err
		}
		if got, want := header.Get("Content-Range"), fmt.Sprintf("bytes %s/%d", asked, f.Size); got != want || int64(len(body)) != size {
			return 0, fmt.Errorf("cannot stream %s: got Content-Range %q and %d bytes, expected %q and %d", f.Filename, got, len(body), want, size)
		}
		for _, key := range []string{"FILE_HASH=", "FILE_SIZE=", "METADATA_HASH=", "METADATA_SIZE="} {
			if !bytes.Contains(body, []byte(key)) {
				return 0, fmt.Errorf("cannot stream %s: its properties lack %s", f.Filename, key)
			}
		}
		return len(body), nil
	}
	return 0, fmt.Errorf("cannot stream %s: ota_property_files %q does not name payload_properties.txt", f.Filename, f.PropertyFiles)
}

func (u lineageUpdater) get(ctx context.Context, address, byteRange string, want int) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	resp, err := u.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	const most = 4 << 10 // where a client stops reading
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, nil, err
	case resp.StatusCode != want:
		return nil, nil, fmt.Errorf("cannot get %s: %s, expected %d", address, resp.Status, want)
	case len(body) > most:
		return nil, nil, fmt.Errorf("cannot get %s: more than %d bytes", address, most)
	}
	return body, resp.Header, nil
}
