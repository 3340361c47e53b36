package oracle

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Script is a text file of sections:
//
//	# comment
//	[@session] kind [option ...]
//	[refused(SQLSTATE) under policy,policy: reason]
//	SQL
//	[$1 [type] = value]
//	[<<<
//	data of a COPY FROM STDIN]
//	----
//	what plain PostgreSQL answers
//	(an empty line)
//
// The kinds:
//
//	query      has no effects: run by the simple protocol (if it has no
//	           parameters), then by the extended one with text, then with binary results
//	exec       run once, by the simple protocol, or if it has parameters or the
//	           option extended by the extended one; must not fail
//	error      like exec, and must fail
//	async      like exec, without waiting for the end: it waits for a lock
//	await      the end of the session's async; has no SQL
//	copyin     exec of a COPY FROM STDIN; data=NAME: send what save=NAME kept
//	copyout    exec of a COPY TO STDOUT; save=NAME: keep the stream
//	pipeline   statements, each ended by a line ";" or by a line "sync", sent at once
//	connect    opens the session with user=NAME; disconnect closes it; neither has SQL
//
// Options: ordered (rows are a list), message (an error's text counts),
// notices (they count), extended, binary, limit=N (rows per Execute),
// plan=CLASS (the class that EXPLAIN tells under the policy equality).
//
// Sessions other than main open when they are first named, as user app. Names
// of tables must differ between the scripts: all run in one database.
type Script struct {
	Path     string
	Sections []*Section
	trailer  string
}

// A Section is one step of a script.
type Section struct {
	Line     int
	Session  string
	Kind     string
	Options  map[string]string
	Refusals []Refusal
	SQL      string
	Params   []Param
	Data     []byte
	Expected string
	Varied   bool // made by Vary: no file has it

	head string // all before "----", to be written back
}

// A Refusal says that Clarus documents not to carry out a statement.
type Refusal struct {
	Code     string
	Policies []string
	Reason   string
}

// A Param is one parameter's value in text; Null means there is none.
type Param struct {
	Type, Text string
	Null       bool
}

var (
	refusalLine = regexp.MustCompile(`^refused\(([0-9A-Z]{5})\) under ([a-z, ]+): (.+)$`)
	paramLine   = regexp.MustCompile(`^\$([0-9]+)(?: ([a-z_][a-z0-9_]*))? = (.*)$`)
)

var kinds = []string{"query", "exec", "error", "async", "await", "copyin", "copyout", "pipeline", "connect", "disconnect"}

var options = []string{"ordered", "message", "notices", "extended", "binary", "limit", "user", "save", "data", "plan"}

// ReadScript reads a script.
func ReadScript(path string) (*Script, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &Script{Path: path}
	lines := strings.SplitAfter(string(text), "\n")
	for at := 0; at < len(lines); {
		end := slices.Index(lines[at:], "----\n")
		if end < 0 {
			s.trailer = strings.Join(lines[at:], "")
			break
		}
		sec, err := parseSection(at, lines[at:at+end])
		if err != nil {
			return nil, fmt.Errorf("%s:%w", path, err)
		}
		for at += end + 1; at < len(lines) && strings.TrimSpace(lines[at]) != ""; at++ {
			sec.Expected += lines[at]
		}
		s.Sections = append(s.Sections, sec)
	}
	if text := uncommented(s.trailer); text != "" {
		return nil, fmt.Errorf("%s: %q has no ----", path, text)
	}
	return s, nil
}

func uncommented(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(l, "#") {
			b.WriteString(l)
		}
	}
	return strings.TrimSpace(b.String())
}

func parseSection(from int, lines []string) (*Section, error) {
	sec := &Section{Session: "main", Options: map[string]string{}, head: strings.Join(lines, "")}
	i := 0
	for i < len(lines) && (strings.TrimSpace(lines[i]) == "" || lines[i][0] == '#') {
		i++
	}
	sec.Line = from + i + 1
	if i == len(lines) {
		return nil, fmt.Errorf("%d: a section without a kind", sec.Line)
	}
	if err := sec.parseKind(strings.Fields(lines[i])); err != nil {
		return nil, fmt.Errorf("%d: %w", sec.Line, err)
	}
	for i++; i < len(lines); i++ {
		m := refusalLine.FindStringSubmatch(strings.TrimSpace(lines[i]))
		if m == nil {
			break
		}
		policies := strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
		sec.Refusals = append(sec.Refusals, Refusal{m[1], policies, m[3]})
	}
	if err := sec.parseBody(lines[i:]); err != nil {
		return nil, fmt.Errorf("%d: %w", sec.Line, err)
	}
	return sec, nil
}

