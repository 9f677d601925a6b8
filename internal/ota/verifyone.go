package ota

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/ctxio"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/updater"
)

// verifyOneSlot is Verify for a package that recovery runs: the signature, what
// each partition's list says, and, where it can be, the script run on a phone for
// the length of the proof. The script compares what came out itself.
func verifyOneSlot(ctx context.Context, r io.ReaderAt, size int64, o VerifyOptions) (*Report, error) {
	z, err := otazip.Open(r, size)
	if err != nil {
		return nil, err
	}
	m, err := z.Metadata()
	if err != nil {
		return nil, err
	}
	certs := o.Certs
	if len(certs) == 0 {
		own, err := ownCert(z)
		if err != nil {
			return nil, err
		}
		certs = []*x509.Certificate{own}
	}
	cert, err := otazip.Verify(r, size, certs)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "cannot verify package: "))
	}
	report := &Report{Metadata: m, Signer: cert.Subject.String(), Trusted: len(o.Certs) > 0}
	if report.Partitions, err = oneSlotPartitions(r, size); err != nil {
		return report, err
	}
	full := m.PreBuild == "" && m.PreBuildIncremental == ""
	if len(o.From) == 0 && !(o.Apply && full) {
		return report, nil
	}
	return report, applyOneSlot(ctx, r, size, report, o)
}

// oneSlotPartitions says what a package does to each partition.
func oneSlotPartitions(r io.ReaderAt, size int64) ([]PartitionReport, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, f := range z.File {
		sizes[f.Name] = int64(f.UncompressedSize64)
	}
	var list []PartitionReport
	for _, f := range z.File {
		name, isList := strings.CutSuffix(f.Name, ".transfer.list")
		if raw, ok := strings.CutSuffix(f.Name, ".img"); ok && !strings.Contains(raw, "/") {
			list = append(list, PartitionReport{Name: raw, NewSize: sizes[f.Name], DataSize: sizes[f.Name], Operations: map[string]int{"whole": 1}})
		}
		if !isList {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		text, err := io.ReadAll(io.LimitReader(in, blockota.MaxList+1))
		if err := errors.Join(err, in.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		l, err := blockota.Parse(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		p := PartitionReport{Name: name, NewSize: l.End() * blockSize, DataSize: sizes[name+".new.dat.br"] + sizes[name+".new.dat"] + sizes[name+".patch.dat"], Operations: map[string]int{}}
		for _, c := range l.Commands {
			p.Operations[string(c.Kind)]++
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b PartitionReport) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func applyOneSlot(ctx context.Context, r io.ReaderAt, size int64, report *Report, o VerifyOptions) error {
	if len(report.Metadata.PreDevice) == 0 {
		return errors.New("its metadata do not say for which device it is")
	}
	phone, err := newProvingPhone(o.TempDir, report.Metadata.PreDevice[0], report.Metadata.RequiredCache)
	if err != nil {
		return err
	}
	defer phone.close()
	from := Side{Images: o.From}
	for i := range report.Partitions {
		p := &report.Partitions[i]
		old := from.image(p.Name)
		if old != nil {
			p.OldSize = old.Size
			p.NewSize = max(p.NewSize, old.Size) // a list names only what it writes
		}
		if err := phone.add(ctx, p.Name, old, p.NewSize); err != nil {
			return fmt.Errorf("partition %q: %w", p.Name, err)
		}
	}
	if err := updater.Run(ctx, r, size, phone); err != nil {
		return err
	}
	for i := range report.Partitions {
		p := &report.Partitions[i]
		f, err := os.Open(phone.file(p.Name))
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, ctxio.Reader(ctx, io.NewSectionReader(f, 0, p.NewSize)))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		p.SHA256, p.Applied = fmt.Sprintf("%x", h.Sum(nil)), true
	}
	return nil
}
