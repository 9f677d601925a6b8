package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/oneplus"
	"github.com/fridayos/friday/android/tree"
)

func newImage() *cobra.Command {
	return group("image", "Look into any Android image or firmware, at any depth",
		newImageInfo(), newImageLs(), newImageCat(), newImageExtract(), newImageVerify())
}

// aboutPaths is said by every verb of image.
const aboutPaths = "A path goes through archives, compression, sparse and super images, payloads, boot images and file systems with \"//\" between them: fw.zip//AP.tar.md5//super.img.lz4//system_a//system/build.prop. One that ends in \"//\" is what is within, unpacked."

// imageFlags bound what opening an image may take.
type imageFlags struct {
	temp      string
	maxTemp   int64
	maxWindow int64
	keys      []string
}

func (f *imageFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.temp, "temp", "", "`folder` for what must be unpacked to be looked into (default the system's)")
	c.Flags().Int64Var(&f.maxTemp, "max-temp", 64, "`GiB` that this may take")
	c.Flags().Int64Var(&f.maxWindow, "max-window", 64, "`MiB` of a compressor's window that are allowed")
	c.Flags().StringArrayVar(&f.keys, "key", nil, "key `file` for what is encrypted, as often as needed: an .ozip's key (16 bytes, or lines of 32 hex digits), HTC's AES key and IV (32 bytes) or a device's key file (96 bytes) and the table of key maps")
}

// maxKeyFile is the most bytes of a key file.
const maxKeyFile = 1 << 20

// readKeys reads the files of --key.
func (f *imageFlags) readKeys() ([][]byte, error) {
	var out [][]byte
	for _, name := range f.keys {
		b, err := readSmall(name, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot use key file %s: %w", name, err)
		}
		if len(b) == 0 || !oneplusOrHTC(b) {
			return nil, fmt.Errorf("cannot use key file %s: it has %d bytes; expected 16 (.ozip), 32 or 96 (HTC), a table of key maps, or these in hex", name, len(b))
		}
		out = append(out, b)
	}
	return out, nil
}

// oneplusOrHTC says whether a file holds keys of a kind that is known.
func oneplusOrHTC(b []byte) bool {
	var ring htc.KeyRing
	return ring.Add(b) || len(oneplus.OzipKeys(b)) > 0
}

// readSmall reads a file of at most limit bytes.
func readSmall(name string, limit int64) ([]byte, error) {
	in, err := os.Open(name)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return b, err
}

// with opens what a path leads to, for as long as fn runs.
func (f *imageFlags) with(cmd *cobra.Command, name string, fn func(n *nest.Nest, o *nest.Object) error) error {
	if f.maxTemp < 1 || f.maxTemp > 1<<20 || f.maxWindow < 1 || f.maxWindow > 4096 {
		return &usageError{cmd.CommandPath(), errors.New("--max-temp is 1 to 1048576 GiB, --max-window 1 to 4096 MiB")}
	}
	keys, err := f.readKeys()
	if err != nil {
		return err
	}
	n := nest.New(nest.Options{TempDir: f.temp, MaxSpill: f.maxTemp << 30, MaxWindow: f.maxWindow << 20, Keys: keys})
	o, err := n.Open(cmd.Context(), name)
	if err == nil {
		err = fn(n, o)
	}
	return errors.Join(err, n.Close())
}

func newImageInfo() *cobra.Command {
	var f imageFlags
	var depth int
	var asJSON bool
	c := &cobra.Command{
		Use:     "info PATH",
		Short:   "Say what a thing is, and what is in it",
		Long:    "Says what a file is and what lies in it, as a tree: formats, sizes, versions, fingerprints, keys and signatures. What nothing knows is named by its first bytes. " + aboutPaths,
		Example: "  friday image info fw.zip\n  friday image info super.img --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, args[0], func(n *nest.Nest, o *nest.Object) error {
				in, err := n.Info(cmd.Context(), o, depth)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), in)
				}
				lines := infoText(in, textWidth(cmd.OutOrStdout()))
				_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(lines, "\n"))
				return err
			})
		},
	}
	f.register(c)
	c.Flags().IntVar(&depth, "depth", -1, "`levels` to look into; -1 is all")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