func (sec *Section) parseKind(words []string) error {
	if name, ok := strings.CutPrefix(words[0], "@"); ok {
		sec.Session, words = name, words[1:]
	}
	if len(words) == 0 || !slices.Contains(kinds, words[0]) {
		return fmt.Errorf("kind of section is %v, not one of %v", words, kinds)
	}
	sec.Kind = words[0]
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		if !slices.Contains(options, name) {
			return fmt.Errorf("option %q is not one of %v", name, options)
		}
		sec.Options[name] = value
	}
	return nil
}

func (sec *Section) parseBody(lines []string) error {
	if i := slices.Index(lines, "<<<\n"); i >= 0 {
		sec.Data = []byte(strings.Join(lines[i+1:], ""))
		lines = lines[:i]
	}
	for sec.Kind != "pipeline" && len(lines) > 0 && paramLine.MatchString(chomp(lines[len(lines)-1])) {
		p, err := parseParam(chomp(lines[len(lines)-1]), 0)
		if err != nil {
			return err
		}
		sec.Params = slices.Insert(sec.Params, 0, p)
		lines = lines[:len(lines)-1]
	}
	sec.SQL = strings.TrimSuffix(strings.Join(lines, ""), "\n")
	return nil
}

func chomp(line string) string { return strings.TrimSuffix(line, "\n") }

// parseParam reads a parameter; number is the one expected, 0 for any.
func parseParam(line string, number int) (Param, error) {
	m := paramLine.FindStringSubmatch(line)
	if m == nil {
		return Param{}, fmt.Errorf("%q is not a parameter", line)
	}
	if n, _ := strconv.Atoi(m[1]); number != 0 && n != number {
		return Param{}, fmt.Errorf("%q stands where parameter %d is expected", line, number)
	}
	p := Param{Type: m[2], Text: m[3], Null: m[3] == "NULL"}
	if s, err := strconv.Unquote(p.Text); err == nil && strings.HasPrefix(p.Text, `"`) {
		p.Text = s
	}
	return p, nil
}

// A piece is one statement of a pipeline.
type piece struct {
	sql    string
	params []Param
	synced bool
}

// pieces takes a pipeline's statements apart.
func (sec *Section) pieces() ([]piece, error) {
	var list []piece
	var p piece
	for l := range strings.Lines(sec.SQL + "\n") {
		switch text := chomp(l); {
		case text == ";" || text == "sync":
			p.synced = text == "sync"
			p.sql = strings.TrimSpace(p.sql)
			list, p = append(list, p), piece{}
		case paramLine.MatchString(text):
			param, err := parseParam(text, len(p.params)+1)
			if err != nil {
				return nil, err
			}
			p.params = append(p.params, param)
		default:
			p.sql += l
		}
	}
	if strings.TrimSpace(p.sql) != "" {
		return nil, fmt.Errorf("pipeline: %q is not ended by a line \";\"", p.sql)
	}
	return list, nil
}

// Refused returns the refusal that applies under a policy, or nil.
func (sec *Section) Refused(policy string) *Refusal {
	for i, r := range sec.Refusals {
		if slices.Contains(r.Policies, policy) {
			return &sec.Refusals[i]
		}
	}
	return nil
}

// Write writes the script back, with the sections' Expected.
func (s *Script) Write() error {
	var b strings.Builder
	for _, sec := range s.Sections {
		if sec.Varied {
			continue
		}
		b.WriteString(strings.TrimSuffix(sec.head, "\n") + "\n----\n" + sec.Expected)
	}
	return os.WriteFile(s.Path, []byte(b.String()+s.trailer), 0o644)
}
