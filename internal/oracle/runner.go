package oracle

import (
	"context"
	"fmt"
	"time"
)

// An Answer is what a server said to a section, in one way of asking.
type Answer struct {
	Mode string // "simple", "extended", "binary", ...
	Text string
}

// A Reply is a section's answers, one for each way of asking.
type Reply []Answer

// waiting is the answer of an async statement that is not done in a while.
const waiting = "(waits)\n"

// while is how long an async statement is given to show that it does not wait.
const while = 300 * time.Millisecond

// A runner runs one script on one server.
type runner struct {
	ctx      context.Context
	target   *Target
	types    *naming
	encode   *encoder
	sessions map[string]*Session
	pending  map[string]chan Answer
	saved    map[string][]byte
}

// Run runs a script and returns a reply for every section. The error is one
// of the harness; what a server does wrong is in the replies.
func (w *World) Run(ctx context.Context, s *Script, t *Target) ([]Reply, error) {
	enc, err := Open(ctx, w.Plain.As("app"))
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	r := &runner{ctx: ctx, target: t, types: newNaming(ctx, t, w.types), encode: &encoder{enc, map[string][]byte{}},
		sessions: map[string]*Session{}, pending: map[string]chan Answer{}, saved: map[string][]byte{}}
	defer r.close()
	var replies []Reply
	for _, sec := range s.Sections {
		reply, err := r.section(sec)
		if err != nil {
			return replies, fmt.Errorf("%s:%d: %w", s.Path, sec.Line, err)
		}
		replies = append(replies, reply)
	}
	for name := range r.pending {
		return replies, fmt.Errorf("%s: session %s has an async without an await", s.Path, name)
	}
	return replies, nil
}

func (r *runner) close() {
	for _, s := range r.sessions {
		_ = s.Close()
	}
}

// session returns a session by name, and opens it.
func (r *runner) session(name, user string) (*Session, error) {
	if s := r.sessions[name]; s != nil {
		return s, nil
	}
	s, err := Open(r.ctx, r.target.As(user))
	if err == nil {
		r.sessions[name] = s
	}
	return s, err
}

func (r *runner) section(sec *Section) (Reply, error) {
	if ch := r.pending[sec.Session]; (ch != nil) != (sec.Kind == "await") {
		return nil, fmt.Errorf("an await must follow an async, and nothing else: %s", sec.Session)
	}
	switch sec.Kind {
	case "await":
		a := <-r.pending[sec.Session]
		delete(r.pending, sec.Session)
		return Reply{a}, nil
	case "disconnect":
		if s := r.sessions[sec.Session]; s != nil {
			_ = s.Close()
		}
		delete(r.sessions, sec.Session)
		return Reply{{"disconnect", ""}}, nil
	}
	user := sec.Options["user"]
	if user == "" {
		user = "app"
	}
	s, err := r.session(sec.Session, user)
	if err != nil {
		return Reply{{"connect", "cannot connect: " + err.Error() + "\n"}}, nil
	}
	switch sec.Kind {
	case "connect":
		return Reply{{"connect", ""}}, nil
	case "query":
		return r.query(s, sec)
	case "pipeline":
		return r.pipeline(s, sec)
	case "async":
		return r.async(s, sec)
	}
	a, err := r.once(s, sec)
	return Reply{a}, err
}

// modes lists the ways of asking that suit a section; the first is the one
// that a script's file records.
func (sec *Section) modes() []string {
	_, extended := sec.Options["extended"]
	_, binary := sec.Options["binary"]
	_, limited := sec.Options["limit"]
	switch {
	case binary:
		return []string{"binary"}
	case sec.Kind != "query" && (extended || limited || len(sec.Params) > 0):
		return []string{"extended"}
	case sec.Kind != "query":
		return []string{"simple"}
	case extended || limited || len(sec.Params) > 0:
		return []string{"extended", "binary"}
	}
	return []string{"simple", "extended", "binary"}
}

func (r *runner) query(s *Session, sec *Section) (Reply, error) {
	var reply Reply
	for _, mode := range sec.modes() {
		a, err := r.ask(s, sec, mode)
		if err != nil {
			return nil, err
		}
		reply = append(reply, a)
	}
	return reply, nil
}

