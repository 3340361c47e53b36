//go:build bench

package publish_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/figures"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// TestPublishBench runs the command clarus publish on whole files, each time in
// a process of its own, and writes loss, processor time and memory into
// docs/benchmarks.md. It uses ../shared/data/adult, and anon-score beside it as
// judge; without them it measures a stand-in and writes nothing.
func TestPublishBench(t *testing.T) {
	dir := t.TempDir()
	program := build(t, dir)
	a := loadAdult(t)
	var rows strings.Builder
	rows.WriteString("| table | model | loss (LM) | by anon-score | rows suppressed | aim | ARX | CPU | memory |\n|---|---|--:|--:|--:|--:|---|--:|--:|\n")
	aims := append(adultTargets[:len(adultTargets):len(adultTargets)], adultTarget{"k=5", 5, nil, 0.014, ".0814, 71 s, 1 GB"}, adultTarget{"k=5, occupation t=0.2", 5, t2, 0, ""})
	var million *adult // made when it is needed: a child's memory counts what its parent had
	for i, target := range aims {
		data, name := a, "Adult, 30,162 rows"
		if i >= len(adultTargets) {
			if million == nil {
				million = a.scaled(1_000_000)
			}
			data, name = million, "the same scaled up, 1,000,000 rows"
		}
		m := measure(t, program, dir, data, target)
		aim := ""
		if target.loss > 0 {
			aim = fmt.Sprintf("%.4f", target.loss)
		}
		fmt.Fprintf(&rows, "| %s | %s | %.4f | %s | %d | %s | %s | %.2f s | %d MB |\n", name, target.name, m.loss, m.judged, m.suppressed, aim, target.arx, m.cpu, m.memory)
	}
	t.Log("\n" + rows.String())
	if a.real {
		figures.Write(t, "../docs/benchmarks.md", "publish", rows.String())
	}
}

// TestLivingBench streams Adult into a living release, states saved, and compares it
// with one release of all rows.
func TestLivingBench(t *testing.T) {
	a := loadAdult(t)
	data, err := table.Read(bytes.NewReader(a.data), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range a.files {
		write(t, dir, "h_"+name+".csv", []byte(text))
	}
	write(t, dir, "in.csv", a.data)
	var rows strings.Builder
	rows.WriteString("| streamed in random order | model | loss (LM) | by anon-score | at once | times | rows/s | rows per CPU second |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, target := range adultTargets {
		if drifts(target) {
			continue
		}
		p := a.policy(target.k, target.confidential)
		batch, _ := a.release(t, p)
		var times, cpu []float64
		var out *table.Table
		for i := range 5 {
			start, before := time.Now(), processor(t)
			_, out = stream(t, p, a, data, living.File(filepath.Join(dir, fmt.Sprintf("state %d", i))), living.Options{Held: streamHeld})
			times, cpu = append(times, time.Since(start).Seconds()), append(cpu, processor(t)-before)
		}
		m, failed := check.Run(data, out, batch.Spec)
		if failed != nil {
			t.Fatal(failed)
		}
		var text bytes.Buffer
		if err := out.Write(&text, nil); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "out.csv", text.Bytes())
		slices.Sort(times)
		slices.Sort(cpu)
		n := float64(data.Rows)
		fmt.Fprintf(&rows, "| Adult, 30,162 rows | %s | %.4f | %s | %.4f | %.2f | %.0f | %.0f |\n", target.name, m.Loss, judge(t, dir, target), batch.Result.Loss, m.Loss/batch.Result.Loss, n/times[2], n/cpu[2])
	}
	t.Log("\n" + rows.String())
	if a.real {
		figures.Write(t, "../docs/benchmarks.md", "living", rows.String())
	}
}

// microaggregations are SSE/SST in per cent: MDAV's, aim, best known.
var microaggregations = []struct {
	k         int
	mdav, aim float64
	best      string
}{{3, 5.6922, 4.9, "4.677"}, {5, 9.0884, 8.07, ""}, {10, 14.1559, 12.28, ""}}

// TestMicroaggregationBench does the same for microaggregation, on
// ../shared/data/census and on a million records of ten numbers.
func TestMicroaggregationBench(t *testing.T) {
	text, err := os.ReadFile("../../shared/data/census/census.csv")
	if err != nil {
		t.Skip("../shared/data/census is absent")
	}
	dir := t.TempDir()
	program := build(t, dir)
	var rows strings.Builder
	rows.WriteString("| table | k | 100 SSE/SST | MDAV | aim | best known | by the clock | CPU | memory |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, m := range microaggregations {
		got := aggregate(t, program, dir, text, m.k)
		fmt.Fprintf(&rows, "| census, 1,080 rows of 13 numbers | %d | %.4f | %.4f | %.2f | %s | %.1f s | %.1f s | %d MB |\n", m.k, got.loss, m.mdav, m.aim, m.best, got.wall, got.cpu, got.memory)
	}
	got := aggregate(t, program, dir, numbers(1_000_000, 10), 5)
	fmt.Fprintf(&rows, "| 1,000,000 rows of 10 numbers | 5 | %.4f | | | | %.1f s | %.1f s | %d MB |\n", got.loss, got.wall, got.cpu, got.memory)
	t.Log("\n" + rows.String())
	figures.Write(t, "../docs/benchmarks.md", "microaggregation", rows.String())
}

