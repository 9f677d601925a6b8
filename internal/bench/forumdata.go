package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

const (
	busiestPosts = 40
	forumMembers = 60
	forumDevices = 12
)

// forumWords are what made threads are written with.
var forumWords = strings.Fields(`after the update camera screen battery closes freezes drains zoom night mode bluetooth headset
	speaker crackles alarm silent notification missing keyboard lags gallery empty wifi drops roaming signal call hangs fingerprint
	reader slow launcher icons vanish settings crash reboot loop charging warm quick tile brightness flickers video stutters sound
	when opening while playing every time since last week on my phone it does not happen in safe mode log attached expected stays`)

// forumText is n made words.
func forumText(r *rand.Rand, n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = forumWords[r.IntN(len(forumWords))]
	}
	s := strings.Join(words, " ")
	return strings.ToUpper(s[:1]) + s[1:]
}

// fillForum writes threads as members would over two years, and returns the address
// of the one with the most posts, which is the last.
func fillForum(ctx context.Context, path string, threads int, seed uint64) (busiest string, err error) {
	d, err := openNew(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	r := rand.New(rand.NewPCG(seed, 3))
	members, err := forumPeople(ctx, d)
	if err != nil {
		return "", err
	}
	devices, err := forumPhones(ctx, d)
	if err != nil {
		return "", err
	}
	end := time.Now()
	const atOnce = 500 // threads in a transaction: a commit waits for the disk
	for from := 0; from < threads; from += atOnce {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		// A statement that can be broken off costs a goroutine.
		err := d.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
			for i := from; i < min(from+atOnce, threads); i++ {
				if err := forumThread(tx, r, members, devices, i == threads-1); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("cannot write threads to measure: %w", err)
		}
		left := float64(max(0, threads-from-atOnce)) / float64(threads)
		d.SetClock(func() time.Time { return end.Add(-time.Duration(left * float64(2*365*24*time.Hour))) })
	}
	return fmt.Sprintf("/t/%d-%s", threads, busiestSlug), nil
}

const (
	busiestTitle = "Camera closes at five times zoom"
	busiestSlug  = "camera-closes-at-five-times-zoom"
)

func forumPeople(ctx context.Context, d *db.DB) (all []int64, err error) {
	passwords := member.NewPasswords(member.TestCost())
	for i := range forumMembers {
		m, err := passwords.Register(ctx, d, fmt.Sprintf("member%02d", i), fmt.Sprintf("a sentence for %d", i))
		if err != nil {
			return nil, err
		}
		all = append(all, m.ID)
	}
	return all, nil
}

func forumPhones(ctx context.Context, d *db.DB) (all []string, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		all = nil
		for i := range forumDevices {
			codename := fmt.Sprintf("phone%02d", i)
			all = append(all, codename)
			if err := device.Put(tx, device.Device{Codename: codename, Vendor: "Maker", Name: fmt.Sprintf("Maker Phone %d", i), Boot: bootprofile.Profile{Trust: bootprofile.None,
				Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}}); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// forumThread writes one thread: most have a reply or two, the busiest many.
func forumThread(tx *db.Tx, r *rand.Rand, members []int64, devices []string, busiest bool) error {
	someone := func() int64 { return members[r.IntN(len(members))] }
	n := feedback.NewThread{Kind: feedback.Kinds()[[]int{0, 0, 0, 0, 1, 2, 3}[r.IntN(7)]], Title: forumText(r, 4+r.IntN(8)), Body: forumText(r, 20+r.IntN(120)), AuthorID: someone(), Lang: "en"}
	replies := []int{0, 0, 1, 1, 2, 5}[r.IntN(6)]
	if busiest {
		n.Kind, n.Title, replies = feedback.Bug, busiestTitle, busiestPosts-1
	}
	if n.Kind.Tracked() {
		n.Part, n.Devices = feedback.Parts()[r.IntN(len(feedback.Parts()))], []string{devices[r.IntN(len(devices))]}
		if busiest {
			n.Devices = devices[:2]
		}
	}
	t, err := feedback.New(tx, n)
	if err != nil {
		return err
	}
	for range replies {
		body := forumText(r, 10+r.IntN(60))
		if r.IntN(5) == 0 {
			body += "\n\n> " + forumText(r, 12) + "\n\n1. " + forumText(r, 5) + "\n2. " + forumText(r, 5) + "\n\n`" + forumText(r, 3) + "`"
		}
		if _, err := feedback.Reply(tx, feedback.Viewer{Member: someone()}, t.ID, body); err != nil {
			return err
		}
	}
	for range r.IntN(3) {
		if err := stake.Vote(tx, feedback.Viewer{Member: someone()}, t.ID, true); err != nil {
			return err
		}
	}
	return nil
}
