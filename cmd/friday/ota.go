package main

import (
	"archive/zip"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/ota"
	"github.com/fridayos/friday/internal/ota/blockzip"
)

func newOTA() *cobra.Command {
	return group("ota", "Update packages",
		newOTAMake("full", "Make a full package of a build", "--to umi/26.11.27 -o umi-full.zip"),
		newOTAMake("incremental", "Make a package that leads from one build to another", "--from umi/26.11.20 --to umi/26.11.27 -o umi.zip"),
		newOTAVerify(), newOTAExtract())
}

// side opens what --from or --to names.
func (s *installation) side(ctx context.Context, name string) (ota.Side, func(), error) {
	if fi, err := os.Stat(name); err == nil && fi.Mode().IsRegular() {
		var side ota.Side
		var done func()
		err := withFile(name, func(f *os.File, size int64) (err error) {
			side, done, err = ota.Extract(ctx, f, size, s.blobs, 0)
			return err
		})
		return side, done, err
	}
	build, err := s.findBuild(ctx, name)
	if err != nil {
		return ota.Side{}, nil, err
	}
	return ota.Open(s.blobs, build)
}

// findBuild finds a build by DEVICE/VERSION or by its ID.
func (s *installation) findBuild(ctx context.Context, name string) (build catalog.Build, err error) {
	device, version, named := strings.Cut(name, "/")
	var others []catalog.Build
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if !named {
			build, err = catalog.BuildByID(tx, name)
			return err
		}
		if build, err = catalog.BuildByIncremental(tx, device, version); err == nil {
			return nil
		}
		var listErr error
		others, listErr = catalog.Builds(tx, device)
		return errors.Join(err, listErr)
	})
	if !errors.Is(err, catalog.ErrNotFound) {
		return build, err
	}
	if !named {
		return build, fmt.Errorf("cannot find build %q: there is no such ID and no such file; a build is DEVICE/VERSION, its ID, or somebody's full OTA zip", name)
	}
	if len(others) == 0 {
		return build, fmt.Errorf("cannot find build %s: there is none of %s yet; make one with 'friday build %[2]s --version %s'", name, device, version)
	}
	var versions []string
	for _, b := range others[:min(len(others), 8)] {
		versions = append(versions, b.Version)
	}
	return build, fmt.Errorf("cannot find build %s: of %s there are %s", name, device, strings.Join(versions, ", "))
}

func newOTAMake(kind, short, example string) *cobra.Command {
	var f stateFlags
	var from, to, out, keyDir string
	var asJSON bool
	use := kind + " --to BUILD -o ZIP"
	if kind == catalog.Incremental {
		use = kind + " --from BUILD --to BUILD -o ZIP"
	}
	c := &cobra.Command{
		Use:     use,
		Short:   short,
		Long:    short + ", sign it, and prove it: it is applied, and every partition compared, before it is written to its place. A build is DEVICE/VERSION, its ID, or somebody's full OTA zip.",
		Example: "  friday ota " + kind + " " + example,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" || out == "" || kind == catalog.Incremental && from == "" {
				return &usageError{cmd.CommandPath(), fmt.Errorf("something is missing: expected 'friday ota %s'", use)}
			}
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			p, err := s.makePackage(cmd.Context(), from, to, out, keyDir)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), p)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Made and proved %s: %s, %s.\nSHA-256 %s\n", out, p.Kind, size(p.Size), p.Digest)
			return nil
		},
	}
	f.register(c)
	if kind == catalog.Incremental {
		c.Flags().StringVar(&from, "from", "", "`build` that the package starts from")
	}
	c.Flags().StringVar(&to, "to", "", "`build` that the package leads to")
	c.Flags().StringVarP(&out, "output", "o", "", "`zip` to write")
	c.Flags().StringVar(&keyDir, "keys", "", "`folder` of the release keys (default what os.yaml says)")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

