package scrub

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// made writes a log of so many lines from a seed: lines of both tables whole, cut,
// joined and with their values changed, in the frames that Android prints, with what
// it prints most between them.
func made(t testing.TB, seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 4))
	var known []string
	for _, file := range []string{"private.txt", "harmless.txt"} {
		for _, line := range lines(t, file) {
			known = append(known, plainLine(line))
		}
	}
	words := strings.Fields(`ActivityManager start proc pid uid wifi ssid= "Maier Net" bssid location[ gps call from number: +49 151 23456789 imei 356938035643809 account {name=
		anna@example.com com.android.camera2 at java.lang.Thread.run(Thread.java:1012) 192.168.178.21 fe80::1a2b:3c4d:5e6f:7a8b 00:11:22:33:44:55 48.137154,11.576124 /storage/emulated/0/DCIM/a.jpg
		content://com.android.contacts/contacts/lookup/ key= token: eyJhbGciOi.abc.def 0x7fffabcd size=4096 1732690000123 V12.5.9.0.RJBCNXM hostname android-0123456789abcdef Bearer is was ' " { } [ ] ( ) : = -> , ; % %40 °`)
	var b strings.Builder
	for range n {
		line := ""
		switch pick := func() string { return known[r.IntN(len(known))] }; r.IntN(8) {
		case 0, 1, 2:
			line = pick()
		case 3: // half of one and half of another
			one, two := pick(), pick()
			line = one[:r.IntN(len(one)+1)] + two[r.IntN(len(two)+1):]
		case 4: // other digits
			line = strings.Map(func(c rune) rune {
				if c >= '0' && c <= '9' && r.IntN(3) == 0 {
					return '0' + rune(r.IntN(10))
				}
				return c
			}, pick())
		case 5: // one byte more or less
			one := pick()
			at := r.IntN(len(one) + 1)
			line = one[:at] + string(" :=\"'@/.,-1aA"[r.IntN(13)]) + one[min(len(one), at+r.IntN(2)):]
		default:
			for range 1 + r.IntN(12) {
				line += words[r.IntN(len(words))] + []string{" ", " ", "", ", "}[r.IntN(4)]
			}
		}
		switch r.IntN(5) {
		case 0:
			line = fmt.Sprintf("11-27 10:%02d:12.%03d  %d  %d %c %s: %s", r.IntN(60), r.IntN(1000), r.IntN(9999), r.IntN(9999), "VDIWE"[r.IntN(5)], words[r.IntN(6)], line)
		case 1:
			line = fmt.Sprintf("%c/%s(%5d): %s", "VDIWE"[r.IntN(5)], []string{"RILJ", "WifiHAL", "GnssLocationProvider", "ContactsProvider", "chromium"}[r.IntN(5)], r.IntN(9999), line)
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}

// TestSameAsEver: the tables and made logs give, byte by byte, what they gave before
// the searches were made fast (their digests are of then). Whoever changes on purpose
// what is taken out changes the digests, after looking at what differs.
func TestSameAsEver(t *testing.T) {
	sum := func(text string) string {
		h := sha256.Sum256([]byte(NewKeyed(key).Text(text)))
		return hex.EncodeToString(h[:8])
	}
	var tables strings.Builder
	for _, file := range []string{"private.txt", "harmless.txt"} {
		for _, line := range lines(t, file) {
			tables.WriteString(plainLine(line) + "\n")
		}
	}
	got := []string{sum(tables.String()), sum(strings.Join(hostile(), "\n"))}
	for seed := range uint64(6) {
		got = append(got, sum(made(t, seed, 4000)))
	}
	want := []string{"c1d11f4678230e07", "5b68417f1218d525", "a37b3ccc033ce1b5", "ebcef84bcda63a8e", "f3a51a0736f89444", "64c5dfd281c608e9", "174b766e533a2e73", "60caf43d0d9c6d66"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the tables, hostile lines and logs of the seeds 0 to 5 give\n%q, expected\n%q", got, want)
	}
}

func BenchmarkLog(b *testing.B) {
	text := []byte(made(b, 1, 5000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w := NewWriter(nowhere{}, NewKeyed(key))
		_, _ = w.Write(text)
		_ = w.Close()
	}
}
