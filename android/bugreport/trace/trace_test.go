package trace

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func find(text string) []Crash {
	f := NewFinder()
	for line := range strings.SplitSeq(text, "\n") {
		f.Line([]byte(line))
	}
	return f.Crashes()
}

func archives(t testing.TB) []*txtar.Archive {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	var all []*txtar.Archive
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, txtar.Parse(b))
	}
	return all
}

// TestOneCrash: each archive holds records of one crash, over builds, languages
// and logs; the line above them says what it is.
func TestOneCrash(t *testing.T) {
	other := map[string]string{}
	for _, a := range archives(t) {
		want := strings.SplitN(strings.TrimSpace(string(a.Comment)), " ", 3)
		first := ""
		for _, file := range a.Files {
			got := find(string(file.Data))
			if len(got) != 1 {
				t.Errorf("%s, %s: %d crashes: %+v", want[2], file.Name, len(got), got)
				continue
			}
			c := got[0]
			if string(c.Kind) != want[0] || c.Process != want[1] || c.Top() != want[2] {
				t.Errorf("%s: %s %s %s, expected %s", file.Name, c.Kind, c.Process, c.Top(), strings.Join(want, " "))
			}
			if first == "" {
				first = c.Fingerprint
			}
			if c.Fingerprint != first {
				t.Errorf("%s, %s: fingerprint %s, expected %s; cause %q, frames %q", want[2], file.Name, c.Fingerprint, first, c.Cause, c.Frames)
			}
		}
		if twin := other[first]; twin != "" {
			t.Errorf("%s and %s have one fingerprint", twin, want[2])
		}
		other[first] = want[2]
	}
}

func TestDifferentCrashes(t *testing.T) {
	base := "E/AndroidRuntime( 1): FATAL EXCEPTION: main\nE/AndroidRuntime( 1): Process: a.b, PID: 1\nE/AndroidRuntime( 1): java.lang.IllegalStateException: x\nE/AndroidRuntime( 1): \tat a.b.C.run(C.java:1)\nE/AndroidRuntime( 1): \tat a.b.D.run(D.java:1)\n"
	same := find(base)[0].Fingerprint
	for _, change := range [][2]string{{"a.b.C.run", "a.b.C.walk"}, {"Process: a.b", "Process: a.c"}, {"IllegalState", "IllegalArgument"}, {"a.b.D", "a.b.E"}} {
		if got := find(strings.ReplaceAll(base, change[0], change[1])); len(got) != 1 || got[0].Fingerprint == same {
			t.Errorf("%s instead of %s: %+v is no other crash", change[1], change[0], got)
		}
	}
	if got := find(strings.ReplaceAll(base, "Process: a.b", "Process: a.b:remote")); got[0].Fingerprint != same {
		t.Errorf("another process of the same app is another crash: %+v", got)
	}
}