// makePackage makes, proves and places a package.
func (s *installation) makePackage(ctx context.Context, from, to, out, keyDir string) (p catalog.Package, err error) {
	ring, err := s.keyRing(keyDir)
	if err != nil {
		return p, err
	}
	o := ota.Options{Blobs: s.blobs}
	if o.Signer, o.Cert, err = ring.OTA(); err != nil {
		return p, err
	}
	f, err := newDraft(out)
	if err != nil {
		return p, err
	}
	defer f.drop()
	target, done, err := s.side(ctx, to)
	if err != nil {
		return p, err
	}
	defer done()
	var source *ota.Side
	if from != "" {
		side, done, err := s.side(ctx, from)
		if err != nil {
			return p, err
		}
		defer done()
		source = &side
		if side.Build.ID == target.Build.ID {
			return p, fmt.Errorf("cannot make incremental: --from and --to are the same build, %s of %s", side.Build.Version, side.Build.Device)
		}
	}
	if err = s.packaged(ctx, target.Build, &o); err != nil {
		return p, err
	}
	if target.Build.Commit == "" { // somebody's package says what its phone is
		o.Partial, o.Dynamic = target.Partial, target.Dynamic
	}
	if source == nil {
		p, err = ota.Full(ctx, f.File, target, o)
	} else {
		p, err = ota.Incremental(ctx, f.File, *source, target, o)
	}
	if err != nil {
		return p, err
	}
	if err := ota.ProveWith(ctx, f, p.Size, source, target, o.Cert, ota.ProveOptions{Partial: o.Partial}); err != nil {
		return p, err
	}
	p.ProvenAt = s.db.Now()
	return p, f.place()
}

func newOTAVerify() *cobra.Command {
	var f stateFlags
	var from, certFile string
	var asJSON bool
	c := &cobra.Command{
		Use:     "verify ZIP",
		Short:   "Check a package of anybody: signatures, hashes, proof by applying",
		Long:    "Checks the whole-file signature, the payload's signatures, that all parts agree, and, for a full package or with --from, that applying it gives what it promises. Without --cert the package's own certificate is used, which shows that it is whole, not whose it is.",
		Example: "  friday ota verify umi-full.zip --cert ota.x509.pem\n  friday ota verify umi.zip --from umi/26.11.20",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := ota.VerifyOptions{Apply: true}
			if certFile != "" {
				cert, err := readCertificate(certFile)
				if err != nil {
					return err
				}
				o.Certs = []*x509.Certificate{cert}
			}
			if from != "" {
				s, err := f.open(cmd.Context())
				if err != nil {
					return err
				}
				defer s.Close()
				side, done, err := s.side(cmd.Context(), from)
				if err != nil {
					return err
				}
				defer done()
				o.From = side.Images
			}
			return withFile(args[0], func(file *os.File, size int64) error {
				r, err := ota.Verify(cmd.Context(), file, size, o)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), r)
				}
				return printReport(cmd.OutOrStdout(), r)
			})
		},
	}
	f.register(c)
	c.Flags().StringVar(&from, "from", "", "`build` that an incremental starts from")
	c.Flags().StringVar(&certFile, "cert", "", "`PEM file` of the certificate that is trusted")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

func printReport(w io.Writer, r *ota.Report) error {
	trusted := "whole, by its own certificate"
	if r.Trusted {
		trusted = "trusted"
	}
	kind := catalog.Full
	if r.Metadata.PreBuildIncremental != "" {
		kind = "incremental from " + r.Metadata.PreBuildIncremental
	}
	fmt.Fprintf(w, "%s for %s, %s\nsigned by %s: %s\n", r.Metadata.PostBuildIncremental, strings.Join(r.Metadata.PreDevice, ", "), kind, r.Signer, trusted)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, p := range r.Partitions {
		proof := "not applied: it needs --from"
		if p.Applied {
			proof = "applied and compared"
		}
		fmt.Fprintf(tw, "%s\t%s\tfrom %s of data\t%s\n", p.Name, size(p.NewSize), size(p.DataSize), proof)
	}
	return tw.Flush()
}

func newOTAExtract() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "extract ZIP|PAYLOAD [PARTITION...] -o DIR",
		Short:   "Write the images of a full package",
		Long:    "Writes the images of a full package, all or those named, each checked before it has its name. Nothing but their data is read: a package is not unpacked first. A bare payload.bin will do, and so will a package for a phone with one slot (transfer lists): of that, the file systems and the images that lie whole beside them.",
		Example: "  friday ota extract umi-full.zip system vbmeta -o images\n  friday ota extract payload.bin boot -o images",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return &usageError{cmd.CommandPath(), errors.New("name the folder for the images with -o DIR")}
			}
			done, err := outputFolder(dir)
			if err != nil {
				return err
			}
			defer done()
			return withFile(args[0], func(f *os.File, size int64) error {
				return extract(cmd, f, size, args[1:], dir)
			})
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "`folder` for the images")
	return c
}

