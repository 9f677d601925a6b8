package words

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{ // extra words with a + before them
		{"empty", "", ""},
		{"English", "The camera crashes, always!", "the camera crashes always"},
		{"capitals are small", "WIFI", "wifi"},
		{"class", "CameraService", "camera +cameraservice service"},
		{"package", "com.android.camera2", "com +com.android.camera2 android camera2 +camera"},
		{"class in a package", "at org.example.HTTPServer$Worker.run(", "at org +org.example.httpserverworker.run example http +httpserver server worker run"},
		{"abbreviation in front", "S3AInputStream", "s3a +s3ainputstream input stream"},
		{"number in a name", "camera2Api", "camera2 +camera +camera2api api"},
		{"plural of an abbreviation", "APIs", "apis"},
		{"snake", "wm_on_create_called", "wm +wmoncreatecalled on create called"},
		{"hyphen", "Wi-Fi", "wi +wifi fi"},
		{"apostrophes", "The camera's lens, don’t, it's; l'eau", "the camera lens dont it l +leau eau"},
		{"release", "26.11.27.1", "26.11.27.1"},
		{"release at the end", "Fixed in 26.11.27.", "fixed in 26.11.27"},
		{"version of a stock", "V12.5.1.0.QJBMIXM", "v12.5.1.0 +v12.5.1.0.qjbmixm qjbmixm"},
		{"version with letters", "4.1.46Final", "4.1.46final"},
		{"build", "N9005XXUGBOJ2 LMY47X", "n9005xxugboj2 lmy47x"},
		{"model", "SM-N9005", "sm +smn9005 n9005"},
		{"CVE", "CVE-2019-20444", "cve +cve201920444 2019 20444"},
		{"dots are no words", "... - _ -- '", ""},
		{"path", "/data/app/base.apk", "data app base +base.apk apk"},
		{"Spanish", "La cámara FALLÓ en español", "la camara fallo en espanol"},
		{"decomposed accents", "ca\u0301mara", "camara"},
		{"German", "STRASSE Straße Größe", "strasse strasse grosse"},
		{"Russian keeps its marks", "Мой ёж", "мой ёж"},
		{"Greek", "ΟΔΌΣ", "οδόσ"},
		{"Hindi whole", "कैमरा बंद हो जाता है।", "कैमरा बंद हो जाता है"},
		{"Hindi with nukta, either way", "फ़ोन फ\u093cोन", "फ\u093cोन फ\u093cोन"},
		{"Hindi joiner", "क्\u200dष", "क्ष"},
		{"Chinese", "相机崩溃", "相机 机崩 崩溃 +溃"},
		{"one Chinese character", "崩", "崩"},
		{"Chinese with Latin", "小米MIUI系统", "小米 +米 miui 系统 +统"},
		{"Chinese stops", "相机。崩溃", "相机 +机 崩溃 +溃"},
		{"Japanese", "カメラーが落ちる", "カメ メラ ラー ーが が落 落ち ちる +る"},
		{"half-width kana", "ｶﾒﾗ", "カメ メラ +ラ"},
		{"Korean", "카메라가", "카메 메라 라가 +가"},
		{"Thai with marks", "กล้อง", "กล้ ล้อ อง +ง"},
		{"wide letters", "ＭＩＵＩ１２", "miui12 +miui"},
		{"wide dots", "２６．１１", "26.11"},
		{"ligature", "ﬁx", "fix"},
		{"emoji part words", "camera📷crash", "camera crash"},
		{"broken UTF-8 parts words", "cam\xffera", "cam era"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for w := range All(c.text) {
				word := w.Text
				if w.Extra {
					word = "+" + word
				}
				got = append(got, word)
			}
			if have := strings.Join(got, " "); have != c.want {
				t.Errorf("%q is cut into %q, want %q", c.text, have, c.want)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	text := "Ｔhe CameraService 相机崩"
	var got []string
	for w := range All(text) {
		got = append(got, text[w.Start:w.End])
	}
	want := []string{"Ｔhe", "Camera", "CameraService", "Service", "相机", "机崩", "崩"}
	if !slices.Equal(got, want) {
		t.Errorf("the places hold %q, want %q", got, want)
	}
}

func TestStopsWhenAsked(t *testing.T) {
	for range All("a b CameraService 相机崩溃") {
		break
	}
	n := 0
	for range All(strings.Repeat("a.", 1000)) {
		if n++; n == 3 {
			break
		}
	}
}

func TestLong(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 10_000), strings.Repeat("é", 10_000), "e" + strings.Repeat("\u0316", 10_000), strings.Repeat("ﷺ", 500)} {
		for w := range All(text) {
			if n := utf8.RuneCountInString(w.Text); n > MaxRunes {
				t.Errorf("a word of %d runes, want at most %d", n, MaxRunes)
			}
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, seed := range []string{"CameraService com.android.camera2 26.11.27", "相机崩溃 カメラ", "फ़ोन कैमरा", "cámara Straße İi", "a.b-c_d$e'f", "\xff½ﷺ\u0301\u200d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for w := range All(text) {
			if w.Start < 0 || w.Start >= w.End || w.End > len(text) {
				t.Fatalf("%q lies at %d to %d of %d bytes", w.Text, w.Start, w.End, len(text))
			}
			if !w.Extra {
				if w.Start < at {
					t.Fatalf("%q begins at %d, before the word before it", w.Text, w.Start)
				}
				at = w.Start
			}
			if w.Text == "" || !utf8.ValidString(w.Text) || utf8.RuneCountInString(w.Text) > MaxRunes {
				t.Fatalf("%q is no word", w.Text)
			}
			for _, r := range w.Text {
				if r != '.' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.M, r) {
					t.Fatalf("%q holds %U", w.Text, r)
				}
				if r < utf8.RuneSelf && unicode.IsUpper(r) {
					t.Fatalf("%q is not folded", w.Text)
				}
			}
		}
	})
}

func BenchmarkWords(b *testing.B) {
	text := strings.Repeat("The CameraService of 26.11.27 crashed: 相机崩溃 कैमरा ", 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for range All(text) {
		}
	}
}
