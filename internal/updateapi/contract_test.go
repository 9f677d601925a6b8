package updateapi_test

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

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
