package built

import (
	"bytes"
	"debug/elf"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

//go:embed go.txt
var madeWith string

// TestFromSource builds the programs and compares: what lies here is what the
// source says.
func TestFromSource(t *testing.T) {
	if made := strings.TrimSpace(madeWith); made != runtime.Version() {
		t.Skipf("the programs were built with %s, this is %s; scripts/update-binary builds them anew", made, runtime.Version())
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", "../../../scripts/update-binary", dir).CombinedOutput(); err != nil {
		t.Fatalf("scripts/update-binary: %v\n%s", err, out)
	}
	for _, arch := range []string{ARM, ARM64} {
		ours, err := Program(arch)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := os.ReadFile(filepath.Join(dir, "update-binary-"+arch))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours, fresh) {
			t.Errorf("the program for %s has %d bytes and is not what the source gives (%d bytes); run scripts/update-binary and commit android/updater/built", arch, len(ours), len(fresh))
		}
	}
}

// TestStatic: they need no library and no loader of the phone.
func TestStatic(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{ARM: elf.EM_ARM, ARM64: elf.EM_AARCH64} {
		b, err := Program(arch)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if f.Machine != machine || f.Type != elf.ET_EXEC {
			t.Errorf("%s: machine %v, type %v", arch, f.Machine, f.Type)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: it is not static: it has %v", arch, p.Type)
			}
		}
	}
	if _, err := Program("mips"); err == nil || !strings.Contains(err.Error(), `the processor is "mips", expected arm or arm64`) {
		t.Errorf("mips gives %v", err)
	}
}
