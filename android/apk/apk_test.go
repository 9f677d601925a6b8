package apk_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/apk/apktest"
	"github.com/fridayos/friday/internal/judge"
)

// realApps are apps that others made; without them the test is skipped by name.
func realApps(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("FRIDAY_REAL_ANDROID")
	if dir == "" {
		t.Skip("needs FRIDAY_REAL_ANDROID: a folder of real Android files, as scripts/real-android makes")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.apk"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no apps in %s: %v", dir, err)
	}
	return files
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestManifest(t *testing.T) {
	for _, name := range realApps(t) {
		t.Run(filepath.Base(filepath.Dir(name))+"/"+filepath.Base(name), func(t *testing.T) {
			b := read(t, name)
			m, err := apk.Open(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			said := judge.Run(t, "aapt", "dump", "badging", name)
			want := func(pattern, have string) {
				t.Helper()
				f := regexp.MustCompile(pattern).FindStringSubmatch(said)
				if f == nil || f[1] != have {
					t.Errorf("%s is %q, aapt says %q", pattern, have, f)
				}
			}
			want(`package: name='([^']*)'`, m.Package)
			want(`versionCode='([^']*)'`, strconv.FormatInt(m.VersionCode, 10))
			want(`versionName='([^']*)'`, m.VersionName)
			if strings.Contains(said, "targetSdkVersion:'") {
				want(`targetSdkVersion:'([^']*)'`, strconv.Itoa(m.TargetSDK))
			}
			var uses []string
			for _, f := range regexp.MustCompile(`(?m)^uses-permission(?:-sdk-23)?: name='([^']*)'`).FindAllStringSubmatch(said, -1) {
				uses = append(uses, f[1])
			}
			if strings.Join(m.Uses, " ") != strings.Join(uses, " ") {
				t.Errorf("it asks for %q, aapt says %q", m.Uses, uses)
			}
			if m.Package == "android" && (len(m.Declares) < 300 || m.SharedUserID != "android.uid.system") {
				t.Errorf("the framework declares %d permissions and shares %q", len(m.Declares), m.SharedUserID)
			}
		})
	}
}

func TestSigners(t *testing.T) {
	for _, name := range realApps(t) {
		t.Run(filepath.Base(filepath.Dir(name))+"/"+filepath.Base(name), func(t *testing.T) {
			b := read(t, name)
			signers, err := apk.Signers(t.Context(), bytes.NewReader(b), int64(len(b)))
			if filepath.Base(name) == "framework-res.apk" {
				if !errors.Is(err, apk.ErrUnsigned) { // Debian's is not signed
					t.Errorf("framework-res.apk: %v, %v", signers, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			said := judge.Run(t, "apksigner", "verify", "-v", "--print-certs", name)
			for _, s := range signers {
				if !strings.Contains(said, fmt.Sprintf("certificate SHA-256 digest: %x", s.SHA256())) || !strings.Contains(said, fmt.Sprintf("v%d): true", s.Scheme)) && !strings.Contains(said, fmt.Sprintf("v%d scheme (APK Signature Scheme v%d): true", s.Scheme, s.Scheme)) || !s.Verified {
					t.Errorf("scheme %d, certificate %x; apksigner says\n%s", s.Scheme, s.SHA256(), said)
				}
			}
			// Whatever bit changes, it is seen.
			for _, at := range []int{40, len(b) / 2, len(b) - 30} {
				c := bytes.Clone(b)
				c[at] ^= 1
				if s, err := apk.Signers(t.Context(), bytes.NewReader(c), int64(len(c))); err == nil {
					t.Errorf("byte %d changed, and it verifies: %v", at, s)
				}
			}
		})
	}
}

var camera = apk.Manifest{Package: "org.example.camera", VersionCode: 7, VersionName: "1.2", SharedUserID: "android.uid.system", TargetSDK: 34,
	Uses: []string{"android.permission.CAMERA"}, Declares: []apk.Permission{{Name: "org.example.SHOOT", Level: 0x12}}}

func manifest(utf8 bool) []byte { return apktest.Manifest(camera, utf8) }

func appOf(manifest []byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("AndroidManifest.xml")
	w.Write(manifest)
	z.Close()
	return b.Bytes()
}

// manifestWith is camera as it is read: what does not name a least version runs on
// the first.
func manifestWith(minSDK int) apk.Manifest {
	m := camera
	m.MinSDK = minSDK
	return m
}

func TestSmall(t *testing.T) {
	for _, utf8 := range []bool{true, false} {
		b := appOf(manifest(utf8))
		m, err := apk.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil || fmt.Sprint(*m) != fmt.Sprint(manifestWith(1)) || !m.Declares[0].Privileged() {
			t.Errorf("UTF-8 %v: %+v, %v", utf8, m, err)
		}
	}
}

// TestMade has aapt read what the tests' apps are made of.
func TestMade(t *testing.T) {
	name := filepath.Join(t.TempDir(), "camera.apk")
	if err := os.WriteFile(name, apktest.App(camera), 0o644); err != nil {
		t.Fatal(err)
	}
	said := judge.Run(t, "aapt", "dump", "badging", name)
	for _, want := range []string{"package: name='org.example.camera' versionCode='7' versionName='1.2'", "uses-permission: name='android.permission.CAMERA'", "targetSdkVersion:'34'"} {
		if !strings.Contains(said, want) {
			t.Errorf("aapt does not say %s:\n%s", want, said)
		}
	}
}

func TestBad(t *testing.T) {
	whole := manifest(true)
	for n := range whole {
		b := appOf(whole[:n])
		if m, err := apk.Open(bytes.NewReader(b), int64(len(b))); err == nil && m.Package != "org.example.camera" {
			t.Errorf("cut at %d: %+v", n, m)
		}
	}
	for want, b := range map[string][]byte{
		"cannot read app: zip: not a valid zip file":                                              []byte("x"),
		"cannot read app: AndroidManifest.xml: byte 0: expected binary XML (chunk 0x3), found 3c": appOf([]byte("<manifest/>")),
		"cannot read app: AndroidManifest.xml: it names no package":                               appOf([]byte{3, 0, 8, 0, 8, 0, 0, 0}),
	} {
		if _, err := apk.Open(bytes.NewReader(b), int64(len(b))); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	b := appOf(whole)
	if _, err := apk.Signers(t.Context(), bytes.NewReader(b), int64(len(b))); !errors.Is(err, apk.ErrUnsigned) {
		t.Errorf("an unsigned app: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(manifest(true))
	f.Add(manifest(false))
	f.Fuzz(func(_ *testing.T, b []byte) {
		app := appOf(b)
		_, _ = apk.Open(bytes.NewReader(app), int64(len(app)))
	})
}

func FuzzSigners(f *testing.F) {
	f.Add(appOf(manifest(true)))
	block := append(binary.LittleEndian.AppendUint64(nil, 24+12), make([]byte, 12)...)
	block = append(binary.LittleEndian.AppendUint64(block, 24+12), "APK Sig Block 42"...)
	f.Add(append(append([]byte("PK\x03\x04........"), block...), "PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x38\x00\x00\x00\x00\x00"...))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = apk.Signers(context.Background(), bytes.NewReader(b), int64(len(b)))
	})
}

func ExampleOpen() {
	b := appOf(manifest(true))
	m, err := apk.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Package, m.VersionCode, m.Uses)
	// Output: org.example.camera 7 [android.permission.CAMERA]
}
