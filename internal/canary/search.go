package canary

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A Set is a number of canaries, ready to be searched for in one pass: a
// shift table over two-byte blocks (Wu and Manber, "A fast algorithm for
// multi-pattern searching", 1994), so that most bytes are never looked at.
// It is safe for concurrent use.
type Set struct {
	size    int        // number of canaries
	window  int        // length of the shortest pattern
	longest int        // length of the longest pattern
	shift   []uint8    // by two-byte block: how far the window may move
	ending  [][]target // by two-byte block that ends the window; shift is 0
}

type target struct {
	form
	canary string
}

// A Hit says that a canary was found.
type Hit struct {
	Where  string // a path, or what the caller called the stream
	Offset int64
	Canary string
	Form   string // "raw", "hex", ...
}

func (h Hit) String() string {
	return fmt.Sprintf("%s at byte %d: %s (%s)", h.Where, h.Offset, h.Canary, h.Form)
}

// NewSet prepares a search. Besides canaries any text of at least eight bytes
// that is distinctive enough may be searched for.
func NewSet(canaries []string) (*Set, error) {
	s := &Set{size: len(canaries), window: 1 << 30, shift: make([]uint8, 1<<16), ending: make([][]target, 1<<16)}
	var all []target
	for _, c := range canaries {
		if len(c) < 8 {
			return nil, fmt.Errorf("%q is too short to search for", c)
		}
		for _, f := range forms(c) {
			all = append(all, target{f, c})
			s.window, s.longest = min(s.window, len(f.pattern)), max(s.longest, len(f.pattern))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no canary to search for")
	}
	s.window = min(s.window, 255)
	for i := range s.shift {
		s.shift[i] = uint8(s.window - 1)
	}
	for _, p := range all {
		for i := 0; i+2 <= s.window; i++ {
			b := block(p.pattern[i:])
			s.shift[b] = min(s.shift[b], uint8(s.window-2-i))
		}
		last := block(p.pattern[s.window-2:])
		s.ending[last] = append(s.ending[last], p)
	}
	return s, nil
}

// Len is the number of canaries in the set.
func (s *Set) Len() int { return s.size }

func block(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }

// Bytes returns the hits in b, the first of each canary and form.
func (s *Set) Bytes(where string, b []byte) []Hit {
	f := finder{set: s, where: where}
	f.scan(b, 0)
	return f.hits
}

// Reader returns the hits in a stream, the first of each canary and form.
func (s *Set) Reader(where string, r io.Reader) ([]Hit, error) {
	f := finder{set: s, where: where}
	buf, kept, offset := make([]byte, 1<<20), 0, int64(0)
	for {
		n, err := io.ReadFull(r, buf[kept:])
		f.scan(buf[:kept+n], offset)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return f.hits, nil
		}
		if err != nil {
			return f.hits, err
		}
		total := kept + n
		kept = min(total, s.longest-1)
		copy(buf, buf[total-kept:total])
		offset += int64(total - kept)
	}
}

// File returns the hits in one file.
func (s *Set) File(path string) ([]Hit, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return s.Reader(path, f)
}

// Tree returns the hits in every regular file below dir, and in the names of
// files, and the number of bytes that were read. A file that vanishes
// meanwhile is passed over: a running server removes some.
func (s *Set) Tree(dir string) (hits []Hit, size int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil
		}
		if err != nil {
			return err
		}
		hits = append(hits, s.Bytes("name of "+path, []byte(d.Name()))...)
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		found, err := s.File(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		size += info.Size()
		hits = append(hits, found...)
		return err
	})
	return hits, size, err
}

// A finder collects the hits of one stream.
type finder struct {
	set   *Set
	where string
	hits  []Hit
}

func (f *finder) scan(b []byte, offset int64) {
	s := f.set
	for end := s.window; end <= len(b); {
		last := block(b[end-2:])
		if n := s.shift[last]; n > 0 {
			end += int(n)
			continue
		}
		start := end - s.window
		for _, p := range s.ending[last] {
			if bytes.HasPrefix(b[start:], p.pattern) {
				f.add(Hit{f.where, offset + int64(start), p.canary, p.name})
			}
		}
		end++
	}
}

func (f *finder) add(h Hit) {
	known := slices.ContainsFunc(f.hits, func(o Hit) bool { return o.Canary == h.Canary && o.Form == h.Form })
	if !known {
		f.hits = append(f.hits, h)
	}
}
