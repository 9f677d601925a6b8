package api

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fridayos/friday/internal/webhook"
)

// fields are the JSON fields of a type, those of its parts behind a dot.
func fields(t reflect.Type, prefix string, into map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		into[prefix+name] = true
		fields(t.Field(i).Type, prefix+name+".", into)
	}
}

func described(schema map[string]any, prefix string, into map[string]bool) {
	if items, ok := schema["items"].(map[string]any); ok {
		described(items, prefix, into)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		into[prefix+name] = true
		if p, ok := p.(map[string]any); ok {
			described(p, prefix+name+".", into)
		}
	}
}

// What webhooks are sent is what the description says, field by field.
func TestWebhooksAreDescribed(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]map[string]any
		}
	}
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	sent, said := map[string]bool{}, map[string]bool{}
	fields(reflect.TypeFor[webhook.Message](), "", sent)
	described(doc.Components.Schemas["WebhookMessage"], "", said)
	if a, b := slices.Sorted(maps.Keys(sent)), slices.Sorted(maps.Keys(said)); len(a) < 20 || !slices.Equal(a, b) {
		t.Errorf("sent are %v, described %v", a, b)
	}
}
