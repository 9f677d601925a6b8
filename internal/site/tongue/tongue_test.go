package tongue

import (
	"strings"
	"testing"
)

func TestGuess(t *testing.T) {
	for text, want := range map[string]string{
		"Camera closes at 5× zoom":                                      "",
		"The camera closes when I zoom past 5×, and it is gone":         "en",
		"La cámara se cierra al pasar de 5 aumentos":                    "es",
		"¿Cómo vuelvo a la compilación de la semana pasada sin borrar?": "es",
		"相机在 5 倍变焦时闪退":                                                  "zh",
		"CameraService 崩溃，日志在 com.android.camera":                       "",
		"升级后相机 Camera 打不开了，重启也没有用":                                      "zh",
		"5× ज़ूम पर कैमरा बंद हो जाता है":                               "hi",
		"カメラが5倍ズームで落ちる":                                                 "ja",
		"카메라가 꺼집니다":                                                     "ko",
		"Die Kamera stürzt ab, wenn ich beim Zoom auf fünf gehe":        "de",
		"L'appareil photo se ferme dans les jeux et ne revient pas":     "fr",
		"Камера закрывается, когда я увеличиваю изображение, и больше не открывается, это ошибка": "ru",
		"Камера закривається, коли я збільшую зображення":                                         "uk",
		"Камера се затваря": "",
		"تتوقف الكاميرا عن العمل عند التكبير في المرة الأولى":  "ar",
		"کیمرہ زوم کرنے پر بند ہو جاتا ہے، کوئی حل بتائے":      "ur",
		"دوربین هنگام بزرگ‌نمایی بسته می‌شود، گزارش پیوست است": "fa",
		"":                           "",
		"26.11.27":                   "",
		strings.Repeat("x", 100_000): "",
		"\xff\xfe broken the and":    "en",
	} {
		for range 5 { // maps have no order
			if got := Guess(text); got != want {
				t.Errorf("%.40q is guessed %q, expected %q", text, got, want)
			}
		}
	}
}

func FuzzGuess(f *testing.F) {
	f.Add("The camera is it")
	f.Add("相机")
	f.Fuzz(func(t *testing.T, s string) {
		if g := Guess(s); len(g) > 2 {
			t.Errorf("%q", g)
		}
	})
}

func TestNames(t *testing.T) {
	for tag, want := range map[string]string{"zh": "中文", "zh-Hant-TW": "中文", "es-MX": "Español", "tlh": "tlh", "": ""} {
		if got := Name(tag); got != want {
			t.Errorf("%q is called %q, expected %q", tag, got, want)
		}
	}
	last := ""
	for _, l := range Languages() {
		if l.Tag <= last || l.Name == "" {
			t.Errorf("%q after %q is called %q", l.Tag, last, l.Name)
		}
		last = l.Tag
	}
}