// printable writes a name as it is if a terminal can show it, else quoted: a
// name in an image must not give the terminal orders.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '\ufffd' {
			return strconv.Quote(s)
		}
	}
	return s
}

func newImageCat() *cobra.Command {
	var f imageFlags
	c := &cobra.Command{
		Use:     "cat PATH",
		Short:   "Write a file to standard output",
		Long:    "Writes the bytes of a file, at any depth, to standard output. " + aboutPaths,
		Example: "  friday image cat fw.zip//super.img//system_a//system/build.prop\n  friday image cat super.img.lz4// > super.img",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, args[0], func(_ *nest.Nest, o *nest.Object) error {
				if o.File.R == nil {
					return fmt.Errorf("cannot read %s: expected a file, found a %s", o.Path, o.Node.Type)
				}
				if err := notOnScreen(cmd.OutOrStdout(), o); err != nil {
					return err
				}
				_, err := io.CopyBuffer(struct{ io.Writer }{cmd.OutOrStdout()}, struct{ io.Reader }{content(cmd, o)}, make([]byte, 1<<20))
				if err != nil {
					return fmt.Errorf("cannot read %s: %w", o.Path, err)
				}
				return nil
			})
		},
	}
	f.register(c)
	return c
}

// notOnScreen refuses to write what is no text to a terminal.
func notOnScreen(w io.Writer, o *nest.Object) error {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	head := make([]byte, min(o.File.Size, 4096))
	if n, err := o.File.R.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) || bytes.IndexByte(head[:n], 0) >= 0 {
		return fmt.Errorf("cannot show %s: it is no text; send it to a file with > or extract it", o.Path)
	}
	return nil
}

// content reads an object's file until the command is stopped.
func content(cmd *cobra.Command, o *nest.Object) io.Reader {
	r := io.NewSectionReader(o.File.R, 0, o.File.Size)
	return readerFunc(func(b []byte) (int, error) {
		if err := cmd.Context().Err(); err != nil {
			return 0, err
		}
		return r.Read(b)
	})
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func newImageLs() *cobra.Command {
	var f imageFlags
	var long, recursive, asJSON bool
	c := &cobra.Command{
		Use:     "ls PATH",
		Short:   "List what is in an image or a folder of it",
		Long:    "Lists the files of a container or of a folder in it. With -l: mode, owner, SELinux label, size, name. " + aboutPaths,
		Example: "  friday image ls -l super.img//system_a//system/bin",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, args[0], func(n *nest.Nest, o *nest.Object) error {
				root, err := treeOf(cmd, n, o)
				if err != nil {
					return err
				}
				return list(cmd.OutOrStdout(), root, path.Base(o.Path), long, recursive, asJSON)
			})
		},
	}
	f.register(c)
	c.Flags().BoolVarP(&long, "long", "l", false, "mode, owner, label and size too")
	c.Flags().BoolVarP(&recursive, "recursive", "R", false, "folders within as well")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON, a line a file")
	return c
}

// treeOf is the folder that an object is or holds; a file that holds nothing is
// itself.
func treeOf(cmd *cobra.Command, n *nest.Nest, o *nest.Object) (*tree.Node, error) {
	if o.Node != nil && o.Node.Type != tree.Regular {
		return o.Node, nil
	}
	opened, err := n.Container(cmd.Context(), o.File)
	switch {
	case err == nil && opened.Root != nil:
		return opened.Root, nil
	case err == nil || errors.Is(err, nest.ErrUnknown):
		if o.Node != nil {
			return o.Node, nil
		}
		return &tree.Node{Perm: 0o644, Size: o.File.Size, Content: o.File.R}, nil
	}
	return nil, fmt.Errorf("cannot open %s: %w", o.Path, err)
}

func list(w io.Writer, root *tree.Node, name string, long, recursive, asJSON bool) error {
	tw := tabwriter.NewWriter(w, 0, 4, 1, ' ', 0)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	err := tree.Walk(root, func(p string, n *tree.Node) error {
		if p == "" && n.Type == tree.Directory {
			return nil
		}
		if p == "" {
			p = name
		}
		err := error(nil)
		switch {
		case asJSON:
			err = e.Encode(indexed(p, n))
		case long:
			_, err = fmt.Fprintln(tw, longLine(p, n))
		default:
			_, err = fmt.Fprintln(tw, printable(p))
		}
		if err == nil && n.Type == tree.Directory && !recursive {
			return fs.SkipDir
		}
		return err
	})
	return errors.Join(err, tw.Flush())
}

