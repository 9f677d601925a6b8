package moderation

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	day := 24 * time.Hour
	long := "Since the update of Friday the camera closes when I zoom to five times. It happens with photos and with films, and a restart does not help. "
	log := "Here it is:\n```\n" + strings.Repeat("11-22 10:00:00.123  1234  1234 E CameraService: cannot open\n", 60) + "```\n"
	for name, c := range map[string]struct {
		w    Writing
		by   Writer
		hold bool
		has  []Sign
	}{
		"a good first report":         {Writing{Title: "Camera closes", Body: long, Took: 2 * time.Minute}, Writer{Name: "ana", Age: time.Minute}, false, nil},
		"a report with a pasted log":  {Writing{Title: "Camera closes", Body: long + log, Took: 15 * time.Second}, Writer{Name: "ana", Age: 2 * time.Minute}, false, nil},
		"a report with one link":      {Writing{Title: "Camera closes", Body: long + "A film: https://videos.example/x", Took: 3 * time.Minute}, Writer{Name: "ana", Age: 2 * time.Minute}, false, nil},
		"links to this site are free": {Writing{Body: "Like https://os.example/t/1 and https://os.example/t/2", Home: "os.example", Took: time.Minute}, Writer{Name: "bo", Age: day}, false, nil},
		"a short thank you":           {Writing{Body: "Works, thanks", Took: 4 * time.Second}, Writer{Name: "bo", Age: day}, false, nil},
		"a report in Chinese":         {Writing{Title: "相机放大后退出", Body: "更新以后，相机放大到五倍就退出，重启也没有用。", Took: time.Minute}, Writer{Name: "小明", Age: time.Minute}, false, nil},
		"a report in Russian with names": {Writing{Title: "Камера закрывается", Body: "После обновления Camera закрывается при зуме, а Bluetooth работает.", Took: time.Minute},
			Writer{Name: "иван", Age: time.Hour}, false, nil},
		"all in capitals":        {Writing{Body: "MY PHONE DOES NOT CHARGE ANY MORE SINCE THE LAST UPDATE PLEASE HELP", Took: time.Minute}, Writer{Name: "bo", Age: time.Minute}, false, []Sign{Shouting, JustJoined}},
		"links and little else":  {Writing{Title: "best prices", Body: "https://shop.example/a https://shop.example/b", Took: time.Minute}, Writer{Name: "joe", Age: day}, true, []Sign{ManyLinks, OnlyLinks}},
		"a shortened link alone": {Writing{Body: "look https://bit.ly/xyz", Took: time.Minute}, Writer{Name: "joe", Age: day}, true, []Sign{OnlyLinks, Shortened}},
		"the same again":         {Writing{Body: long, Took: time.Minute}, Writer{Name: "joe", Age: day, Recent: []string{"x", "\n" + strings.ToUpper(long)}}, true, []Sign{Repeated}},
		"a machine that types":   {Writing{Body: long + long, Took: time.Second}, Writer{Name: "xkjdfgh", Age: time.Minute}, true, []Sign{Hurried, JustJoined, MadeUpName}},
		"post after post":        {Writing{Body: "ok", Took: time.Minute}, Writer{Name: "maria2391", Age: time.Minute, Last: 2 * time.Second}, true, []Sign{Hurried, JustJoined, MadeUpName}},
		"go on elsewhere":        {Writing{Body: "I help you with that, write me on Telegram: @helper", Took: time.Minute}, Writer{Name: "joe", Age: 5 * time.Minute}, true, []Sign{ContactBait, JustJoined}},
		"in Chinese":             {Writing{Body: "刷机解锁加微信 abc，价格便宜", Took: time.Minute}, Writer{Name: "joe", Age: 5 * time.Minute}, true, []Sign{ContactBait, JustJoined}},
		"letters that look alike": {Writing{Body: "Your раypаl аccount is lоcked, go to our раgе now", Took: time.Minute}, Writer{Name: "joe", Age: 5 * time.Minute}, true,
			[]Sign{MixedScripts, JustJoined}},
		"a known member may":        {Writing{Body: "https://bit.ly/a https://bit.ly/b"}, Writer{Name: "ana", Level: 1}, false, nil},
		"who has posted before may": {Writing{Body: "https://bit.ly/a https://bit.ly/b"}, Writer{Name: "ana", Posts: trustedPosts}, false, nil},
		"a name alone is no sign":   {Writing{Body: long, Took: time.Minute}, Writer{Name: "maria2391", Age: time.Second}, false, nil},
	} {
		hold, signs := Judge(c.w, c.by)
		if hold != c.hold {
			t.Errorf("%s: held %v by %v", name, hold, signs)
		}
		for _, s := range c.has {
			if !slices.Contains(signs, s) {
				t.Errorf("%s: %v lacks %s", name, signs, s)
			}
		}
		if c.has == nil && !hold && len(signs) > 0 && name != "links to this site are free" {
			t.Errorf("%s: has %v", name, signs)
		}
	}
}

func TestLinks(t *testing.T) {
	text := "see https://A.example/x, (http://b.example) www.c.example. https://a.example/x again, https://os.example/t/1 and https://os.example@evil.example/ and ftp://no.example"
	want := "a.example b.example www.c.example evil.example"
	if got := strings.Join(Links(text, "os.example"), " "); got != want {
		t.Errorf("found %q, expected %q", got, want)
	}
}

func TestAllowance(t *testing.T) {
	links := "https://x.example/1 https://x.example/2 https://os.example/t/3"
	for _, c := range []struct {
		a     Allowance
		text  string
		field string
	}{
		{Allowance{Links: 2}, links, ""}, {Allowance{Links: 1}, links, "links"}, {Allowance{}, "no link", ""},
		{Allowance{Mentions: 3}, "@a @b @c", ""}, {Allowance{Mentions: 3}, "@a @b @c, @d", "mentions"}, {Allowance{Mentions: 0}, "a@b.example c@d.example", ""},
	} {
		if field, _ := c.a.Check(c.text, "os.example"); field != c.field {
			t.Errorf("%+v, %q: %q, expected %q", c.a, c.text, field, c.field)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add("a title", "https://bit.ly/x @a раypаl", "name123456")
	f.Add("", strings.Repeat("a b c ", 2000), "")
	f.Add("微信", "\xff\xfe@\u202e", "ß")
	f.Fuzz(func(t *testing.T, title, body, name string) {
		hold, signs := Judge(Writing{Title: title, Body: body, Took: time.Second}, Writer{Name: name, Recent: []string{title, body}})
		sum := 0
		for _, s := range signs {
			if points[s] == 0 {
				t.Errorf("sign %q has no points", s)
			}
			sum += points[s]
		}
		if hold != (sum >= holdAt) {
			t.Errorf("held %v with %d points", hold, sum)
		}
		Allowance{}.Check(body, "home")
	})
}
