package jsonl

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

// Verify walks the chain of a log and names the first bad line (kind
// Integrity). Of a rotated log give all files, oldest first: each must go on
// where the one before ended. It does not see lines cut off the end: compare
// HeadOf with a Head kept elsewhere.
func Verify(paths ...string) error {
	_, err := HeadOf(paths...)
	return err
}

// HeadOf verifies like Verify and returns the end of the log.
func HeadOf(paths ...string) (Head, error) {
	var head Head
	for i, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return Head{}, pathError(path, err)
		}
		w := walker{r: f, head: head, bound: i > 0}
		err = w.all(func(*line) error { return nil })
		f.Close()
		if err != nil {
			return Head{}, altered(path, err)
		}
		head = w.head
	}
	return head, nil
}

// Files lists the files of the log at path, oldest first and path itself last:
// what Verify wants. A file that a crash left under two names is listed once.
// With a gap between them, Verify says where.
func Files(path string) ([]string, error) {
	names, err := filepath.Glob(globEscape(path) + ".*")
	if err != nil {
		return nil, pathError(path, err)
	}
	numbers := map[string]uint64{}
	var all []string
	for _, name := range names {
		n, err := strconv.ParseUint(name[len(path)+1:], 10, 64)
		if err == nil && !sameFile(name, path) {
			numbers[name] = n
			all = append(all, name)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(numbers[a], numbers[b]) })
	return append(all, path), nil
}

// Events reads the events of one file in order, verifying the chain on the
// way. The first bad line ends it with an error of kind Integrity; so does the
// line being written, if a sink has the file open.
func Events(path string) iter.Seq2[audit.Event, error] {
	return func(yield func(audit.Event, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(audit.Event{}, pathError(path, err))
			return
		}
		defer f.Close()
		w := walker{r: f}
		err = w.all(func(l *line) error {
			if l.Event != nil && !yield(*l.Event, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(audit.Event{}, altered(path, err))
		}
	}
}

var errStop = errors.New("the reader has had enough")

// altered is the error for a file that breaks the chain.
func altered(path string, err error) error {
	var bad *badLine
	if !errors.As(err, &bad) {
		return pathError(path, err)
	}
	return &clarus.Error{
		Op: "audit", Attr: path, Kind: clarus.Integrity, Msg: bad.Error(),
		Hint: "the file is left as it is; keep it as evidence, and start a new log by moving it away", Err: bad.why,
	}
}

// A badLine says where the chain breaks first.
type badLine struct {
	number int64 // in the file, from 1
	why    error
}

func (b *badLine) Error() string { return fmt.Sprintf("line %d is bad", b.number) }
func (b *badLine) Unwrap() error { return b.why }

// A walker reads a file line by line and holds the chain's rules.
type walker struct {
	r      io.Reader
	head   Head  // of the last good line
	bound  bool  // the first line must follow head
	offset int64 // behind the last good line
	number int64 // of the last good line in this file
}

// all calls each for every good line. Its error is a *badLine for the first
// that is not, else one of reading or of each.
func (w *walker) all(each func(*line) error) error {
	r := bufio.NewReaderSize(w.r, 64<<10)
	for {
		b, err := readLine(r)
		if err == io.EOF && w.number > 0 {
			return nil
		}
		var l *line
		switch {
		case err == io.EOF:
			err = w.bad(errors.New("the file is empty"))
		case errors.Is(err, errLong) || errors.Is(err, io.ErrUnexpectedEOF):
			err = w.bad(err)
		case err == nil:
			l, err = w.next(b)
		}
		if err == nil {
			err = each(l)
		}
		if err != nil {
			return err
		}
	}
}

// next checks one line against the chain and stands behind it.
func (w *walker) next(b []byte) (*line, error) {
	l, err := parseLine(b)
	if err != nil {
		return nil, w.bad(err)
	}
	first := w.number == 0
	if first && l.Start != nil && !w.bound {
		if l.Seq == 0 || (l.Seq == 1) != (l.Prev == Hash{}) {
			return nil, w.bad(errors.New("only the very first line of a log has number 1 and follows nothing"))
		}
		w.head = Head{l.Seq - 1, l.Prev}
	}
	switch {
	case first != (l.Start != nil):
		return nil, w.bad(errors.New("a file begins with its start line and has no other"))
	case first && l.Start.Format != Format:
		return nil, w.bad(errors.New("the format is not " + Format))
	case l.Seq != w.head.Seq+1:
		return nil, w.bad(fmt.Errorf("its number is %d and should be %d", l.Seq, w.head.Seq+1))
	case l.Prev != w.head.Hash:
		return nil, w.bad(errors.New("it does not hold the hash of the line before"))
	}
	w.head = Head{l.Seq, sha256.Sum256(b)}
	w.offset += int64(len(b)) + 1
	w.number++
	return l, nil
}

func (w *walker) bad(why error) error { return &badLine{w.number + 1, why} }

var errLong = errors.New("it is longer than a line can be")

// readLine returns the next line without its line break: io.EOF at the end,
// io.ErrUnexpectedEOF where the last line break is missing.
func readLine(r *bufio.Reader) ([]byte, error) {
	var b []byte
	for {
		part, err := r.ReadSlice('\n')
		b = append(b, part...)
		switch {
		case len(b) > maxLine+1:
			return nil, errLong
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(b) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		return b[:len(b)-1], nil
	}
}
