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
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// An Account is who asks about what, and what for.
type Account struct {
	User    string `json:"user"`
	Dataset string `json:"dataset"`
	Purpose string `json:"purpose"`
}

// ErrSpent: the answer would cost more than what is left.
var ErrSpent = errors.New("the privacy budget is spent")

// A Limit bounds what is spent: of one account, and of its dataset by all accounts
// together, where that is bounded too.
type Limit struct {
	Account Loss
	Dataset *Loss
}

// A Ledger says what each account has spent, and remembers every answer: the same
// question gets the same answer at no cost, so that asking again averages nothing
// out. A question is paid for, on the disk, before its rows are looked at, so neither
// a crash nor giving up tells anything for less; and an answer is on the disk before
// it is given. One process at a time has the file.
type Ledger struct {
	mu      sync.Mutex
	file    *os.File
	size    int64 // of what is known to be on the disk
	torn    bool  // a write failed: more than size may be there
	spent   map[Account]Loss
	total   map[string]Loss   // by dataset
	paid    map[[32]byte]bool // questions
	answers map[[32]byte]json.RawMessage
}

// A record is one line of the file: a payment, or an answer.
type record struct {
	Account
	Question string `json:"question"` // SHA-256 of dataset and question
	Loss
	Answer json.RawMessage `json:"answer,omitempty"`
}

// OpenLedger opens a ledger's file, or makes it. A last line that is not whole
// belongs to an answer that was not given, and is taken off.
func OpenLedger(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := newLedger(f)
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("dp: another process has the ledger %s: %w", path, err)
	}
	err = l.read()
	if err == nil {
		err = l.mend()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path)) // a new file's name
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("dp: ledger %s: %w", path, err)
	}
	return l, nil
}

func newLedger(f *os.File) *Ledger {
	return &Ledger{file: f, spent: map[Account]Loss{}, total: map[string]Loss{}, paid: map[[32]byte]bool{}, answers: map[[32]byte]json.RawMessage{}}
}

// ReadLedger tells what is spent by a ledger's file, which another process may have.
// A file that is not there has nothing.
func ReadLedger(path string) (map[Account]Loss, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	l := newLedger(f)
	if err := l.read(); err != nil {
		return nil, fmt.Errorf("dp: ledger %s: %w", path, err)
	}
	return l.spent, nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
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
			ok = err == nil && copy(key[:], b) == len(key) && len(b) == len(key) && (r.Answer != nil) == (r.Loss == Loss{})
		}
		if !ok {
			return fmt.Errorf("line %d is damaged", i+1)
		}
		l.add(r, key)
	}
	l.size = int64(whole)
	return nil
}

// mend takes off what is behind the last whole line.
func (l *Ledger) mend() error {
	if err := l.file.Truncate(l.size); err != nil {
		return err
	}
	if _, err := l.file.Seek(l.size, io.SeekStart); err != nil {
		return err
	}
	return l.file.Sync()
}

func (l *Ledger) add(r record, key [32]byte) {
	l.spent[r.Account] = l.spent[r.Account].plus(r.Loss)
	l.total[r.Dataset] = l.total[r.Dataset].plus(r.Loss)
	l.paid[key] = true
	if r.Answer != nil {
		l.answers[key] = r.Answer
	}
}

// Spent is what an account has spent.
func (l *Ledger) Spent(a Account) Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spent[a]
}

// Left is what an account may spend yet, and its dataset.
func (l *Ledger) Left(a Account, limit Limit) Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := limit.Account.left(l.spent[a])
	if limit.Dataset != nil {
		all := limit.Dataset.left(l.total[a.Dataset])
		left = Loss{min(left.Rho, all.Rho), min(left.Delta, all.Delta)}
	}
	return left
}

// Recall returns the answer that was given to a question about a dataset.
func (l *Ledger) Recall(dataset, question string) (json.RawMessage, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x, ok := l.answers[digest(dataset, question)]
	return x, ok
}

// Pay has an account pay for a question about its dataset. It is ErrSpent if that
// costs more than is left, and paid is false if the question was paid for before, by
// whomever. The question must name everything that its true answer depends on, in one
// form.
func (l *Ledger) Pay(a Account, question string, cost Loss, limit Limit) (paid bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := digest(a.Dataset, question)
	if l.paid[key] {
		return false, nil
	}
	if err := l.afford(a, cost, limit); err != nil {
		return false, err
	}
	if cost == (Loss{}) {
		return false, errParameter
	}
	return true, l.append(record{Account: a, Question: hex.EncodeToString(key[:]), Loss: cost}, key)
}

func (l *Ledger) afford(a Account, cost Loss, limit Limit) error {
	if left := limit.Account.left(l.spent[a]); !left.covers(cost) {
		return fmt.Errorf("%w: of %s are left %s, this costs %s", ErrSpent, limit.Account, left, cost)
	}
	if limit.Dataset == nil {
		return nil
	}
	if left := limit.Dataset.left(l.total[a.Dataset]); !left.covers(cost) {
		return fmt.Errorf("%w: of %s for the dataset are left %s, this costs %s", ErrSpent, *limit.Dataset, left, cost)
	}
	return nil
}

// Answer keeps the answer to a question that is paid for, and returns it; or the one
// that another was given meanwhile.
func (l *Ledger) Answer(a Account, question string, answer json.RawMessage) (json.RawMessage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := digest(a.Dataset, question)
	switch x, ok := l.answers[key]; {
	case ok:
		return x, nil
	case !l.paid[key] || answer == nil:
		return nil, wrong("an answer that is not paid for, or is none")
	}
	return answer, l.append(record{Account: a, Question: hex.EncodeToString(key[:]), Answer: answer}, key)
}

// append makes a record durable.
func (l *Ledger) append(r record, key [32]byte) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if l.torn {
		// What was written then is of what nobody was told.
		if err := l.mend(); err != nil {
			return fmt.Errorf("dp: the ledger cannot be written: %w", err)
		}
		l.torn = false
	}
	line = append(line, '\n')
	if _, err = l.file.Write(line); err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.torn = true
		return fmt.Errorf("dp: the ledger cannot be written: %w", err)
	}
	l.size += int64(len(line))
	l.add(r, key)
	return nil
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
