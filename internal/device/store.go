package device

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fridayos/friday/internal/db"
)

// ErrNotFound is wrapped by the error for a device that the catalogue lacks.
var ErrNotFound = errors.New("not in the catalogue of devices")

const columns = `codename, variant, vendor, name, boot`

// Put adds d or replaces what is known of it.
func Put(tx *db.Tx, d Device) error {
	if err := d.Check(); err != nil {
		return err
	}
	boot, err := json.Marshal(d.Boot)
	if err != nil {
		return fmt.Errorf("cannot put device %s: %w", d.Codename, err)
	}
	_, err = tx.Exec(`INSERT INTO devices (codename, variant, vendor, name, boot, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (codename, variant) DO UPDATE SET vendor = $3, name = $4, boot = $5, updated_at = $6`,
		d.Codename, d.Variant, d.Vendor, d.Name, string(boot), tx.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("cannot put device %s: %w", d.Codename, err)
	}
	return nil
}

// ByCodename returns the device as such: the row without a variant.
func ByCodename(tx *db.Tx, codename string) (Device, error) { return ByVariant(tx, codename, "") }

// ByVariant returns one variant of a device.
func ByVariant(tx *db.Tx, codename, variant string) (Device, error) {
	d, err := scan(tx.QueryRow(`SELECT `+columns+` FROM devices WHERE codename = $1 AND variant = $2`, codename, variant))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Device{}, fmt.Errorf("cannot find device %q: %w", codename+suffix(variant), err)
	}
	return d, nil
}

func suffix(variant string) string {
	if variant == "" {
		return ""
	}
	return "/" + variant
}

// List returns all devices, by codename and variant.
func List(tx *db.Tx) ([]Device, error) {
	ds, err := db.All(tx, scan, `SELECT `+columns+` FROM devices ORDER BY codename, variant`)
	if err != nil {
		return nil, fmt.Errorf("cannot list devices: %w", err)
	}
	return ds, nil
}

func scan(row db.Scanner) (Device, error) {
	var d Device
	var boot string
	if err := row.Scan(&d.Codename, &d.Variant, &d.Vendor, &d.Name, &boot); err != nil {
		return d, err
	}
	if err := json.Unmarshal([]byte(boot), &d.Boot); err != nil {
		return d, fmt.Errorf("boot profile of %s: %w", d.Codename, err)
	}
	return d, nil
}
