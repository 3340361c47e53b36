package mask_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/mask"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

func column(values ...string) *table.Column {
	b := table.NewBuilder("a", len(values))
	for _, v := range values {
		b.Add(v)
	}
	return b.Column()
}

func number(x float64) *float64 { return &x }

func apply(t *testing.T, m *model.Mask, values ...string) []string {
	t.Helper()
	out, err := mask.Apply(column(values...), m, func(v string) bool { return v == "" }, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for r := range out.Codes {
		list = append(list, out.At(r))
	}
	return list
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct {
		mask *model.Mask
		want string
	}{
		{&model.Mask{Round: 10}, "[10 120 -10  0]"},
		{&model.Mask{Round: 0.1}, "[12.3 120 -7.5  0]"},
		{&model.Mask{Top: number(100), Bottom: number(-5)}, "[12.34 100 -5  0]"},
		{&model.Mask{Top: number(101), Round: 25}, "[0 100 0  0]"},
	} {
		got := "["
		for i, v := range apply(t, test.mask, "12.34", "120", "-7.5", "", "0") {
			if i > 0 {
				got += " "
			}
			got += v
		}
		if got += "]"; got != test.want {
			t.Errorf("%s: %s, want %s", mask.Describe(test.mask), got, test.want)
		}
	}
	if _, err := mask.Apply(column("1", "x"), &model.Mask{Round: 5}, func(string) bool { return false }, nil); err == nil || err.Error() != `row 2, column a: "x" is not a number (correct it, or list it under missing)` {
		t.Error(err)
	}
}

// TestNoise: mean and standard deviation are those asked for.
func TestNoise(t *testing.T) {
	zeros := make([]string, 20_000)
	for i := range zeros {
		zeros[i] = "0"
	}
	sum, square := 0.0, 0.0
	for _, v := range apply(t, &model.Mask{Noise: 3}, zeros...) {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, square = sum+x, square+x*x
	}
	n := float64(len(zeros))
	if mean, sd := sum/n, math.Sqrt(square/n); math.Abs(mean) > 0.1 || math.Abs(sd-3) > 0.1 {
		t.Errorf("mean %g, deviation %g", mean, sd)
	}
}

// TestPRAM: about so many values change, and frequencies stay.
func TestPRAM(t *testing.T) {
	values := make([]string, 20_000)
	for i := range values {
		values[i] = []string{"a", "a", "a", "b"}[i%4]
	}
	changed, a := 0, 0
	for i, v := range apply(t, &model.Mask{PRAM: 0.4}, values...) {
		if v != values[i] {
			changed++
		}
		if v == "a" {
			a++
		}
	}
	// Of 40 % drawn anew, 2 * 3/4 * 1/4 differ.
	if changed < 2700 || changed > 3300 || a < 14_700 || a > 15_300 {
		t.Errorf("%d changed, %d a", changed, a)
	}
}

func TestDonut(t *testing.T) {
	home, err := hierarchy.Point("47.37,8.54")
	if err != nil {
		t.Fatal(err)
	}
	points := make([]string, 500)
	for i := range points {
		points[i] = home.String()
	}
	for _, v := range apply(t, &model.Mask{Donut: &model.Ring{Least: 100, Most: 500}}, points...) {
		p, err := hierarchy.Point(v)
		if err != nil {
			t.Fatal(err)
		}
		if d := home.Distance(p); d < 98 || d > 502 {
			t.Errorf("%s is %.0f m away", v, d)
		}
	}
}
