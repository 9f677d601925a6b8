// Package apktest makes small apps for tests: a zip with a binary manifest, and no
// code. They are not signed.
package apktest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"

	"github.com/fridayos/friday/android/apk"
)

// App makes an app with the manifest m.
func App(m apk.Manifest) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("AndroidManifest.xml")
	if err == nil {
		_, err = w.Write(Manifest(m, true))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a bytes.Buffer takes all
	}
	return b.Bytes()
}

// Numbers of attributes, in the order in which their names begin the strings.
var (
	attributes = []string{"name", "versionCode", "versionName", "sharedUserId", "protectionLevel", "targetSdkVersion"}
	numbers    = []uint32{0x01010003, 0x0101021b, 0x0101021c, 0x0101000b, 0x01010009, 0x01010270}
)

// writer collects the strings and elements of a document.
type writer struct {
	texts    []string
	elements []byte
}

// Manifest writes m as binary XML, its strings in UTF-8 or UTF-16.
func Manifest(m apk.Manifest, utf8 bool) []byte {
	w := &writer{texts: append([]string(nil), attributes...)}
	w.start("manifest", w.number("versionCode", uint32(m.VersionCode)), w.text("versionName", m.VersionName), w.text("sharedUserId", m.SharedUserID), w.text("package", m.Package))
	if m.TargetSDK > 0 {
		w.start("uses-sdk", w.number("targetSdkVersion", uint32(m.TargetSDK)))
		w.end("uses-sdk")
	}
	for _, p := range m.Uses {
		w.start("uses-permission", w.text("name", p))
		w.end("uses-permission")
	}
	for _, p := range m.Declares {
		w.start("permission", w.text("name", p.Name), w.number("protectionLevel", p.Level))
		w.end("permission")
	}
	w.end("manifest")
	return w.document(utf8)
}

var le = binary.LittleEndian

const none = 0xffffffff

func words(vs ...uint32) (b []byte) {
	for _, v := range vs {
		b = le.AppendUint32(b, v)
	}
	return b
}

func chunk(kind, header int, body []byte) []byte {
	b := le.AppendUint16(nil, uint16(kind))
	b = le.AppendUint16(b, uint16(header))
	b = le.AppendUint32(b, uint32(8+len(body)))
	return append(b, body...)
}

// index finds a text, or adds it.
func (w *writer) index(s string) uint32 {
	for i, t := range w.texts {
		if t == s {
			return uint32(i)
		}
	}
	w.texts = append(w.texts, s)
	return uint32(len(w.texts) - 1)
}

// attribute has the index of the text that was written, too, or none.
func (w *writer) attribute(name string, written uint32, kind byte, data uint32) []byte {
	return append(append(words(none, w.index(name), written), 8, 0, 0, kind), words(data)...)
}

func (w *writer) number(name string, n uint32) []byte { return w.attribute(name, none, 0x10, n) }

func (w *writer) text(name, value string) []byte {
	if value == "" {
		return nil
	}
	i := w.index(value)
	return w.attribute(name, i, 3, i)
}

func (w *writer) start(name string, attributes ...[]byte) {
	body := bytes.Join(attributes, nil)
	b := append(words(1, none, none, w.index(name)), 20, 0, 20, 0, byte(len(body)/20), 0, 0, 0, 0, 0, 0, 0)
	w.elements = append(w.elements, chunk(0x102, 16, append(b, body...))...)
}

func (w *writer) end(name string) {
	w.elements = append(w.elements, chunk(0x103, 16, words(1, none, none, w.index(name)))...)
}

func (w *writer) document(utf8 bool) []byte {
	var table, data []byte
	flags := uint32(0)
	if utf8 {
		flags = 0x100
	}
	for _, s := range w.texts {
		table = le.AppendUint32(table, uint32(len(data)))
		if utf8 {
			data = append(append(append(data, byte(len(s)), byte(len(s))), s...), 0)
			continue
		}
		data = le.AppendUint16(data, uint16(len(s)))
		for _, c := range []byte(s) {
			data = append(data, c, 0)
		}
		data = append(data, 0, 0)
	}
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	pool := chunk(1, 28, append(append(words(uint32(len(w.texts)), 0, flags, uint32(28+len(table)), 0), table...), data...))
	return chunk(3, 8, bytes.Join([][]byte{pool, chunk(0x180, 8, words(numbers...)), w.elements}, nil))
}
