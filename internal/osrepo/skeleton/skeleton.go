// Package skeleton makes a new OS repository: what "friday init" commits first.
//
// It writes files and the first commit, and reads nothing back; package osrepo
// does that. What it writes lies in files/, each a template of Options.
package skeleton

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/fridayos/friday/internal/wire"
)

//go:embed all:files
var files embed.FS

//go:embed examples
var examples embed.FS

// Examples are the codenames of devices that are described already, one or more of
// each of five vendors.
func Examples() []string {
	names := []string{umi.Codename}
	entries, err := examples.ReadDir("examples")
	if err != nil {
		return names // it is embedded
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// umi is the example that is written like any other device.
var umi = Device{Codename: "umi", Vendor: "Xiaomi", Name: "Xiaomi Mi 10"}

// Device is a device that Write writes a device.yaml for, as that of an A/B phone
// with Verified Boot 2.0.
type Device struct{ Codename, Vendor, Name string }

// Options says what Write writes.
type Options struct {
	Name        string    // the OS's name; "Friday OS" if empty
	Devices     []Device  // devices that are new; the Xiaomi Mi 10, umi, if there are no Examples either
	Examples    []string  // of Examples, those that are wanted
	UpdateURL   string    // where handsets check in; "http://127.0.0.1:8017" if empty
	AuthorName  string    // of the first commit; the OS's name if empty
	AuthorEmail string    // "os@localhost" if empty
	Time        time.Time // of the first commit; now if zero
}

// Write makes a new OS repository in dir, which must be absent or empty, and
// commits it.
func Write(dir string, o Options) error {
	if err := write(dir, o); err != nil {
		return fmt.Errorf("cannot make OS repository in %s: %w", dir, err)
	}
	return nil
}

func write(dir string, o Options) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("it holds %s already, expected an empty folder", entries[0].Name())
	}
	o = o.filled()
	texts, err := o.render()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	g, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")}})
	if err != nil {
		return err
	}
	w, err := g.Worktree()
	if err != nil {
		return err
	}
	for name, text := range texts {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if bytes.HasPrefix(text, []byte("#!")) {
			mode = 0o755
		}
		if err := os.WriteFile(full, text, mode); err != nil {
			return err
		}
		if _, err := w.Add(name); err != nil {
			return err
		}
	}
	who := &object.Signature{Name: o.AuthorName, Email: o.AuthorEmail, When: o.Time}
	_, err = w.Commit("Begin "+o.Name+"\n", &git.CommitOptions{Author: who, Committer: who})
	return err
}

func (o Options) filled() Options {
	if o.Name == "" {
		o.Name = "Friday OS"
	}
	if len(o.Devices) == 0 && len(o.Examples) == 0 || slices.Contains(o.Examples, umi.Codename) {
		o.Devices = append(slices.Clone(o.Devices), umi)
	}
	if o.UpdateURL == "" {
		o.UpdateURL = "http://127.0.0.1:8017"
	}
	if o.AuthorName == "" {
		o.AuthorName = o.Name
	}
	if o.AuthorEmail == "" {
		o.AuthorEmail = "os@localhost"
	}
	if o.Time.IsZero() {
		o.Time = time.Now()
	}
	return o
}

// render makes the files: every file is a template of o, and the one below
// devices/ is rendered once a device.
func (o Options) render() (map[string][]byte, error) {
	out := map[string][]byte{}
	err := fs.WalkDir(files, "files", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := files.ReadFile(p)
		if err != nil {
			return err
		}
		t, err := template.New(p).Delims("<<", ">>").Funcs(template.FuncMap{"yaml": quoted}).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, "files/")
		if name == "gitignore" {
			name = ".gitignore"
		}
		if !strings.HasPrefix(name, "devices/") {
			return render(t, o, name, out)
		}
		for _, d := range o.Devices {
			if !wire.IsCodename(d.Codename) {
				return fmt.Errorf("codename %q has other letters than . _ - and alphanumeric ones", d.Codename)
			}
			if err := render(t, d, path.Join("devices", d.Codename, path.Base(name)), out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, codename := range o.Examples {
		if codename == umi.Codename {
			continue
		}
		text, err := examples.ReadFile("examples/" + codename + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("there is no example of a device %q, only %s", codename, strings.Join(Examples(), ", "))
		}
		out["devices/"+codename+"/device.yaml"] = text
	}
	return out, nil
}

func render(t *template.Template, data any, name string, files map[string][]byte) error {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return err
	}
	files[name] = b.Bytes()
	return nil
}

// quoted writes any text as one YAML value.
func quoted(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	return `"` + s + `"`
}