// indexed is an entry as an index has it, and without a digest: nothing is read.
func indexed(p string, n *tree.Node) any {
	return tree.IndexEntry{Path: p, Type: n.Type, Perm: n.Perm, UID: n.UID, GID: n.GID, Size: n.Size, Label: n.Label(), Target: n.Target}
}

func longLine(p string, n *tree.Node) string {
	length := strconv.FormatInt(n.Size, 10)
	if n.Type == tree.CharDevice || n.Type == tree.BlockDevice {
		length = fmt.Sprintf("%d,%d", n.Major, n.Minor)
	}
	label := n.Label()
	if label == "" {
		label = "-"
	}
	line := fmt.Sprintf("%s\t%d:%d\t%s\t%s\t%s", modeText(n), n.UID, n.GID, printable(label), length, printable(p))
	if n.Type == tree.Symlink {
		line += " -> " + printable(n.Target)
	}
	if _, ok := n.Xattr("security.capability"); ok {
		line += " [capabilities]"
	}
	return line
}

// modeText is a mode as ls writes it.
func modeText(n *tree.Node) string {
	kinds := map[tree.Type]byte{tree.Regular: '-', tree.Directory: 'd', tree.Symlink: 'l', tree.CharDevice: 'c', tree.BlockDevice: 'b', tree.FIFO: 'p', tree.Socket: 's'}
	b := []byte{kinds[n.Type]}
	for i := 8; i >= 0; i-- {
		c := byte('-')
		if n.Perm>>i&1 != 0 {
			c = "xwr"[i%3]
		}
		b = append(b, c)
	}
	for i, bit := range map[int]uint16{3: 0o4000, 6: 0o2000, 9: 0o1000} {
		if n.Perm&bit == 0 {
			continue
		}
		letter := byte('s')
		if i == 9 {
			letter = 't'
		}
		if b[i] == '-' {
			letter -= 'a' - 'A'
		}
		b[i] = letter
	}
	return string(b)
}

func newImageExtract() *cobra.Command {
	var f imageFlags
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use:     "extract PATH -o DIR|FILE.tar",
		Short:   "Write the files of an image to a folder, or all of it to a tar",
		Long:    "Writes what is in a container, or in a folder of it, as plain files, never outside of the folder and never over files that are there. Into a tar (-o FILE.tar) it writes owners, SELinux labels, capabilities, devices and hard links as well. " + aboutPaths,
		Example: "  friday image extract super.img//system_a -o system.tar\n  friday image extract fw.zip//AP.tar.md5 -o ap",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return &usageError{cmd.CommandPath(), errors.New("name the folder or the tar with -o DIR or -o FILE.tar")}
			}
			return f.with(cmd, args[0], func(n *nest.Nest, o *nest.Object) error {
				root, err := treeOf(cmd, n, o)
				if err != nil {
					return err
				}
				if root.Type != tree.Directory {
					dir := tree.NewDir(0o755, 0, 0)
					dir.Set(path.Base(strings.TrimRight(filepath.ToSlash(o.Path), "/")), root)
					root = dir
				}
				x, err := extractTo(cmd, root, out)
				if err != nil {
					return err
				}
				return printExtracted(cmd, x, out, asJSON)
			})
		},
	}
	f.register(c)
	c.Flags().StringVarP(&out, "output", "o", "", "`folder` or .tar to write")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

// extractTo writes a tree to a tar or into a folder.
func extractTo(cmd *cobra.Command, root *tree.Node, out string) (x *nest.Extracted, err error) {
	total := int64(0)
	if err := tree.Walk(root, func(_ string, n *tree.Node) error { total += n.Size; return nil }); err != nil {
		return nil, err
	}
	count, done := progress(cmd, "extract", total)
	defer done()
	if strings.HasSuffix(out, ".tar") {
		err := writeFile(out, func(f *os.File) (err error) {
			x, err = nest.WriteTar(cmd.Context(), root, f, count)
			return err
		})
		return x, err
	}
	err = intoFolder(out, func(dir *os.Root) error {
		var err error
		x, err = nest.Extract(cmd.Context(), root, dir, count)
		return err
	})
	return x, err
}