func TestFrames(t *testing.T) {
	for in, want := range map[string]string{
		"com.foo.Bar.baz(Bar.java:12)":                                       "com.foo.Bar.baz",
		"com.foo.Bar$1$2.baz(Bar.java)":                                      "com.foo.Bar$$.baz",
		"com.foo.Bar$Inner.access$100(Unknown Source:0)":                     "com.foo.Bar$Inner.access$",
		"com.foo.Bar$$ExternalSyntheticLambda12.run(Unknown Source:2)":       "com.foo.Bar$$ExternalSyntheticLambda.run",
		"com.foo.Bar$$Lambda$14/0x0000000840066840.run(Unknown Source)":      "com.foo.Bar$$Lambda$.run",
		"com.foo.Bar.$r8$lambda$Xy-z12(Unknown Source:0)":                    "com.foo.Bar.$r8$lambda$",
		"$Proxy12.call(Unknown Source)":                                      "$Proxy.call",
		"java.base/java.lang.Thread.run(Thread.java:1012)":                   "java.lang.Thread.run",
		"com.foo.BarKt.draw-IoAF18A(Bar.kt:3)":                               "com.foo.BarKt.draw",
		"sun.reflect.GeneratedMethodAccessor7.invoke(Unknown Source)":        "sun.reflect.GeneratedMethodAccessor.invoke",
		"com.foo.Bar.<init>(Bar.java:1)":                                     "com.foo.Bar.<init>",
		"com.foo.Bar.lambda$a$1$com-foo-Bar(Bar.java:1)":                     "com.foo.Bar.lambda$a$1$com-foo-Bar",
		"android.os.MessageQueue.nativePollOnce(Native method)":              "android.os.MessageQueue.nativePollOnce",
		"java.lang.Integer.parseInt(Integer.java:608) [note]":                "java.lang.Integer.parseInt",
		"com.foo.Bar$$InternalSyntheticLambda$1$abcdef0123$0.run(Unknown:1)": "com.foo.Bar$$InternalSyntheticLambda.run",
	} {
		if got, ok := JavaFrame(in); !ok || got != want {
			t.Errorf("JavaFrame(%q) = %q, %v; expected %q", in, got, ok, want)
		}
	}
	for in, want := range map[string]string{
		"#00 pc 0000000000049c94  /apex/com.android.runtime/lib64/bionic/libc.so (abort+164) (BuildId: 8a5c)": "libc.so!abort",
		"#01 pc 00012345  /system/lib/libfoo.so":                                                            "libfoo.so",
		"#02 pc 0000000000012345  <anonymous:7f12345000>":                                                   "anonymous",
		"#03 pc 00000000000a1234  [anon:dalvik-jit-code-cache] (a.b.c+12)":                                  "anonymous!a.b.c",
		"#04 pc 1  /data/app/~~x==/a-b==/base.apk!libx.so (offset 0x1f000) (X::y(int)+4)":                   "libx.so!X::y(int)",
		"#05 pc 1  /data/app/~~x==/a-b==/base.apk (offset 0x1f000)":                                         "base.apk",
		"#06 pc 1  /system/lib64/libx.so (X::{lambda(int)#2}::operator()(int) const+4)":                     "libx.so!X::{lambda(int)#}::operator()(int) const",
		"#07 pc 1  /system/lib64/libx.so (foo.llvm.123456789+4)":                                            "libx.so!foo",
		"native: #08 pc 0000000000087a54  /system/lib64/libc.so (__epoll_pwait+20)":                         "libc.so!__epoll_pwait",
		"#09 pc 00000000002d5be4  /system/framework/arm64/boot-framework.oat (android.os.Looper.loop+1404)": "boot-framework.oat!android.os.Looper.loop",
	} {
		if got, ok := NativeFrame(in); !ok || got != want {
			t.Errorf("NativeFrame(%q) = %q, %v; expected %q", in, got, ok, want)
		}
	}
	for in, want := range map[string]string{
		"[<ffffff80080a1b2c>] do_page_fault+0x2ac/0x484":                         "do_page_fault",
		" v4l2_open+0xb4/0x110 [videodev]":                                       "v4l2_open",
		"[<c010f0a4>] (unwind_backtrace) from [<c010c0>] (show_stack+0x10/0x14)": "unwind_backtrace",
		"? foo.isra.0+0x1/0x2":                                                   "foo",
	} {
		if got, ok := KernelFrame(in); !ok || got != want {
			t.Errorf("KernelFrame(%q) = %q, %v; expected %q", in, got, ok, want)
		}
	}
}

// TestNoCrash: what looks like one is none.
func TestNoCrash(t *testing.T) {
	for _, text := range []string{
		"", "hello", "W/System.err( 1): java.lang.Exception: x\nW/System.err( 1): \tat a.b.C.d(C.java:1)",
		"E/AndroidRuntime( 1): FATAL EXCEPTION: main", "I/DEBUG( 1): signal 11 (SIGSEGV)",
		"D/x( 1): Internal error: y", "Process: com.foo\nPID: 1\nhello",
	} {
		if got := find(text); len(got) != 0 {
			t.Errorf("%q: %+v", text, got)
		}
	}
	f := NewFinder()
	f.Section(false) // VM TRACES JUST NOW: the report's maker asked for it
	for _, line := range strings.Split("----- pid 1 at 2026-11-27 10:11:12 -----\nCmd line: a.b\n\"main\" prio=5 tid=1 Native\n  at a.b.C.d(C.java:1)\n\n", "\n") {
		f.Line([]byte(line))
	}
	if got := f.Crashes(); len(got) != 0 {
		t.Errorf("a dump that was asked for is no ANR: %+v", got)
	}
}

func TestBounds(t *testing.T) {
	f := NewFinder()
	for i := range 10 * MaxCrashes {
		for _, line := range []string{"FATAL EXCEPTION: main", "Process: a" + strings.Repeat("x", i%300) + ", PID: 1", "java.lang.Error", "\tat a.b.C.d(C.java:1)"} {
			f.Line([]byte("E/AndroidRuntime( " + strings.Repeat("1", 1+i%9) + "): " + line))
		}
		if len(f.open) > 64 || len(f.order) > 64 {
			t.Fatalf("%d records are open", len(f.open))
		}
	}
	if got := f.Crashes(); len(got) != MaxCrashes {
		t.Errorf("%d crashes, expected %d at most", len(got), MaxCrashes)
	}
	long := find("E/AndroidRuntime( 1): FATAL EXCEPTION: main\nE/AndroidRuntime( 1): java.lang.StackOverflowError\n" + strings.Repeat("E/AndroidRuntime( 1): \tat a.b.C.d(C.java:1)\n", 1500))
	if len(long) != 1 || len(long[0].Frames) != MaxFrames {
		t.Errorf("a deep stack: %+v", long)
	}
}

func FuzzFinder(f *testing.F) {
	for _, a := range archives(f) {
		for _, file := range a.Files {
			f.Add(string(file.Data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		one, two := find(text), find(text)
		if !reflect.DeepEqual(one, two) {
			t.Errorf("%q: %+v, then %+v", text, one, two)
		}
		for _, c := range one {
			if len(c.Fingerprint) != 16 || c.Top() == "" {
				t.Errorf("%q: %+v", text, c)
			}
		}
	})
}