// numbers is a table of numbers that depend on two others.
func numbers(n, width int) []byte {
	rng := rand.New(rand.NewPCG(3, 4))
	var b bytes.Buffer
	for i := range width {
		fmt.Fprintf(&b, "%sx%d", strings.Repeat(",", min(i, 1)), i)
	}
	for range n {
		u, v := rng.NormFloat64(), rng.ExpFloat64()
		b.WriteByte('\n')
		for i := range width {
			fmt.Fprintf(&b, "%s%.3f", strings.Repeat(",", min(i, 1)), u*float64(i%3)+v*float64(i%2)+rng.NormFloat64())
		}
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// aggregate publishes a table of numbers, all of them quasi-identifiers.
func aggregate(t *testing.T, program, dir string, data []byte, k int) measured {
	t.Helper()
	header, _, _ := strings.Cut(string(data[:min(len(data), 4096)]), "\n")
	policy := fmt.Sprintf("version: 1\nrelease: {k: %d, method: microaggregation, order: keep}\nattributes:\n", k)
	for name := range strings.SplitSeq(strings.TrimSpace(header), ",") {
		policy += "  " + strings.Trim(name, `"`) + ": {class: quasi-identifier, type: numeric}\n"
	}
	write(t, dir, "in.csv", data)
	write(t, dir, "p.yaml", []byte(policy))
	return publishFile(t, program, dir)
}

func build(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "clarus")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/clarus").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// publishFile runs the command on in.csv under p.yaml; the loss is LM, or the share of
// variance gone where cells are means.
func publishFile(t *testing.T, program, dir string) measured {
	t.Helper()
	cmd := exec.Command(program, "publish", "in.csv", "-p", "p.yaml", "-o", "out.csv", "--report", "r.json", "-q")
	cmd.Dir = dir
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wall := time.Since(began).Seconds()
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	m := measured{wall: wall, cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), memory: int(usage.Maxrss / 1024), judged: "-"}
	told := reported(t, dir)
	m.loss, m.suppressed = told.Loss, told.Suppressed
	for _, a := range told.Attributes {
		m.loss += 100 * a.Error / float64(len(told.Attributes))
	}
	return m
}

// reported is what the report of publishFile says was measured.
func reported(t *testing.T, dir string) check.Result {
	t.Helper()
	var report struct {
		Measured check.Result `json:"measured"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "r.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	return report.Measured
}

type measured struct {
	loss       float64
	cpu, wall  float64 // seconds
	suppressed int
	memory     int // megabytes
	judged     string
}

// measure publishes by the command.
func measure(t *testing.T, program, dir string, a *adult, target adultTarget) measured {
	t.Helper()
	for name, text := range a.files {
		write(t, dir, "h_"+name+".csv", []byte(text))
	}
	write(t, dir, "in.csv", a.data)
	policy := fmt.Sprintf("version: 1\nrelease: {k: %d, order: keep}\nattributes:\n", target.k)
	for _, name := range adultNames {
		kind, more := "quasi-identifier", fmt.Sprintf(", hierarchy: {file: h_%s.csv}", name)
		if name == "age" {
			more += ", type: numeric"
		}
		if wants, ok := target.confidential[name]; ok {
			kind, more = "confidential", fmt.Sprintf(", models: [{distinct-l: %g}]", wants[0].L)
			if wants[0].Kind == model.TCloseness {
				more = fmt.Sprintf(", models: [{t-closeness: %g}]", wants[0].T)
			}
		}
		policy += fmt.Sprintf("  %s: {class: %s%s}\n", name, kind, more)
	}
	write(t, dir, "p.yaml", []byte(policy))
	m := publishFile(t, program, dir)
	m.judged = judge(t, dir, target)
	return m
}

// judge has anon-score judge out.csv against in.csv; "-" without it.
func judge(t *testing.T, dir string, target adultTarget) string {
	t.Helper()
	tool, err := filepath.Abs("../../shared/tools/anon-score")
	if err != nil || !exists(tool) {
		return "-"
	}
	args := []string{"in.csv", "out.csv", "h_", fmt.Sprint(target.k)}
	for name := range target.confidential {
		args = append(args, "--sens", name)
	}
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("anon-score: %v", err)
	}
	var score struct{ LM float64 }
	if err := json.Unmarshal(out, &score); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%.4f", score.LM)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func write(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
		t.Fatal(err)
	}
}
