package publish_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// adult is a census table in the form of UCI's Adult as ARX uses it: the real one
// where ../shared/data has it, else a stand-in with the same attributes.
type adult struct {
	data  []byte
	files map[string]string // hierarchies
	real  bool
}

func (a *adult) open(name string) (io.ReadCloser, error) {
	text, ok := a.files[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

var adultNames = []string{"sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation", "salary-class"}

func loadAdult(t testing.TB) *adult {
	t.Helper()
	a := &adult{files: map[string]string{}}
	dir := filepath.Join("..", "..", "shared", "data", "adult")
	data, err := os.ReadFile(filepath.Join(dir, "adult.csv"))
	if err != nil {
		t.Log("../shared/data/adult is absent: a stand-in is used")
		return standIn()
	}
	a.data, a.real = data, true
	for _, name := range adultNames {
		h, err := os.ReadFile(filepath.Join(dir, "adult_hierarchy_"+name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		a.files[name] = string(h)
	}
	return a
}

// standIn makes 6,000 rows of nine skewed attributes that depend on each other a little.
func standIn() *adult {
	a := &adult{files: map[string]string{}}
	sizes := []int{2, 74, 5, 7, 16, 40, 8, 14, 2}
	rng := rand.New(rand.NewPCG(7, 7))
	var b bytes.Buffer
	b.WriteString(strings.Join(adultNames, ";") + "\n")
	for range 6000 {
		lean := rng.Float64()
		for i, n := range sizes {
			x := min(n-1, int(rng.ExpFloat64()*(0.3+lean)*float64(n)/5))
			if i > 0 {
				b.WriteByte(';')
			}
			b.WriteString(adultValue(i, x))
		}
		b.WriteByte('\n')
	}
	a.data = b.Bytes()
	for i, name := range adultNames {
		var h strings.Builder
		for x := range sizes[i] {
			fmt.Fprintf(&h, "%s;group %d;*\n", adultValue(i, x), x/5)
		}
		a.files[name] = h.String()
	}
	return a
}

func adultValue(attribute, x int) string {
	if adultNames[attribute] == "age" {
		return fmt.Sprint(17 + x)
	}
	return fmt.Sprintf("%s-%d", adultNames[attribute], x)
}

// policy is the policy of the comparison with ARX: what is not confidential is
// a quasi-identifier.
func (a *adult) policy(k int, confidential map[string][]model.Requirement) *model.Policy {
	seed := uint64(1)
	p := &model.Policy{K: k, KeepOrder: true, Missing: []string{""}, MissingRefused: true, Seed: &seed}
	for _, name := range adultNames {
		at := &model.Attribute{Name: name, Class: clarus.QuasiIdentifier, Type: model.Categorical, Cover: model.CoverSet, Weight: 1, Hierarchy: &model.Source{File: name}}
		if name == "age" {
			at.Type, at.Cover = model.Numeric, model.CoverInterval
		}
		if wants, ok := confidential[name]; ok {
			at.Class, at.Wants = clarus.Confidential, wants
		}
		p.Attributes = append(p.Attributes, at)
	}
	return p
}

// release reads, anonymises and writes, as the command does.
func (a *adult) release(t testing.TB, p *model.Policy) (*publish.Release, []byte) {
	t.Helper()
	data, err := table.Read(bytes.NewReader(a.data), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := publish.Make(context.Background(), p, data, a.open, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Table.Write(&out, nil); err != nil {
		t.Fatal(err)
	}
	return r, out.Bytes()
}

var (
	l3 = map[string][]model.Requirement{"occupation": {{Kind: model.DistinctL, L: 3}}}
	t2 = map[string][]model.Requirement{"occupation": {{Kind: model.TCloseness, T: 0.2, Distance: model.Equal}}}
)

// An adultTarget is the loss that a release of the real Adult stays below, and
// what ARX reaches.
type adultTarget struct {
	name         string
	k            int
	confidential map[string][]model.Requirement
	loss         float64
	arx          string
}

var adultTargets = []adultTarget{
	{"k=2", 2, nil, 0.0231, ""},
	{"k=5", 5, nil, 0.055, ".1776, 4.9 s"},
	{"k=10", 10, nil, 0.0951, ""},
	{"k=50", 50, nil, 0.2228, ""},
	{"k=5, occupation l=3", 5, l3, 0.126, ".126"},
	{"k=5, occupation t=0.2", 5, t2, 0.40, ".590, 2,481 rows suppressed"},
}

func TestAdult(t *testing.T) {
	a := loadAdult(t)
	for _, target := range adultTargets {
		r, _ := a.release(t, a.policy(target.k, target.confidential))
		if m := r.Result; m.Smallest < target.k || m.Suppressed > 0 || a.real && m.Loss >= target.loss {
			t.Errorf("%s: smallest class %d, %d suppressed, loss %.5f, want below %.5f", target.name, m.Smallest, m.Suppressed, m.Loss, target.loss)
		}
	}
}

func processor(t testing.TB) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// BenchmarkAdult is reading, anonymising, checking and writing; loss and
// processor time are those of docs/benchmarks.md.
func BenchmarkAdult(b *testing.B) {
	a := loadAdult(b)
	for _, target := range adultTargets {
		b.Run(target.name, func(b *testing.B) {
			before, loss := processor(b), 0.0
			for b.Loop() {
				r, _ := a.release(b, a.policy(target.k, target.confidential))
				loss = r.Result.Loss
			}
			b.ReportMetric((processor(b)-before)/float64(b.N), "cpu-s/op")
			b.ReportMetric(loss, "LM")
		})
	}
}

// scaled draws n rows with the table's marginals: three blocks of attributes from
// three rows each.
func (a *adult) scaled(n int) *adult {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(a.data), "\r", "")), "\n")
	block := []int{0, 0, 1, 0, 2, 1, 2, 2, 2}
	rows := make([][]string, len(lines)-1)
	for i, l := range lines[1:] {
		rows[i] = strings.Split(l, ";")
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	fmt.Fprintln(w, lines[0])
	for range n {
		from := [3][]string{rows[rng.IntN(len(rows))], rows[rng.IntN(len(rows))], rows[rng.IntN(len(rows))]}
		for i := range adultNames {
			if i > 0 {
				w.WriteByte(';')
			}
			w.WriteString(from[block[i]][i])
		}
		w.WriteByte('\n')
	}
	w.Flush()
	return &adult{data: b.Bytes(), files: a.files, real: a.real}
}

func BenchmarkAdultMillion(b *testing.B) {
	a := loadAdult(b).scaled(1_000_000)
	before, loss := processor(b), 0.0
	for b.Loop() {
		r, _ := a.release(b, a.policy(5, nil))
		loss = r.Result.Loss
	}
	b.ReportMetric((processor(b)-before)/float64(b.N), "cpu-s/op")
	b.ReportMetric(loss, "LM")
}
