package member

import (
	"errors"
	"fmt"

	"github.com/fridayos/friday/internal/db"
)

const maxLang = 35 // bytes; BCP 47 asks for no more

// Language is the one that a member last read the site in, as HTML's lang has it
// ("zh"): what letters are written in. Empty: nobody knows.
func Language(tx *db.Tx, id int64) (lang string, err error) {
	err = tx.QueryRow("SELECT lang FROM members WHERE id = $1", id).Scan(&lang)
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("cannot tell what language member %d reads: %w", id, err)
	}
	return lang, nil
}

// SetLanguage notes it. Whether there are words in it is for the caller to know.
func SetLanguage(tx *db.Tx, id int64, lang string) error {
	if len(lang) > maxLang {
		return fmt.Errorf("cannot note a language: %.40q is none", lang)
	}
	if _, err := tx.Exec("UPDATE members SET lang = $2 WHERE id = $1 AND lang <> $2", id, lang); err != nil {
		return fmt.Errorf("cannot note what language member %d reads: %w", id, err)
	}
	return nil
}

// Administrators are the ids of those who administer the site, in order.
func Administrators(tx *db.Tx) ([]int64, error) {
	all, err := db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
		"SELECT DISTINCT member_id FROM member_roles WHERE role = $1 ORDER BY member_id", string(Admin))
	if err != nil {
		return nil, fmt.Errorf("cannot find the administrators: %w", err)
	}
	return all, nil
}
