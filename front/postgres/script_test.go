package postgres

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/clarus-project/clarus/pgwire"
)

var update = flag.Bool("update", false, "write what the server answers into testdata")

// TestScripts plays testdata/*.txt. A case is a title ("== …"), what the client
// sends in one write, "----", and what the server answers up to the end of the
// connection, which the client half-closes; then, as "call …", what the session was asked.
func TestScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	h := start(t, func(o *Options) { o.MaxMessage = 1 << 20 })
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		intro, rest, _ := strings.Cut(string(text), "\n== ")
		out := intro
		for block := range strings.SplitSeq(rest, "\n== ") {
			title, body, _ := strings.Cut(block, "\n")
			sends, want, _ := strings.Cut(body, "----\n")
			t.Run(title, func(t *testing.T) {
				h := &harness{t: t, server: h.server, addr: h.addr, log: h.log, opened: h.opened}
				got := h.play(sends, false)
				if split := h.play(sends, true); split != got {
					t.Errorf("split into bytes the answer differs:\n%s\nwant\n%s", split, got)
				}
				if !*update && strings.TrimSpace(got) != strings.TrimSpace(want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				out += "\n== " + title + "\n" + sends + "----\n" + got
			})
		}
		if *update {
			if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// play sends lines and returns the transcript of the answer.
func (h *harness) play(lines string, split bool) string {
	h.t.Helper()
	nc, session := h.raw()
	bytes := encodeScript(h.t, lines)
	if split {
		for _, b := range bytes {
			if _, err := nc.Write([]byte{b}); err != nil {
				break // the server has ended the connection already
			}
		}
	} else if _, err := nc.Write(bytes); err != nil {
		h.t.Fatal(err)
	}
	_ = nc.CloseWrite()
	var out strings.Builder
	for r := pgwire.NewReader(nc, 1<<20); ; {
		f, err := r.Next()
		if err == io.EOF || errors.Is(err, syscall.ECONNRESET) && strings.Contains(lines, "Terminate") {
			break
		}
		if err != nil {
			h.t.Fatalf("after\n%s: %v", out.String(), err)
		}
		out.WriteString(transcribe(h.t, f) + "\n")
	}
	var calls []string
	eventually(h.t, "session closed", func() bool {
		calls = session.noted()
		return len(calls) > 0 && calls[len(calls)-1] == "Close"
	})
	for _, call := range calls {
		out.WriteString("call " + call + "\n")
	}
	return out.String()
}

// words splits a line; quoted words are in Go's syntax.
func words(t *testing.T, line string) (list []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		word, _, _ := strings.Cut(line, " ")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			word, line = quoted, line[len(quoted):]
			word, _ = strconv.Unquote(word)
		} else {
			line = line[len(word):]
		}
		list = append(list, word)
	}
	return list
}

func encodeScript(t *testing.T, lines string) []byte {
	var out strings.Builder
	w := pgwire.NewWriter(&out)
	for line := range strings.Lines(lines) {
		word := append(words(t, line), "", "", "")
		if word[0] == "" {
			continue
		}
		encodeMessage(t, w, word[0], word[1:len(word)-3], word[1:])
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return []byte(out.String())
}

// encodeMessage writes one message; args are its words, arg the same with
// empty ones behind.
func encodeMessage(t *testing.T, w *pgwire.Writer, verb string, args, arg []string) {
	switch verb {
	case "Query":
		w.Begin('Q').String(arg[0]).End()
	case "Parse":
		w.Begin('P').String(arg[0]).String(arg[1]).Int16(0).End()
	case "Bind": // portal, statement, parameters as text
		w.Begin('B').String(arg[0]).String(arg[1]).Int16(0).Int16(len(args) - 2)
		for _, v := range args[2:] {
			w.Datum([]byte(v))
		}
		w.Int16(0).End()
	case "BindFormats": // portal, statement, one format for each of no parameters
		w.Begin('B').String(arg[0]).String(arg[1]).Int16(len(args) - 2)
		for _, v := range args[2:] {
			n, _ := strconv.Atoi(v)
			w.Int16(n)
		}
		w.Int16(0).Int16(0).End()
	case "Describe", "Close":
		w.Begin(map[string]byte{"Describe": 'D', "Close": 'C'}[verb]).Byte(arg[0][0]).String(arg[1]).End()
	case "Execute":
		n, _ := strconv.Atoi(arg[1])
		w.Begin('E').String(arg[0]).Int32(n).End()
	case "Sync", "Flush", "Terminate", "CopyDone":
		w.Empty(map[string]byte{"Sync": 'S', "Flush": 'H', "Terminate": 'X', "CopyDone": 'c'}[verb])
	case "CopyData":
		w.Begin('d').Bytes([]byte(arg[0])).End()
	case "CopyFail":
		w.Begin('f').String(arg[0]).End()
	case "Message": // type, body in hexadecimal
		b, err := hex.DecodeString(arg[1])
		if err != nil {
			t.Fatal(err)
		}
		w.Begin(arg[0][0]).Bytes(b).End()
	case "Raw":
		b, err := hex.DecodeString(strings.Join(args, ""))
		if err != nil {
			t.Fatal(err)
		}
		w.Bytes(b)
	default:
		t.Fatalf("unknown message %q", verb)
	}
}

// names are the messages without a body worth showing.
var names = map[byte]string{'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 'I': "EmptyQueryResponse",
	'n': "NoData", 's': "PortalSuspended", 'c': "CopyDone", 'G': "CopyInResponse", 'H': "CopyOutResponse"}

func transcribe(t *testing.T, f pgwire.Frame) string {
	switch f.Type {
	case 'T':
		fields, err := pgwire.Fields(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("RowDescription (%d columns)", len(fields))
	case 't':
		oids, err := pgwire.OIDs(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("ParameterDescription %d", oids)
	case 'D':
		row, err := pgwire.Row(f.Body, nil)
		if err != nil {
			t.Fatal(err)
		}
		cells := make([]string, len(row))
		for i, v := range row {
			if cells[i] = strconv.Quote(string(v)); v == nil {
				cells[i] = "NULL"
			}
		}
		return "DataRow " + strings.Join(cells, " ")
	case 'C':
		return fmt.Sprintf("CommandComplete %q", f.Body[:len(f.Body)-1])
	case 'd':
		return fmt.Sprintf("CopyData %q", f.Body)
	case 'Z':
		return "ReadyForQuery " + string(f.Body)
	case 'E', 'N':
		e, err := pgwire.DecodeError(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		s := fmt.Sprintf("%s %s %q", e.Severity, e.Code, e.Message)
		if e.Hint != "" {
			s += fmt.Sprintf(" hint %q", e.Hint)
		}
		if e.Position > 0 {
			s += fmt.Sprintf(" position %d", e.Position)
		}
		return s
	}
	if name := names[f.Type]; name != "" {
		return name
	}
	t.Fatalf("the server sent message %q", f.Type)
	return ""
}
