package fleet_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/mistake"
)

func TestParseStages(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string][]fleet.Stage{
		"100%":                       {{Percent: 100, Least: day}},
		"20, 1%,10%,100%":            {{Handsets: 20, Least: day}, {Percent: 1, Least: day}, {Percent: 10, Least: day}, {Percent: 100, Least: day}},
		"5:90m:2,1%/30%:6h,100%:0s":  {{Handsets: 5, Least: 90 * time.Minute, Outcomes: 2}, {Percent: 1, Volunteers: 30, Least: 6 * time.Hour}, {Percent: 100}},
		"10%/50%:2d:30,100%/100%:3d": {{Percent: 10, Volunteers: 50, Least: 2 * day, Outcomes: 30}, {Percent: 100, Volunteers: 100, Least: 3 * day}},
	} {
		got, err := fleet.ParseStages(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s reads as %+v, %v", text, got, err)
		}
		if again, err := fleet.ParseStages(fleet.FormatStages(got)); err != nil || !slices.Equal(again, want) {
			t.Errorf("%s is written as %s, which reads as %+v, %v", text, fleet.FormatStages(got), again, err)
		}
	}
	if got := fleet.FormatStages(fleet.DefaultStages()); got != "1%/30%:1d,10%/100%:1d:3,50%/100%:1d:10,100%:1d" {
		t.Errorf("the usual stages are written %s", got)
	}
	for text, want := range map[string]string{
		"": `"" is none`, "many": `"many" is none`, "20,,100%": `"" is none`, "0,100%": `"0" is none`, "+5,100%": `"+5" is none`, "-5,100%": `"-5" is none`,
		"10%/,100%": `"10%/" is none`, "10%/50,100%": `"10%/50" is none`, "10%:soon,100%": `"10%:soon" is none`, "10%:-1h,100%": `"10%:-1h" is none`, "10%:999d,100%": `is none`,
		"10%:1h:x,100%": "is none", "10%:1h:5:6,100%": "is none", "10%:,100%": "is none", strings.Repeat("1%,", 400): "is none",
		"10%": "the last is 10%, expected 100%", "20": "the last is 20, expected 100%", "50%,10%,100%": "stage 2 is 10% after 50%", "10%,20,100%": "stage 2 is 20 after 10%", "20,20,100%": "stage 2 is 20 after 20",
		"10%/5%,100%": "stage 1 has 5% of the volunteers", "20/50%,100%": "stage 1 counts handsets", "101%": "stage 1 is 101% after 0%",
		strings.TrimSuffix(strings.Repeat("1%,", 21), ","): "there are 21, expected 1 to 20",
	} {
		got, err := fleet.ParseStages(text)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot use stages: ") || !strings.Contains(err.Error(), want) || mistake.Of(err) == nil {
			t.Errorf("%.40q reads as %+v, %v; expected %q", text, got, err, want)
		}
	}
}

func FuzzParseStages(f *testing.F) {
	for _, text := range []string{"100%", "20,1%/30%:6h,10%:2d:30,100%", fleet.FormatStages(fleet.DefaultStages()), "1%:1h:", ",,", "9999999999999999999%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		stages, err := fleet.ParseStages(text)
		if err != nil {
			return
		}
		again, err := fleet.ParseStages(fleet.FormatStages(stages))
		if err != nil || !slices.Equal(again, stages) {
			t.Errorf("%q reads as %+v, and again as %+v, %v", text, stages, again, err)
		}
	})
}
