package pgserver

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// A tail passes a server's log on and keeps its last lines for error messages.
type tail struct {
	mu    sync.Mutex
	next  io.Writer // nil: none
	lines []string  // the last complete lines, oldest first
	part  []byte    // the line that is not complete yet
}

const (
	tailLines = 12
	tailWidth = 400 // bytes of a line that are kept
)

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, complete := bytes.Cut(rest, []byte{'\n'})
		t.part = append(t.part, line[:min(len(line), max(0, tailWidth-len(t.part)))]...)
		if complete {
			t.lines = append(t.lines, string(t.part))
			t.lines = t.lines[max(0, len(t.lines)-tailLines):]
			t.part = t.part[:0]
		}
		rest = after
	}
	if t.next != nil {
		_, _ = t.next.Write(p) // a log that cannot be written must not stop the server
	}
	return len(p), nil
}

// String returns the last lines, joined by "; ".
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	if len(t.part) > 0 {
		lines = append(lines[:len(lines):len(lines)], string(t.part))
	}
	return strings.Join(lines, "; ")
}

// forget drops the lines, so that a later error does not quote an earlier run.
func (t *tail) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines, t.part = nil, nil
}
