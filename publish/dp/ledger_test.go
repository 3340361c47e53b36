package dp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The test binary spends until it is killed where this names a ledger.
const spender = "CLARUS_TEST_SPENDER"

func TestMain(m *testing.M) {
	if path := os.Getenv(spender); path != "" {
		l, err := OpenLedger(path)
		for i := 0; err == nil; i++ {
			if _, err = answer(l, Account{User: "u"}, fmt.Sprint("child ", l.Spent(Account{User: "u"}), i), Loss{Rho: 3}, upTo(math.MaxUint64/2), fixed(i)); err == nil {
				fmt.Println(uint64(l.Spent(Account{User: "u"}).Rho))
			}
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string) *Ledger {
	t.Helper()
	l, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func fixed(x int) func() (json.RawMessage, error) {
	return func() (json.RawMessage, error) { return json.Marshal(x) }
}

// answer pays for a question and answers it.
func answer(l *Ledger, a Account, question string, cost Loss, limit Limit, draw func() (json.RawMessage, error)) (json.RawMessage, error) {
	if x, ok := l.Recall(a.Dataset, question); ok {
		return x, nil
	}
	if _, err := l.Pay(a, question, cost, limit); err != nil {
		return nil, err
	}
	x, err := draw()
	if err != nil {
		return nil, err
	}
	return l.Answer(a, question, x)
}

func upTo(r Rho) Limit { return Limit{Account: Loss{Rho: r}} }

func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	ann, bob := Account{"ann", "patients", "study"}, Account{"bob", "patients", "study"}
	ask := func(a Account, question string, r Rho, x int) (n int, err error) {
		told, err := answer(l, a, question, Loss{Rho: r}, upTo(One), fixed(x))
		if err == nil {
			err = json.Unmarshal(told, &n)
		}
		return n, err
	}
	if x, err := ask(ann, "how many?", One/2, 41); x != 41 || err != nil {
		t.Fatal(x, err)
	}
	// Asked again, by whomever: the same answer, at no cost.
	for _, a := range []Account{ann, bob} {
		if x, err := ask(a, "how many?", One/2, 99); x != 41 || err != nil {
			t.Error(x, err)
		}
	}
	if l.Spent(ann).Rho != One/2 || l.Spent(bob) != (Loss{}) {
		t.Error(l.Spent(ann), l.Spent(bob))
	}
	if x, err := ask(Account{"ann", "doctors", "study"}, "how many?", One/2, 7); x != 7 || err != nil {
		t.Error("another dataset is another question", x, err)
	}
	if _, err := ask(ann, "split", One/2+1, 1); !errors.Is(err, ErrSpent) || err.Error() != "the privacy budget is spent: of rho 1.000000000 are left rho 0.500000000, this costs rho 0.500000001" {
		t.Error(err)
	}
	if _, err := ask(ann, "rest", One/2, 1); err != nil {
		t.Error("all of the budget may be spent:", err)
	}
	if _, err := ask(ann, "more", 1, 1); !errors.Is(err, ErrSpent) {
		t.Error(err)
	}
	if _, err := OpenLedger(path); err == nil {
		t.Error("two have the file")
	}
	l.Close()
	l = open(t, path)
	if x, err := ask(bob, "how many?", One, 5); x != 41 || err != nil || l.Spent(ann).Rho != One {
		t.Error("forgotten:", x, err, l.Spent(ann))
	}
}

// TestLimits: delta is limited as rho is, and a dataset as an account is.
func TestLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	total := Loss{Rho: 5, Delta: 5}
	ask := func(user, question string, cost Loss) error {
		_, err := answer(l, Account{user, "patients", "study"}, question, cost, Limit{Loss{3, 3}, &total}, fixed(1))
		return err
	}
	if err := ask("ann", "a", Loss{1, 3}); err != nil {
		t.Fatal(err)
	}
	if err := ask("ann", "b", Loss{1, 1}); !errors.Is(err, ErrSpent) {
		t.Error("more delta than there is:", err)
	}
	if err := ask("bob", "c", Loss{3, 2}); err != nil {
		t.Error(err)
	}
	if left := l.Left(Account{"ann", "patients", "study"}, Limit{Loss{3, 3}, &total}); left != (Loss{1, 0}) {
		t.Error("left:", left)
	}
	for name, want := range map[string]Loss{path: {1, 3}, path + "none": {}} { // while this process has it
		if spent, err := ReadLedger(name); err != nil || spent[Account{"ann", "patients", "study"}] != want {
			t.Error(spent, err)
		}
	}
	if _, err := l.Pay(Account{"cid", "patients", "study"}, "d", Loss{Rho: 2}, Limit{Loss{3, 3}, &total}); !errors.Is(err, ErrSpent) || !strings.Contains(err.Error(), "for the dataset") {
		t.Error(err)
	}
	l.Close()
	l = open(t, path)
	if err := ask("cid", "d", Loss{Rho: 2}); !errors.Is(err, ErrSpent) {
		t.Error("the dataset's spending is forgotten:", err)
	}
	if err := ask("cid", "e", Loss{Rho: 1}); err != nil {
		t.Error("all of it may be spent:", err)
	}
	if _, ok := l.Recall("patients", "e"); !ok {
		t.Error("forgotten")
	}
	if _, ok := l.Recall("doctors", "e"); ok {
		t.Error("another dataset's answer")
	}
}

// TestMended: after a write that failed half-way, nothing is answered before the
// rest of it is off the disk, and no later line is spoilt by it.
func TestMended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	ask := func(question string) error {
		_, err := answer(l, Account{User: "ann"}, question, Loss{Rho: 5}, upTo(100), fixed(1))
		return err
	}
	if err := ask("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.file.WriteString(`{"user":"ann","quest`); err != nil { // as a full disk would have it
		t.Fatal(err)
	}
	l.torn = true
	if err := ask("b"); err != nil {
		t.Fatal(err)
	}
	file := l.file
	l.file = nil // every write fails
	if err := ask("c"); err == nil || !l.torn {
		t.Error("answered without a ledger", err)
	}
	l.file = file
	if err := ask("d"); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if l = open(t, path); l.Spent(Account{User: "ann"}).Rho != 15 {
		t.Error(l.Spent(Account{User: "ann"}))
	}
}

// TestConcurrent: however questions come, what is spent stays within the limit.
func TestConcurrent(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	a := Account{User: "ann"}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				_, err := answer(l, a, fmt.Sprint(i, j), Loss{Rho: 7}, upTo(100), fixed(1))
				if err != nil && !errors.Is(err, ErrSpent) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := l.Spent(a).Rho; got != 98 {
		t.Errorf("spent %d", uint64(got))
	}
}

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	if _, err := l.Pay(Account{User: "ann"}, "q", Loss{Rho: 5}, upTo(10)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// An unfinished last line is of an answer that nobody got.
	for cut := range len(good) {
		if err := os.WriteFile(path, append(append([]byte(nil), good...), good[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLedger(path)
		if err != nil || l.Spent(Account{User: "ann"}).Rho != 5 {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		l.Close()
	}
	for _, bad := range []string{"nonsense\n", strings.Replace(string(good), "rho", "roh", 1), strings.Replace(string(good), `"question":"`, `"question":"00`, 1)} {
		if err := os.WriteFile(path, []byte(bad+string(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLedger(path); err == nil || !strings.Contains(err.Error(), "line 1 is damaged") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestPaid: what is paid for and not answered, because something failed, is answered
// later at no cost; nothing is answered that is not paid for, and one answer counts.
func TestPaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	ann, bob := Account{"ann", "patients", "study"}, Account{"bob", "patients", "study"}
	if _, err := l.Answer(ann, "q", json.RawMessage("1")); err == nil {
		t.Error("answered, and not paid for")
	}
	bad := errors.New("no rows")
	if _, err := answer(l, ann, "q", Loss{Rho: 5}, upTo(5), func() (json.RawMessage, error) { return nil, bad }); !errors.Is(err, bad) || l.Spent(ann).Rho != 5 {
		t.Error(err, l.Spent(ann))
	}
	l.Close()
	l = open(t, path)
	for _, a := range []Account{ann, bob} {
		if paid, err := l.Pay(a, "q", Loss{Rho: 5}, upTo(5)); paid || err != nil {
			t.Error("paid for twice", err)
		}
	}
	for i, a := range []Account{bob, ann} {
		if x, err := l.Answer(a, "q", json.RawMessage(fmt.Sprint(7+i))); string(x) != "7" || err != nil {
			t.Error(string(x), err)
		}
	}
	if l.Spent(ann).Rho != 5 || l.Spent(bob) != (Loss{}) {
		t.Error(l.Spent(ann), l.Spent(bob))
	}
}

// TestKilled: whatever was told to have been spent before kill -9 is spent after it.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	last := Rho(0)
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), spender+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(out)
		for i := 0; i < 5+7*round && s.Scan(); i++ {
			var x uint64
			if _, err := fmt.Sscan(s.Text(), &x); err != nil {
				t.Fatal(err)
			}
			last = Rho(x)
		}
		cmd.Process.Kill()
		for s.Scan() { // told before it died
			var x uint64
			if n, _ := fmt.Sscan(s.Text(), &x); n == 1 {
				last = max(last, Rho(x))
			}
		}
		cmd.Wait() // killed: its error says nothing
		l, err := OpenLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		got := l.Spent(Account{User: "u"}).Rho
		l.Close()
		if got < last || got > last+3 || last == 0 {
			t.Fatalf("round %d: %d are spent, %d were told", round, uint64(got), uint64(last))
		}
	}
}

func TestCosts(t *testing.T) {
	for _, test := range []struct {
		got  func() (Rho, error)
		want Rho
	}{
		{func() (Rho, error) { return OfGaussian(1, 50, 1) }, One / 100},
		{func() (Rho, error) { return OfGaussian(3, 9, 2) }, One},
		{func() (Rho, error) { return OfLaplace(1, 2, 1) }, One / 8},
		{func() (Rho, error) { return OfGaussian(1, 3, 1) }, 166_666_667}, // rounded up
	} {
		got, err := test.got()
		if err != nil || got != test.want {
			t.Errorf("%s, want %s, %v", got, test.want, err)
		}
	}
	if _, err := OfLaplace(1<<40, 1, 1<<40); err == nil {
		t.Error("an endless cost is told")
	}
	if e := Rho(One / 2).Epsilon(1e-6); math.Abs(e-(0.5+2*math.Sqrt(0.5*math.Log(1e6)))) > 1e-9 {
		t.Error(e)
	}
}
