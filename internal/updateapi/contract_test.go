package updateapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// lineageList fetches and reads a list as the LineageOS Updater does: no
// redirect, a 2xx within 10 s, at most 4 KiB, and a strict decoder, for which
// one element that lacks a field fails the list.
func lineageList(t *testing.T, address string) ([]map[string]any, error) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	case len(body) > 4<<10:
		return nil, fmt.Errorf("more than 4 KiB")
	}
	var list []map[string]any
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, fmt.Errorf("the list is null")
	}
	need := func(at string, object map[string]any, fields map[string]any) error {
		for name, like := range fields {
			value, ok := object[name]
			if !ok || reflect.TypeOf(value) != reflect.TypeOf(like) {
				return fmt.Errorf("%s.%s is %v, expected a %T", at, name, value, like)
			}
		}
		return nil
	}
	for _, build := range list {
		if err := need("build", build, map[string]any{"datetime": 0.0, "type": "", "version": "", "files": []any{}}); err != nil {
			return nil, err
		}
		file, ok := build["files"].([]any)[0].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("files[0] is no object")
		}
		if err := need("file", file, map[string]any{"filename": "", "sha256": "", "size": 0.0, "url": "", "os_patch_level": "", "os_sdk_level": 0.0, "ota_property_files": ""}); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func TestLineageOSUpdater(t *testing.T) {
	b := newBench(t, sqlite(t))
	address := b.http.URL + "/api/v2/devices/umi/builds"
	if list, err := lineageList(t, address); err == nil {
		t.Errorf("before the first snapshot the list is %v: handsets would delete their download", list)
	}
	b.refresh(t)
	if list, err := lineageList(t, address); err != nil || len(list) != 0 {
		t.Errorf("while the rollout is in its stages the list is %v, %v", list, err)
	}
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.Next(tx, b.rollout.ID, "ana", "all well")
		return err
	})
	b.refresh(t)
	list, err := lineageList(t, address)
	if err != nil || len(list) != 1 {
		t.Fatalf("the list is %v, %v", list, err)
	}
	build, file := list[0], list[0]["files"].([]any)[0].(map[string]any)
	p := b.packages[catalog.Full]
	// What the client compares with the running system.
	if build["datetime"].(float64) != 3000 || build["version"].(string) < "26.11.20" || build["type"] != "weekly" ||
		file["os_sdk_level"].(float64) != 35 || file["os_patch_level"] != "2026-11-05" {
		t.Errorf("the build is %v", build)
	}
	if file["sha256"] != p.Digest.String() || int64(file["size"].(float64)) != p.Size || file["filename"] != p.File {
		t.Errorf("the file is %v, expected the full package", file)
	}
	// It streams: a ranged GET of payload_properties.txt must be answered with
	// 206 and the exact Content-Range.
	m := regexp.MustCompile(`payload_properties\.txt:(\d+):(\d+)`).FindStringSubmatch(file["ota_property_files"].(string))
	if m == nil {
		t.Fatalf("ota_property_files is %v", file["ota_property_files"])
	}
	var offset, size int
	fmt.Sscan(m[1], &offset)
	fmt.Sscan(m[2], &size)
	req, err := http.NewRequestWithContext(t.Context(), "GET", file["url"].(string), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+size-1))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("bytes %d-%d/%d", offset, offset+size-1, p.Size); err != nil || resp.StatusCode != 206 || resp.Header.Get("Content-Range") != want || !bytes.Equal(got, b.full[offset:offset+size]) {
		t.Errorf("the range is answered with %d, %q, %d bytes, %v; expected 206, %q", resp.StatusCode, resp.Header.Get("Content-Range"), len(got), err, want)
	}
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.Pull(tx, b.rollout.ID, "ana", "eats photos")
		return err
	})
	b.refresh(t)
	if list, err := lineageList(t, address); err != nil || len(list) != 0 {
		t.Errorf("pulled, and the list is %v, %v: a real recall is an empty one", list, err)
	}
	if list, err := lineageList(t, b.http.URL+"/api/v2/devices/nobody/builds"); err != nil || len(list) != 0 {
		t.Errorf("of an unknown device the list is %v, %v", list, err)
	}
}

type schema struct {
	Type        any               `yaml:"type"`
	Description string            `yaml:"description"`
	Required    []string          `yaml:"required"`
	Properties  map[string]schema `yaml:"properties"`
}

type document struct {
	OpenAPI    string                    `yaml:"openapi"`
	Paths      map[string]map[string]any `yaml:"paths"`
	Components struct {
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

func TestOpenAPIDescribesTheWords(t *testing.T) {
	b := newBench(t, sqlite(t))
	resp, err := http.Get(b.http.URL + updateapi.PathOpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	var d document
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for path, method := range map[string]string{wire.PathCheckIn: "post", wire.PathOutcome: "post", wire.PathClaim: "post", wire.PathLineageV2: "get",
		wire.PathPackages + "{digest}/{file}": "get", updateapi.PathOpenAPI: "get",
		wire.PathLineageV1: "get", wire.PathGrapheneOS + "{name}": "get", wire.PathUpdateEngine: "get", wire.PathCustota + "{channel}/{file}": "get"} {
		if d.Paths[path][method] == nil {
			t.Errorf("%s %s is not described", method, path)
		}
	}
	if len(d.Paths) != 10 {
		t.Errorf("%d paths are described, expected 10", len(d.Paths))
	}
	for _, v := range []any{wire.CheckIn{}, wire.CheckInReply{}, wire.Offer{}, wire.ClaimRequest{}, wire.ClaimReply{}, wire.Outcome{}, wire.Error{}} {
		typ := reflect.TypeOf(v)
		s := d.Components.Schemas[typ.Name()]
		fields := 0
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			p, ok := s.Properties[name]
			if fields++; !ok || p.Description == "" {
				t.Errorf("%s.%s is not described", typ.Name(), name)
			}
			if want := jsonType(typ.Field(i).Type); want != "" && p.Type != want {
				t.Errorf("%s.%s is described as %v, expected %s", typ.Name(), name, p.Type, want)
			}
			if optional := options == "omitempty"; optional == strings.Contains(" "+strings.Join(s.Required, " ")+" ", " "+name+" ") {
				t.Errorf("%s.%s: required and omitempty are %v", typ.Name(), name, optional)
			}
		}
		if fields != len(s.Properties) {
			t.Errorf("%s has %d fields, and %d are described", typ.Name(), fields, len(s.Properties))
		}
	}
}

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "integer"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "array"
	}
	return ""
}
