package cable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Debian's packages of the programs.
var packages = map[string]string{"fastboot": "fastboot", "heimdall": "heimdall-flash"}

// Find says whether a program is there, and if not what to install.
func Find(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("cannot find %s, which flashes this phone: install it ('apt install %s' on Debian)", program, packages[program])
	}
	return nil
}

// patience is how long a phone may take to answer.
const patience = 20 * time.Second

// said runs a program for its answer. What it printed is whole in any case.
func said(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.WaitDelay = time.Second
	out, err := c.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(out), err
}

// network says that a phone is reached over the network: it is on no list.
func network(serial string) bool {
	return strings.HasPrefix(serial, "tcp:") || strings.HasPrefix(serial, "udp:")
}

// AskFastboot finds the phone of a serial, or the only one there is, and asks it for
// variables.
func AskFastboot(ctx context.Context, serial string, names []string) (Phone, error) {
	p := Phone{Serial: serial, Vars: map[string]string{}}
	if !network(serial) {
		list, err := said(ctx, "fastboot", "devices")
		if err != nil {
			return p, fmt.Errorf("cannot list phones: fastboot: %w: %s", err, last(list))
		}
		if p.Serial, err = pick(devices(list), serial); err != nil {
			return p, err
		}
	}
	for _, name := range names {
		value, err := getvar(ctx, p.Serial, name)
		if err != nil {
			return p, err
		}
		if value != "" {
			p.Vars[name] = value
		}
	}
	return p, nil
}

// devices are the serials on a list of "fastboot devices".
func devices(list string) (serials []string) {
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 2 && (f[1] == "fastboot" || f[1] == "fastbootd") {
			serials = append(serials, f[0])
		}
	}
	return serials
}

// pick chooses a phone.
func pick(there []string, serial string) (string, error) {
	switch {
	case serial != "":
		for _, s := range there {
			if s == serial {
				return s, nil
			}
		}
		return "", fmt.Errorf("cannot find phone %s: fastboot sees %s; start the phone into its boot loader ('adb reboot bootloader')", serial, orNone(there))
	case len(there) == 1:
		return there[0], nil
	case len(there) == 0:
		return "", errors.New("cannot find a phone: fastboot sees none; connect it by USB and start it into its boot loader ('adb reboot bootloader'), or name one on the network with --serial tcp:HOST:PORT")
	}
	return "", fmt.Errorf("cannot choose a phone: fastboot sees %s; name one with --serial", strings.Join(there, ", "))
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// getvar asks for one variable; "" is what the phone does not know.
func getvar(ctx context.Context, serial, name string) (string, error) {
	out, err := said(ctx, "fastboot", "-s", serial, "getvar", name)
	if value, ok := answer(out, name); ok {
		return value, nil
	}
	if err == nil || strings.Contains(out, "FAILED (remote") { // the phone itself said no
		return "", nil
	}
	if errors.Is(err, context.Canceled) {
		return "", err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "", fmt.Errorf("cannot reach phone %s: it did not answer for %s; is it in its boot loader?", serial, patience)
	}
	return "", fmt.Errorf("cannot reach phone %s: %s; is it in its boot loader?", serial, last(out))
}

// answer finds a variable's value in what fastboot printed.
func answer(out, name string) (string, bool) {
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(strings.TrimPrefix(line, "(bootloader) "), name+":"); ok {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// last is the last thing that a program said, for an error.
func last(out string) string {
	lines := strings.FieldsFunc(out, func(r rune) bool { return r == '\n' || r == '\r' })
	found := "it says nothing"
	for _, line := range lines {
		line = strings.TrimSpace(line)
		lower := strings.ToLower(line)
		switch {
		case line == "" || strings.HasPrefix(line, "Finished."):
		case strings.Contains(line, "FAILED"): // what stands before is what it was doing
			return shorten(line[strings.Index(line, "FAILED"):])
		case strings.Contains(lower, "fail") || strings.Contains(lower, "error"):
			return shorten(line)
		default:
			found = shorten(line)
		}
	}
	return found
}

func shorten(s string) string {
	const most = 300
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// AskHeimdall reads the partition table of a Samsung in its download mode. The phone
// stays in it, and takes a session that goes on from there.
func AskHeimdall(ctx context.Context, dir string) (Phone, error) {
	out, err := said(ctx, "heimdall", "detect")
	if err != nil {
		if ctx.Err() != nil {
			return Phone{}, ctx.Err()
		}
		return Phone{}, fmt.Errorf("cannot find a phone: heimdall says %q; switch it off, hold Volume Down, Home and Power, press Volume Up at the warning, and connect it by USB", last(out))
	}
	file := filepath.Join(dir, "phone.pit")
	args := []string{"download-pit", "--output", file, "--no-reboot"}
	if out, err = said(ctx, "heimdall", args...); err != nil && ctx.Err() == nil {
		// A session that was left open, as a plan that was only looked at leaves it, is gone on with.
		out, err = said(ctx, "heimdall", append(args, "--resume")...)
	}
	if err != nil {
		return Phone{}, fmt.Errorf("cannot read the phone's partition table: heimdall: %w: %s", err, last(out))
	}
	table, err := os.ReadFile(file)
	if err != nil {
		return Phone{}, fmt.Errorf("cannot read the phone's partition table: %w", err)
	}
	return Phone{PIT: table}, nil
}