func (r *runner) once(s *Session, sec *Section) (Answer, error) { return r.ask(s, sec, sec.modes()[0]) }

func (r *runner) async(s *Session, sec *Section) (Reply, error) {
	ch := make(chan Answer, 1)
	go func() {
		a, err := r.once(s, sec)
		if err != nil {
			a.Text = err.Error()
		}
		ch <- a
	}()
	r.pending[sec.Session] = ch
	select {
	case a := <-ch:
		ch <- a
		return Reply{{a.Mode, "(does not wait)\n"}}, nil
	case <-time.After(while):
		return Reply{{"", waiting}}, nil
	}
}

// ask runs a section's statement in one mode.
func (r *runner) ask(s *Session, sec *Section, mode string) (Answer, error) {
	data := sec.Data
	if name, ok := sec.Options["data"]; ok {
		if data, ok = r.saved[name]; !ok {
			return Answer{}, fmt.Errorf("no COPY saved %q", name)
		}
	}
	var list []Outcome
	var lost error
	if mode == "simple" {
		list, lost = s.Simple(sec.SQL, data)
	} else {
		call, err := r.call(s, sec.SQL, sec.Params, mode == "binary")
		if err != nil {
			return Answer{}, err
		}
		call.Limit = limitOf(sec)
		list, lost = s.Extended(call, data)
	}
	if name, ok := sec.Options["save"]; ok && len(list) > 0 {
		r.saved[name] = list[0].Copy
	}
	return Answer{mode, r.write(sec, list, s, lost)}, nil
}

func limitOf(sec *Section) (n int) {
	_, _ = fmt.Sscan(sec.Options["limit"], &n)
	return n
}

// write writes outcomes down. A session that was lost is opened anew for the next section.
func (r *runner) write(sec *Section, list []Outcome, s *Session, lost error) string {
	_, ordered := sec.Options["ordered"]
	_, message := sec.Options["message"]
	_, notices := sec.Options["notices"]
	shape := Shape{Ordered: ordered, Message: message, Notices: notices, Types: r.types.nameOf, Mask: r.types.mask}
	text := shape.Text(list)
	if lost == nil {
		return text + s.Status.String()
	}
	s.Abort()
	delete(r.sessions, sec.Session)
	return text + "connection lost: " + lost.Error() + "\n"
}

func (r *runner) pipeline(s *Session, sec *Section) (Reply, error) {
	pieces, err := sec.pieces()
	if err != nil {
		return nil, err
	}
	var calls []Call
	var synced []bool
	for _, p := range pieces {
		c, err := r.call(nil, p.sql, p.params, false)
		if err != nil {
			return nil, err
		}
		calls, synced = append(calls, c), append(synced, p.synced)
	}
	list, lost := s.Pipeline(calls, synced)
	return Reply{{"pipeline", r.write(sec, list, s, lost)}}, nil
}

// call prepares a statement with its parameters: in text, or in binary those
// whose type, declared or inferred by the session, is built in.
func (r *runner) call(s *Session, sql string, params []Param, binary bool) (Call, error) {
	c := Call{SQL: sql, Binary: binary}
	for _, p := range params {
		oid := r.types.oidOf(p.Type)
		if oid == 0 && p.Type != "" {
			return c, fmt.Errorf("parameter type %q is unknown", p.Type)
		}
		c.Types, c.Formats = append(c.Types, oid), append(c.Formats, 0)
		if p.Null {
			c.Params = append(c.Params, nil)
			continue
		}
		c.Params = append(c.Params, []byte(p.Text))
	}
	if !binary || len(params) == 0 {
		return c, nil
	}
	types, err := s.ParamTypes(c)
	if err != nil {
		return c, nil // the connection is lost: running the statement will say so
	}
	for i, oid := range types {
		if oid >= firstUserOID || oid == oidRecord || i >= len(params) || params[i].Null {
			continue
		}
		b, err := r.encode.encode(oid, params[i].Text)
		if err != nil {
			return c, err
		}
		c.Formats[i], c.Params[i] = 1, b
	}
	return c, nil
}
