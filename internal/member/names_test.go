package member

import (
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func TestNamesOfMany(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, b := register(t, d, "ana"), register(t, d, "kim")
		write(t, d, func(tx *db.Tx) error {
			names, err := Names(tx, a.ID, b.ID, a.ID, 12345, -1)
			if len(names) != 2 || names[a.ID] != "ana" || names[b.ID] != "kim" {
				t.Errorf("found %v", names)
			}
			if none, err := Names(tx); len(none) != 0 || err != nil {
				t.Errorf("found %v, %v", none, err)
			}
			return err
		})
	})
}