// intoFolder fills a folder. One that is not there yet appears when all is in it:
// until then, and if something fails, another name holds what was written, which
// is then taken away.
func intoFolder(out string, fill func(dir *os.Root) error) error {
	place := out
	if fi, err := os.Stat(out); err == nil && !fi.IsDir() {
		return fmt.Errorf("cannot write into %s: it is a file; -o takes a folder, or a name that ends in .tar", out)
	}
	if _, err := os.Lstat(out); errors.Is(err, fs.ErrNotExist) {
		parent := filepath.Dir(filepath.Clean(out))
		tidy, err := outputFolder(parent)
		if err != nil {
			return err
		}
		defer tidy()
		if place, err = os.MkdirTemp(parent, "."+filepath.Base(out)+"-*"); err != nil {
			return fmt.Errorf("cannot write into %s: %w", out, err)
		}
		defer os.RemoveAll(place) // it is gone if all went well
	}
	dir, err := os.OpenRoot(place)
	if err != nil {
		return fmt.Errorf("cannot write into %s: %w", out, err)
	}
	if err := errors.Join(fill(dir), dir.Close()); err != nil || place == out {
		return err
	}
	if err := os.Chmod(place, 0o755); err != nil {
		return fmt.Errorf("cannot write into %s: %w", out, err)
	}
	if err := os.Rename(place, out); err != nil {
		return fmt.Errorf("cannot write into %s: %w", out, err)
	}
	return nil
}

func printExtracted(cmd *cobra.Command, x *nest.Extracted, out string, asJSON bool) error {
	if asJSON {
		if x.Skipped == nil {
			x.Skipped = []string{}
		}
		return printJSON(cmd.OutOrStdout(), x)
	}
	for _, s := range x.Skipped {
		fmt.Fprintln(cmd.ErrOrStderr(), "skipped", printable(s))
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "Wrote %d files, %s, to %s.\n", x.Files, size(x.Bytes), out)
	return err
}

func newImageVerify() *cobra.Command {
	var f imageFlags
	var all, asJSON bool
	c := &cobra.Command{
		Use:     "verify PATH",
		Short:   "Check all checksums, hashes and signatures in an image",
		Long:    "Checks what an image says of itself, at every depth: CRCs and MD5s of archives, sums of sparse images, hashes of payloads, metadata of file systems, vbmeta signatures and chains, hash trees and their error correction, whole-file signatures of OTA packages. A signature by an image's own key shows that it is whole, not whose it is. " + aboutPaths,
		Example: "  friday image verify fw.zip",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(cmd, args[0], func(n *nest.Nest, o *nest.Object) error {
				return verifyImage(cmd, n, o, all, asJSON)
			})
		},
	}
	f.register(c)
	c.Flags().BoolVarP(&all, "verbose", "v", false, "print what is good as well")
	c.Flags().BoolVar(&asJSON, "json", false, "print all checks as JSON")
	return c
}

func verifyImage(cmd *cobra.Command, n *nest.Nest, o *nest.Object, all, asJSON bool) error {
	checks := []nest.Check{}
	done := 0
	failed, err := n.Verify(cmd.Context(), o, func(c nest.Check) {
		done++
		if asJSON {
			checks = append(checks, c)
			return
		}
		if c.Err != "" {
			fmt.Fprintf(cmd.OutOrStdout(), "FAILED %s: %s: %s\n", printable(c.Path), printable(c.What), c.Err)
		} else if all {
			fmt.Fprintf(cmd.OutOrStdout(), "good   %s: %s\n", printable(c.Path), printable(c.What))
		}
	})
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), map[string]any{"checks": checks, "failed": failed}); err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("cannot verify %s: %d of %d checks failed", o.Path, failed, done)
	case done == 0:
		return fmt.Errorf("cannot verify %s: nothing in it can be checked", o.Path)
	case !asJSON:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "All %d checks are good.\n", done)
	}
	return err
}
