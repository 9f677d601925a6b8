package osrepo

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/fridayos/friday/internal/wire"
)

//go:embed all:skeleton
var skeleton embed.FS

// InitDevice is a device that Init writes a device.yaml for.
type InitDevice struct{ Codename, Vendor, Name string }

// InitOptions says what Init writes.
type InitOptions struct {
	Name        string       // the OS's name; "Friday OS" if empty
	Devices     []InitDevice // the Xiaomi Mi 10, umi, if empty
	UpdateURL   string       // where handsets check in; "http://127.0.0.1:8017" if empty
	AuthorName  string       // of the first commit; the OS's name if empty
	AuthorEmail string       // "os@localhost" if empty
	Time        time.Time    // of the first commit; now if zero
}

// Init makes a new OS repository in dir, which must be absent or empty, and
// commits it.
func Init(dir string, o InitOptions) error {
	if err := initialise(dir, o); err != nil {
		return fmt.Errorf("cannot make OS repository in %s: %w", dir, err)
	}
	return nil
}

func initialise(dir string, o InitOptions) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("it holds %s already, expected an empty folder", entries[0].Name())
	}
	o = o.filled()
	files, err := o.files()
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
	for name, text := range files {
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

func (o InitOptions) filled() InitOptions {
	if o.Name == "" {
		o.Name = "Friday OS"
	}
	if len(o.Devices) == 0 {
		o.Devices = []InitDevice{{Codename: "umi", Vendor: "Xiaomi", Name: "Xiaomi Mi 10"}}
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

// files renders the skeleton: every file is a template of o, and the one below
// devices/ is rendered once a device.
func (o InitOptions) files() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(skeleton, "skeleton", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := skeleton.ReadFile(p)
		if err != nil {
			return err
		}
		t, err := template.New(p).Delims("<<", ">>").Funcs(template.FuncMap{"yaml": quoted}).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, "skeleton/")
		if name == "gitignore" {
			name = ".gitignore"
		}
		if !strings.HasPrefix(name, "devices/") {
			return render(t, o, name, files)
		}
		for _, d := range o.Devices {
			if !wire.IsCodename(d.Codename) {
				return fmt.Errorf("codename %q has other letters than . _ - and alphanumeric ones", d.Codename)
			}
			if err := render(t, d, path.Join("devices", d.Codename, path.Base(name)), files); err != nil {
				return err
			}
		}
		return nil
	})
	return files, err
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