// extract applies the payload of a full package, or its transfer lists, to files.
func extract(cmd *cobra.Command, f *os.File, zipSize int64, only []string, dir string) error {
	pl, err := openPayload(f, zipSize)
	if err != nil {
		p, listErr := blockzip.Open(f, zipSize)
		if errors.Is(listErr, blockzip.ErrOther) || errors.Is(listErr, zip.ErrFormat) {
			return err // a payload is what it lacks
		}
		if listErr != nil {
			return listErr
		}
		return extractBlocks(cmd, p, only, dir)
	}
	m := pl.Manifest()
	if !m.Full() {
		return errors.New("it is an incremental package, which holds no whole images; 'friday ota verify --from' applies it")
	}
	for _, name := range only {
		if m.Partition(name) == nil {
			return fmt.Errorf("the package has no partition %s, only %s", name, strings.Join(partitionNames(m), ", "))
		}
	}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if len(only) > 0 && !slices.Contains(only, p.Name) {
			continue
		}
		path := filepath.Join(dir, p.Name+".img")
		// Under its name lies only what has the right hash.
		err := writeFile(path, func(f *os.File) error {
			return pl.Apply(cmd.Context(), p.Name, nil, f, payload.ApplyOptions{})
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", path, size(p.NewSize))
	}
	return nil
}

// extractBlocks applies the transfer lists of a full package to files.
func extractBlocks(cmd *cobra.Command, p *blockzip.Package, only []string, dir string) error {
	var names []string
	for _, im := range p.Images {
		names = append(names, im.Partition)
	}
	for _, name := range only {
		if p.Find(name) == nil {
			return fmt.Errorf("the package has no partition %s, only %s", name, strings.Join(names, ", "))
		}
	}
	for i := range p.Images {
		im := &p.Images[i]
		if len(only) > 0 && !slices.Contains(only, im.Partition) {
			continue
		}
		path := filepath.Join(dir, im.Partition+".img")
		if err := writeFile(path, func(f *os.File) error { return im.Write(cmd.Context(), f) }); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", path, size(im.Size))
	}
	return nil
}

// openPayload opens the payload of a package, or one by itself.
func openPayload(f *os.File, size int64) (*payload.Payload, error) {
	head := make([]byte, payload.HeaderSize)
	if _, err := f.ReadAt(head, 0); err == nil {
		if _, err := payload.ParseHeader(head); err == nil {
			return payload.Open(f, size)
		}
	}
	z, err := otazip.Open(f, size)
	if err != nil {
		return nil, err
	}
	section, err := z.Payload()
	if err != nil {
		return nil, err
	}
	return payload.Open(section, section.Size())
}

func partitionNames(m *payload.Manifest) []string {
	var names []string
	for i := range m.Partitions {
		names = append(names, m.Partitions[i].Name)
	}
	return names
}

// withFile opens a file that a person named; what fn finds wrong with it names
// the file.
func withFile(path string, fn func(f *os.File, size int64) error) error {
	fi, err := os.Stat(path) // first: opening a FIFO would wait
	if err == nil && !fi.Mode().IsRegular() {
		return fmt.Errorf("cannot use %s: it is a %s, expected a file", path, kindOf(fi.Mode()))
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		return fmt.Errorf("cannot use %s: %w", path, errors.Unwrap(err))
	}
	defer f.Close()
	if err := fn(f, fi.Size()); err != nil {
		return fmt.Errorf("cannot use %s: %w", path, err)
	}
	return nil
}

func kindOf(m os.FileMode) string {
	if m.IsDir() {
		return "folder"
	}
	return "device or pipe"
}

func readCertificate(path string) (*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("cannot read certificate %s: expected a PEM file with a CERTIFICATE", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate %s: %w", path, err)
	}
	return cert, nil
}
