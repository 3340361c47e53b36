package dp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"sync"
	"syscall"
)

// A Rho is an amount of privacy loss in zero-concentrated differential privacy
// (zCDP, Bun and Steinke, TCC 2016), in billionths. It adds up over answers.
type Rho uint64

// One is a Rho of 1.
const One Rho = 1_000_000_000

func (r Rho) String() string { return fmt.Sprintf("%d.%09d", r/One, r%One) }

// OfGaussian is what a discrete Gaussian answer of this sensitivity and of
// sigma^2 = num/den costs, rounded up: sensitivity^2*den/(2*num).
func OfGaussian(sensitivity, num, den uint64) (Rho, error) {
	return cost(product(sensitivity, sensitivity, den), product(num))
}

// OfLaplace is what a discrete Laplace answer of this sensitivity and scale num/den
// costs, rounded up: epsilon^2/2 for epsilon = sensitivity*den/num.
func OfLaplace(sensitivity, num, den uint64) (Rho, error) {
	return cost(product(sensitivity, sensitivity, den, den), product(num, num))
}

func product(factors ...uint64) *big.Int {
	p := big.NewInt(1)
	for _, f := range factors {
		p.Mul(p, new(big.Int).SetUint64(f))
	}
	return p
}

// cost is above/(2*below) in billionths, rounded up.
func cost(above, below *big.Int) (Rho, error) {
	above.Mul(above, product(uint64(One)))
	below.Lsh(below, 1)
	if below.Sign() == 0 {
		return 0, errParameter
	}
	above.Add(above, below)
	above.Sub(above, big.NewInt(1))
	if above.Div(above, below); above.BitLen() > 62 {
		return 0, errors.New("dp: the answer costs more than any budget")
	}
	return Rho(above.Uint64()), nil
}

// Epsilon is the epsilon for which a loss of r gives (epsilon, delta)-differential
// privacy (Bun and Steinke, proposition 1.3).
func (r Rho) Epsilon(delta float64) float64 {
	x := float64(r) / float64(One)
	return x + 2*math.Sqrt(x*math.Log(1/delta))
}

// An Account is who asks about what, and what for.
type Account struct {
	User    string `json:"user"`
	Dataset string `json:"dataset"`
	Purpose string `json:"purpose"`
}

// ErrSpent: the answer would cost more than what is left.
var ErrSpent = errors.New("dp: the privacy budget is spent")

// A Ledger says what each account has spent, and remembers every answer: the same
// question gets the same answer at no cost, so that asking again averages nothing
// out. An answer is on the disk before it is given, so no crash gives one without
// its cost. One process at a time has the file.
type Ledger struct {
	mu      sync.Mutex
	file    *os.File
	spent   map[Account]Rho
	answers map[[32]byte]int64
	broken  error // of a write that failed: nothing more is answered
}

// A record is one line of the file.
type record struct {
	Account
	Question string `json:"question"` // SHA-256 of dataset and question
	Rho      Rho    `json:"rho"`
	Answer   int64  `json:"answer"`
}

// OpenLedger opens a ledger's file, or makes it. A last line that is not whole
// belongs to an answer that was not given, and is taken off.
func OpenLedger(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Ledger{file: f, spent: map[Account]Rho{}, answers: map[[32]byte]int64{}}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("dp: another process has the ledger %s: %w", path, err)
	}
	if err := l.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("dp: ledger %s: %w", path, err)
	}
	return l, nil
}

func (l *Ledger) read() error {
	text, err := io.ReadAll(l.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for i, line := range bytes.Split(text[:whole], []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		var r record
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		key, ok := [32]byte{}, false
		if err := d.Decode(&r); err == nil {
			b, err := hex.DecodeString(r.Question)
			ok = err == nil && copy(key[:], b) == len(key) && len(b) == len(key)
		}
		if !ok {
			return fmt.Errorf("line %d is damaged", i+1)
		}
		l.spent[r.Account] += r.Rho
		l.answers[key] = r.Answer
	}
	if whole < len(text) {
		if err := l.file.Truncate(int64(whole)); err != nil {
			return err
		}
	}
	if _, err := l.file.Seek(int64(whole), io.SeekStart); err != nil {
		return err
	}
	return l.file.Sync()
}

// Spent is what an account has spent.
func (l *Ledger) Spent(a Account) Rho {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spent[a]
}

// Answer returns the answer to a question about the account's dataset: the one
// that was given before, to whomever, or a new one, which draw makes. A new one
// costs r of the limit. The question must name everything that its true answer
// depends on, the state of the data too, in one form.
func (l *Ledger) Answer(a Account, question string, r, limit Rho, draw func() (int64, error)) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return 0, l.broken
	}
	key := digest(a.Dataset, question)
	if x, ok := l.answers[key]; ok {
		return x, nil
	}
	if spent := l.spent[a]; spent > limit || r > limit-spent {
		return 0, fmt.Errorf("%w: %s of %s are spent, this costs %s", ErrSpent, spent, limit, r)
	}
	x, err := draw()
	if err != nil {
		return 0, err
	}
	line, err := json.Marshal(record{a, hex.EncodeToString(key[:]), r, x})
	if err != nil {
		return 0, err
	}
	if _, err = l.file.Write(append(line, '\n')); err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		// What of it is on the disk is not known: opening anew finds out.
		l.broken = fmt.Errorf("dp: the ledger cannot be written: %w", err)
		return 0, l.broken
	}
	l.spent[a] += r
	l.answers[key] = x
	return x, nil
}

// digest is of length-prefixed parts.
func digest(parts ...string) [32]byte {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		io.WriteString(h, p)
	}
	return [32]byte(h.Sum(nil))
}

// Close gives the file back.
func (l *Ledger) Close() error { return l.file.Close() }
