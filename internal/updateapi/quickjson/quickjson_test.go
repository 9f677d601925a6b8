package quickjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/updateapi/quickjson"
	"github.com/fridayos/friday/internal/wire"
)

// fill gives every field of a struct a value: with odd, of texts that need
// escapes too, and some fields none.
func fill(v reflect.Value, r *rand.Rand, odd bool) {
	texts := []string{"umi", "26.11.27", "a b", "{}[]:,", strings.Repeat("x", 300)}
	if odd {
		texts = append(texts, "", `quote " and \`, "<&>", "línea\n", "\u2028", "\xff", "\x00\x7f")
	}
	for i := range v.NumField() {
		f := v.Field(i)
		if odd && r.IntN(4) == 0 {
			continue
		}
		switch f.Kind() {
		case reflect.String:
			f.SetString(texts[r.IntN(len(texts))])
		case reflect.Int, reflect.Int64:
			f.SetInt(r.Int64N(1e15) - 3)
		case reflect.Uint64:
			f.SetUint(1 + r.Uint64N(1e15))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"one", texts[r.IntN(len(texts))]}))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
			fill(f.Elem(), r, odd)
		default:
			panic(fmt.Sprintf("a field is a %s", f.Kind()))
		}
	}
}

// read reads text both ways and compares; quick says whether the quick one did.
func read[T any](t *testing.T, text string, how func(string, *T) bool) (quick bool) {
	t.Helper()
	var got, want T
	quick = how(text, &got)
	if !quick && !reflect.DeepEqual(got, want) {
		t.Errorf("%q is not read, and left %+v behind", text, got)
	}
	err := json.Unmarshal([]byte(text), &want)
	if quick && (err != nil || !reflect.DeepEqual(got, want)) {
		t.Errorf("%q is read as %+v, expected %+v (%v)", text, got, want, err)
	}
	return quick
}

// TestEveryField: nothing of package wire is unknown here, read or written.
func TestEveryField(t *testing.T) {
	const seed = 1
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 2000 {
		odd := i%2 == 1
		var c wire.CheckIn
		var o wire.Outcome
		var token wire.OfferToken
		var reply wire.CheckInReply
		for _, v := range []any{&c, &o, &token, &reply} {
			fill(reflect.ValueOf(v).Elem(), r, odd)
		}
		for name, quick := range map[string]bool{"check-in": read(t, marshal(t, c), quickjson.CheckIn), "outcome": read(t, marshal(t, o), quickjson.Outcome),
			"token": read(t, marshal(t, token), quickjson.Token)} {
			if !quick && !odd {
				t.Errorf("a %s with every field is not read", name)
			}
		}
		if got := quickjson.AppendReply([]byte("before"), &reply); string(got) != "before"+marshal(t, reply) {
			t.Errorf("a reply is written as %s, expected %s", got, marshal(t, reply))
		}
		if got := quickjson.AppendToken(nil, &token); string(got) != marshal(t, token) {
			t.Errorf("a token is written as %s, expected %s", got, marshal(t, token))
		}
		if t.Failed() {
			return
		}
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// seeds are texts that JSON has more than one mind about.
var seeds = []string{
	`{}`, ` { } `, `{"device":"umi"}`, `{"device":"umi",}`, `{,}`, `{"device" : "umi" , "bucket":7}` + "\n", `{"device":"umi"} {}`, `{"device":"umi"}x`, `null`, `[]`, ``, `{`, `{"device"`,
	`{"device":"umi","device":"lmi"}`, `{"DEVICE":"umi"}`, `{"device":null}`, `{"device":7}`, `{"device":"\u0075"}`, "{\"device\":\"\xff\"}", "{\"device\":\"a\nb\"}", `{"new":{"x":[1]}}`,
	`{"bucket":-0}`, `{"bucket":007}`, `{"bucket":1.0}`, `{"bucket":1e3}`, `{"bucket":-}`, `{"bucket":- 1}`, `{"bucket":9223372036854775808}`, `{"bucket":999999999999999999}`, `{"bucket":"7"}`,
	`{"rollback_index":-1}`, `{"rollback_index":18446744073709551615}`, `{"early":true,"modified":false}`, `{"early":truex}`, `{"early":"true"}`, `{"early":tru`,
	`{"failed_here":[]}`, `{"failed_here":["a","b"]}`, `{"failed_here":["a",]}`, `{"failed_here":[,]}`, `{"failed_here":["a"],"failed_here":[]}`, `{"failed_here":null}`,
	`{"token":"t","event":"booted","incremental":"26.11.27"}`, `{"id":"x","rollout":12,"expires":9999999999,"claim":-3}`,
}

func TestBothWays(t *testing.T) {
	for _, text := range seeds {
		read(t, text, quickjson.CheckIn)
		read(t, text, quickjson.Outcome)
		read(t, text, quickjson.Token)
	}
}

// FuzzRead: whatever is read here means the same to encoding/json, and what is
// written again is what that writes.
func FuzzRead(f *testing.F) {
	for _, text := range seeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read(t, text, quickjson.CheckIn)
		read(t, text, quickjson.Outcome)
		read(t, text, quickjson.Token)
		reply := wire.CheckInReply{Reason: text, Ticket: text, Offer: &wire.Offer{Notes: text, Properties: text}}
		if got, want := quickjson.AppendReply(nil, &reply), marshal(t, reply); !bytes.Equal(got, []byte(want)) {
			t.Errorf("%q is written as %s, expected %s", text, got, want)
		}
	})
}
