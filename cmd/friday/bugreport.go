package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/bugreport"
	"github.com/fridayos/friday/android/bugreport/scrub"
)

// bugreportFacts is what 'bugreport --json' prints.
type bugreportFacts struct {
	Device      string             `json:"device"`
	Fingerprint string             `json:"fingerprint"`
	Build       string             `json:"build"`
	Version     string             `json:"version,omitempty"` // of Friday's build
	Model       string             `json:"model,omitempty"`
	Android     string             `json:"android,omitempty"`
	PatchLevel  string             `json:"patch_level,omitempty"`
	Kernel      string             `json:"kernel,omitempty"`
	Uptime      int64              `json:"uptime_seconds,omitempty"`
	Taken       string             `json:"taken,omitempty"`
	Crashes     []bugreportCrash   `json:"crashes"`
	Removed     map[scrub.Kind]int `json:"removed"`
	LeftOut     int                `json:"left_out"` // files of a zip
}

type bugreportCrash struct {
	Kind        string `json:"kind"`
	Process     string `json:"process"`
	Fingerprint string `json:"fingerprint"`
	Top         string `json:"top"`
	Cause       string `json:"cause,omitempty"`
}

func newBugreport() *cobra.Command {
	var scrubbed string
	var asJSON bool
	c := &cobra.Command{
		Use:   "bugreport FILE",
		Short: "Read and scrub an Android bugreport",
		Long: "Reads a bugreport (zip or text), logcat's output, a tombstone or ANR traces, and tells the device, the build and the crashes. " +
			"A crash has the same fingerprint on every handset, in every language and over builds.\n\n" +
			"--scrubbed writes the text without private data: addresses, numbers, names of networks, accounts, keys, places and files give way to pseudonyms that are the same within this one report.",
		Example: "  friday bugreport bugreport-umi-2026-11-27.zip\n  friday bugreport logcat.txt --scrubbed clean.txt --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := readBugreport(args[0], scrubbed)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), bugreportJSON(r))
			}
			return printBugreport(cmd.OutOrStdout(), r)
		},
	}
	c.Flags().StringVar(&scrubbed, "scrubbed", "", "`file` to write the scrubbed text to")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

// readBugreport reads path and, if out is not empty, writes the scrubbed text
// beside it and puts it into place when it is whole.
func readBugreport(path, out string) (r bugreport.Report, err error) {
	read := func(to io.Writer) error {
		err := withFile(path, func(f *os.File, size int64) (err error) {
			r, err = bugreport.Read(f, size, bugreport.Options{Scrubbed: to})
			return err
		})
		if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(inner.Error(), "cannot read bugreport: ") {
			return fmt.Errorf("%s: %w", path, inner)
		}
		return err
	}
	if out == "" {
		return r, read(nil)
	}
	d, err := newDraft(out)
	if err != nil {
		return r, err
	}
	defer d.drop()
	if err := read(d.File); err != nil {
		return r, err
	}
	return r, d.place()
}

func bugreportJSON(r bugreport.Report) bugreportFacts {
	f := bugreportFacts{Device: r.Device, Fingerprint: r.Fingerprint, Build: r.Build, Version: r.Version, Model: r.Model, Android: r.Android, PatchLevel: r.PatchLevel,
		Kernel: r.Kernel, Uptime: int64(r.Uptime / time.Second), Taken: r.Taken, Crashes: []bugreportCrash{}, Removed: r.Removed, LeftOut: r.LeftOut}
	for _, c := range r.Crashes {
		f.Crashes = append(f.Crashes, bugreportCrash{string(c.Kind), c.Process, c.Fingerprint, c.Top(), c.Cause})
	}
	return f
}

// printBugreport prints a table for a terminal.
func printBugreport(w io.Writer, r bugreport.Report) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	row := func(name, value string) {
		// What is too long goes on below, so that it can be read whole.
		for rest := []rune(cutTo(value, 4*(columns-13))); len(rest) > 0; name = "" {
			n := min(len(rest), columns-13)
			fmt.Fprintf(tw, "%s\t%s\n", name, string(rest[:n]))
			rest = rest[n:]
		}
	}
	row("device", strings.TrimSpace(r.Device+"  "+r.Model))
	row("build", r.Build)
	row("version", r.Version)
	row("fingerprint", r.Fingerprint)
	row("android", r.Android)
	row("patch level", r.PatchLevel)
	row("kernel", r.Kernel)
	if r.Uptime > 0 {
		row("uptime", r.Uptime.String())
	}
	row("taken", r.Taken)
	if r.LeftOut > 0 {
		row("left out", fmt.Sprintf("%d files that are no text or not needed", r.LeftOut))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(r.Crashes) == 0 {
		fmt.Fprintln(w, "\nno crash was found")
	} else {
		fmt.Fprintln(w, "\ncrashes")
	}
	for _, c := range r.Crashes {
		fmt.Fprintf(w, "  %-8s  %s  %s\n", c.Kind, c.Fingerprint, cutTo(c.Process, columns-30))
		if c.Top() != c.Cause && c.Cause != "" {
			fmt.Fprintf(w, "            %s\n", cutTo(c.Cause, columns-12))
		}
		fmt.Fprintf(w, "            %s\n", cutTo(c.Top(), columns-12))
	}
	if len(r.Removed) == 0 {
		_, err := fmt.Fprintln(w, "\nno private data was found")
		return err
	}
	fmt.Fprintln(w, "\nremoved")
	kinds := make([]scrub.Kind, 0, len(r.Removed))
	for _, k := range scrub.Kinds() {
		if r.Removed[k] > 0 {
			kinds = append(kinds, k)
		}
	}
	slices.SortStableFunc(kinds, func(a, b scrub.Kind) int { return r.Removed[b] - r.Removed[a] })
	for _, k := range kinds {
		if _, err := fmt.Fprintf(w, "  %-12s %6d\n", k, r.Removed[k]); err != nil {
			return err
		}
	}
	return nil
}

// cutTo cuts a text to n columns, control characters shown as blanks.
func cutTo(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
