// Command update-binary is the program that a recovery's package brings along, and
// that recovery starts to install it: package updater for a phone. It is built
// without cgo for arm and arm64 by scripts/update-binary, needs Linux 3.2 and
// nothing else of the phone, and lies, packed, in android/updater/built.
//
// How it is called is told in AOSP's bootable/recovery/install/install.cpp:
// update-binary API FD PACKAGE [retry]; it says what is to be shown on FD.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/updater"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "update-binary is started by recovery: update-binary API FD PACKAGE")
		os.Exit(2)
	}
	fd, err := strconv.Atoi(os.Args[2])
	if err != nil || fd < 0 {
		fmt.Fprintf(os.Stderr, "update-binary: the second argument is %q, expected the number of a file descriptor\n", os.Args[2])
		os.Exit(2)
	}
	p := newPhone(os.NewFile(uintptr(fd), "recovery"))
	if err := p.install(os.Args[3]); err != nil {
		p.Print(err.Error())
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// phone is the phone that the program runs on.
type phone struct {
	recovery io.Writer
	props    map[string]string
	root     string // "" on a phone; a folder that stands for / in tests
}

func newPhone(recovery io.Writer) *phone {
	p := &phone{recovery: recovery, props: map[string]string{}, root: os.Getenv("FRIDAY_ROOT")}
	// The recovery's own file of properties; on phones whose init changes them, what
	// getprop says comes first.
	for _, name := range []string{"/default.prop", "/prop.default", "/system/etc/prop.default"} {
		f, err := os.Open(p.path(name))
		if err != nil {
			continue
		}
		s := bufio.NewScanner(f)
		for s.Scan() {
			if key, value, ok := strings.Cut(strings.TrimSpace(s.Text()), "="); ok && !strings.HasPrefix(key, "#") && p.props[key] == "" {
				p.props[key] = value
			}
		}
		f.Close()
	}
	return p
}

func (p *phone) path(name string) string { return filepath.Join("/", p.root, name) }

func (p *phone) install(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintln(p.recovery, "progress 1.000000 0")
	if err := updater.Run(context.Background(), f, fi.Size(), p); err != nil {
		return err
	}
	return p.folder().Clear()
}

func (p *phone) Property(name string) string {
	for _, program := range []string{"/system/bin/getprop", "/sbin/getprop"} {
		if out, err := exec.Command(p.path(program), name).Output(); err == nil && len(strings.TrimSpace(string(out))) > 0 {
			return strings.TrimSpace(string(out))
		}
	}
	return p.props[name]
}

// disk is a partition's block device.
type disk struct {
	*os.File
	size int64
}

func (d disk) Size() int64 { return d.size }

func (p *phone) Open(device string) (updater.Disk, error) {
	f, err := os.OpenFile(p.path(device), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open partition: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open partition %s: %w", device, err), f.Close())
	}
	return disk{f, size}, nil
}

// folder is where stashes outlive a restart: recovery mounts /cache before it
// starts a package.
func (p *phone) folder() blockota.Folder {
	return blockota.Folder(p.path("/cache/recovery/friday"))
}

func (p *phone) Keep() (blockota.Keeper, int64, error) {
	dir := string(p.folder())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, fmt.Errorf("cannot keep blocks aside: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return nil, 0, fmt.Errorf("cannot keep blocks aside in %s: %w", dir, err)
	}
	room := int64(fs.Bavail) * int64(fs.Bsize)
	// What an update that was cut off has put aside is there for this one.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot keep blocks aside: %w", err)
	}
	for _, e := range entries {
		if fi, err := e.Info(); err == nil {
			room += fi.Size()
		}
	}
	return p.folder(), room, nil
}

func (p *phone) Print(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(p.recovery, "ui_print %s\nui_print\n", line)
	}
}

func (p *phone) Progress(done float64) { fmt.Fprintf(p.recovery, "set_progress %.6f\n", done) }
