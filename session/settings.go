package session

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// settings are what the client SET, as statements by name. They are kept here
// and given to each connection that a statement uses, when it uses it.
type settings struct {
	current    map[string]string
	defaults   map[string]string // as the client's start-up left them
	atBegin    map[string]string // as the transaction found them; nil outside
	lasting    map[string]string // as its COMMIT leaves them: without what is LOCAL
	savepoints []savepoint
	edition    int    // goes up with every change
	print      string // see meaning
	printed    int    // the edition that print is of, plus 1

	// The time that a provider takes for a private user's question would tell of the
	// table: no limit that he sets on it reaches the provider.
	untimed bool

	constraints []string // the transaction's SET CONSTRAINTS, for the twin
}

type savepoint struct {
	name             string
	current, lasting map[string]string
	serial           int // of the newest portal
	constraints      int // SET CONSTRAINTS before it
}

func (t *settings) start() {
	if t.current == nil {
		t.current = map[string]string{}
	}
	t.defaults = maps.Clone(t.current)
}

func (t *settings) change(name, sql string, local bool) {
	t.edition++
	maps := []map[string]string{t.current}
	if !local && t.lasting != nil {
		maps = append(maps, t.lasting)
	}
	for _, m := range maps {
		if sql == "" {
			delete(m, name)
		} else {
			m[name] = sql
		}
	}
}

func (t *settings) begin() { t.atBegin, t.lasting = maps.Clone(t.current), maps.Clone(t.current) }

func (t *settings) end(commit bool) {
	if t.atBegin == nil {
		return
	}
	next := t.atBegin
	if commit {
		next = t.lasting
	}
	if !maps.Equal(next, t.current) {
		t.edition++
	}
	t.current, t.atBegin, t.lasting, t.savepoints, t.constraints = next, nil, nil, nil, nil
}

func (t *settings) savepoint(name string, serial int) {
	t.savepoints = append(t.savepoints, savepoint{name, maps.Clone(t.current), maps.Clone(t.lasting), serial, len(t.constraints)})
}

// find returns the index of the newest savepoint of a name, or -1.
func (t *settings) find(name string) int {
	for i := len(t.savepoints) - 1; i >= 0; i-- {
		if t.savepoints[i].name == name {
			return i
		}
	}
	return -1
}

func (t *settings) release(name string) {
	if i := t.find(name); i >= 0 {
		t.savepoints = t.savepoints[:i]
	}
}

// rollbackTo goes back to a savepoint and returns the newest portal that it
// knew.
func (t *settings) rollbackTo(name string) (serial int) {
	i := t.find(name)
	if i < 0 {
		return 0
	}
	t.savepoints = t.savepoints[:i+1]
	p := t.savepoints[i]
	t.current, t.lasting, t.constraints = maps.Clone(p.current), maps.Clone(p.lasting), t.constraints[:p.constraints]
	t.edition++
	return p.serial
}

// where a setting takes effect.
type where int

const (
	atTwin     where = 1 << iota // it changes what statements mean or how values look
	atProvider                   // it changes how the provider runs them
	atSession                    // it changes what this session does
)

// known are the settings that a client may set.
var known = map[string]where{
	"search_path": atTwin, "timezone": atTwin | atProvider, "datestyle": atTwin | atProvider, "intervalstyle": atTwin | atProvider,
	"extra_float_digits": atTwin | atProvider, "bytea_output": atTwin | atProvider, "xmloption": atTwin | atProvider, "xmlbinary": atTwin | atProvider,
	"statement_timeout": atTwin | atProvider, "lock_timeout": atProvider, "idle_in_transaction_session_timeout": atProvider,
	"default_transaction_isolation": atProvider, "default_transaction_read_only": atProvider, "default_transaction_deferrable": atProvider,
	"transaction_isolation": atProvider, "transaction_read_only": atProvider, "synchronous_commit": atTwin | atProvider,
	"application_name": atTwin, "check_function_bodies": atTwin, "row_security": atTwin, "array_nulls": atTwin | atProvider, "quote_all_identifiers": atTwin,
	"default_text_search_config": atTwin, "transform_null_equals": atTwin | atProvider, "lc_messages": 0, "client_min_messages": atSession,
	"default_table_access_method": 0, "default_tablespace": 0, "default_with_oids": 0, "work_mem": atTwin | atProvider, "maintenance_work_mem": 0,
	"client_encoding": 0, "standard_conforming_strings": 0, "geqo": 0, "enable_seqscan": atTwin | atProvider, "enable_indexscan": atTwin | atProvider,
	"enable_bitmapscan": atTwin | atProvider, "enable_hashjoin": atTwin | atProvider, "enable_mergejoin": atTwin | atProvider, "enable_nestloop": atTwin | atProvider,
	"random_page_cost": atTwin | atProvider, "synchronize_seqscans": atProvider, "jit": atTwin | atProvider, "max_parallel_workers_per_gather": atTwin | atProvider, "force_parallel_mode": 0,
	purposeSetting: atTwin, "restrict_nonsystem_relation_kind": atTwin, "gin_fuzzy_search_limit": 0, "idle_session_timeout": 0, "transaction_timeout": 0,
}

// effect is where a setting takes effect.
func (t *settings) effect(name string) (effect where, ok bool) {
	effect, ok = known[name]
	if t.untimed && timers.MatchString(name) {
		effect &^= atProvider
	}
	return effect, ok
}

// timers are settings that bound how long something takes.
var timers = regexp.MustCompile(`_timeout$`)

// fixed are settings with one value only.
var fixed = map[string][]string{"client_encoding": {"utf8", "utf-8", "unicode"}, "standard_conforming_strings": {"on", "true", "1"},
	"default_tablespace": {""}, "default_table_access_method": {"heap"}, "default_with_oids": {"false", "off"}}

// set carries out one setting given as name and value.
func (s *Session) set(ctx context.Context, name, value string, local bool) error {
	name = fold(name)
	if values, ok := fixed[name]; ok && !slices.Contains(values, fold(value)) {
		return clarus.Refuse("setting "+name+" cannot be changed to another value", "Leave it as it is.")
	}
	sql := "SET " + sqlast.Quote(name) + " = " + sqlast.Literal(value)
	if name == "search_path" { // a list: SET would take the literal for one name
		sql = "SET search_path = " + namesOf(value)
	}
	return s.apply(ctx, name, sql, local)
}

// apply carries out a SET statement: the connections concerned check it. sql
// is its form without LOCAL.
func (s *Session) apply(ctx context.Context, name, sql string, local bool) error {
	effect, ok := s.settings.effect(name)
	if !ok {
		if strings.HasPrefix(name, twin.OwnSetting) {
			return clarus.Refuse("settings that begin with "+twin.OwnSetting+" are Clarus's own", "Choose another name.")
		}
		if !strings.ContainsRune(name, '.') {
			return s.unknown(ctx, name)
		}
		if strings.HasPrefix(name, "clarus.") {
			return clarus.Refuse("setting "+name+" in this way", "SET "+viewSetting+" is the one of Clarus's own, as a statement.")
		}
		effect = atTwin
	}
	if name == "client_min_messages" && level(sql) < 0 {
		return &pgwire.ServerError{Severity: "ERROR", Code: "22023",
			Message: fmt.Sprintf("invalid value for parameter \"client_min_messages\": %q", strings.Trim(lastWord(sql), "'")),
			Hint:    "Available values: " + strings.Join(levels, ", ") + "."}
	}
	s.readOnly = s.readOnly || strings.HasSuffix(name, "transaction_read_only")
	var c *twin.Conn
	if effect&atTwin != 0 || effect&atProvider != 0 && !ordinary.MatchString(sql) {
		// The twin comes first: what is no value of the setting may be anything, and a provider does not get to see it.
		var err error
		if c, err = s.twin(ctx); err != nil {
			return err
		}
		if err := c.Do(sql); err != nil {
			return err
		}
		s.settings.edition++ // the twin's connections are settled anew, if the provider refuses
		if name == "timezone" && ownZone.MatchString(c.Parameter("TimeZone")) {
			return clarus.Refuse("a time zone with a name of its own", "Use a zone of the tz database, or an offset.")
		}
	}
	if effect&atProvider != 0 {
		if err := s.setRemote(ctx, name, sql, local); err != nil {
			return err
		}
	}
	if effect&atTwin == 0 {
		if effect != 0 {
			s.settings.change(name, sql, local)
		}
		return nil
	}
	if name == "statement_timeout" {
		if err := clamp(c); err != nil {
			return err
		}
	}
	s.settings.change(name, sql, local)
	if s.analyst != nil && c == s.analyst.Conn {
		s.analyst.settled = s.settings.edition
	}
	return nil
}

// ordinary are settings to words and numbers that say nothing but themselves.
var ordinary = regexp.MustCompile(`(?i)^(RESET \S+|SET \S+ (TO|=) '?(default|on|off|true|false|yes|no|local|remote_write|remote_apply|` +
	`serializable|repeatable read|read committed|read uncommitted|-?[0-9.]{1,12} ?(us|ms|s|min|h|d|B|kB|MB|GB|TB)?)'?)$`)

// ownZone finds a POSIX time zone that is called by a word of the user's.
var ownZone = regexp.MustCompile(`\d.*[A-Za-z]{5}|[A-Za-z]{5}.*\d`)

// setRemote has the providers follow a setting.
func (s *Session) setRemote(ctx context.Context, name, sql string, local bool) error {
	text := sql
	if rest, ok := strings.CutPrefix(sql, "SET "); ok && local {
		text = "SET LOCAL " + rest
	} else if rest, ok := strings.CutPrefix(sql, "RESET "); ok && local {
		text = "SET LOCAL " + rest + " TO DEFAULT"
	}
	s.remotes.distinct = s.remotes.distinct || strings.Contains(name, "isolation")
	control := told{sql: text, mode: strings.HasPrefix(name, "transaction_")}
	_, err := s.tell(ctx, control)
	if err == nil {
		s.note(control)
	}
	if !isServer(err) {
		return err
	}
	// PostgreSQL's own words come from the twin, as far as it has any.
	if c, e := s.twin(ctx); e == nil {
		if e := c.Do(sql); e != nil {
			return e
		}
		s.settings.edition++
	}
	return run.Explain(s.catalog(), err, nil, run.Row{})
}

// unknown is the error for a setting that is not listed: PostgreSQL's own, if it
// has none of the name either.
func (s *Session) unknown(ctx context.Context, name string) error {
	c, err := s.twin(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Rows("SELECT pg_catalog.current_setting($1)", name); err != nil {
		return withoutPosition(err)
	}
	return clarus.Refuse("setting "+name+" is not supported through Clarus", "Leave it at its default.")
}

// clamp keeps the twin's time limit within the one that the configuration
// gives, after a SET of statement_timeout.
func clamp(c *twin.Conn) error {
	limit := strconv.FormatInt(c.Timeout(), 10)
	rows, err := c.Rows(`SELECT FROM (SELECT extract(epoch FROM pg_catalog.current_setting('statement_timeout')::interval) * 1000) s (ms)
WHERE $1::numeric > 0 AND (ms = 0 OR ms > $1::numeric)`, limit)
	if err != nil || len(rows) == 0 {
		return err
	}
	return c.Do("SET statement_timeout = " + limit)
}

// namesOf writes a list such as search_path's value as SQL: each name quoted.
func namesOf(value string) string {
	var names []string
	var name strings.Builder
	quoted, was := false, false
	end := func() {
		if text := name.String(); was {
			names = append(names, sqlast.Quote(text))
		} else if text = fold(strings.TrimSpace(text)); text != "" {
			names = append(names, sqlast.Quote(text))
		}
		name.Reset()
		was = false
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"' && quoted && i+1 < len(value) && value[i+1] == '"':
			name.WriteByte(c)
			i++
		case c == '"':
			if !was {
				name.Reset() // spaces
			}
			quoted, was = !quoted, true
		case c == ',' && !quoted:
			end()
		case was && !quoted: // spaces
		default:
			name.WriteByte(c)
		}
	}
	if end(); len(names) == 0 {
		return "''"
	}
	return strings.Join(names, ", ")
}

// settle gives a connection to the twin the settings in force.
func (s *Session) settle(c *twin.Conn, edition *int) error {
	if *edition == s.settings.edition {
		return nil
	}
	sql := []string{twin.Client(s.client.PID())}
	for _, name := range slices.Sorted(maps.Keys(s.settings.current)) {
		if effect, ok := known[name]; !ok || effect&atTwin != 0 {
			sql = append(sql, s.settings.current[name])
		}
	}
	if err := c.Restore(sql); err != nil {
		return err
	}
	if s.settings.current["statement_timeout"] != "" {
		if err := clamp(c); err != nil {
			return err
		}
	}
	*edition = s.settings.edition
	return nil
}

// resettle puts the settings back to what the connection's start-up left. reset
// is what does so at the provider with its own defaults.
func (s *Session) resettle(ctx context.Context, reset string) error {
	s.view = ""
	if !s.block {
		for name := range s.remotes.others {
			s.drop(name) // a new session has the start-up's settings
		}
	}
	if _, err := s.tell(ctx, told{sql: reset}); err != nil && state(err) != "25001" {
		return run.Explain(s.catalog(), err, nil, run.Row{})
	}
	s.note(told{sql: reset})
	for name := range s.settings.current {
		s.settings.change(name, s.settings.defaults[name], false)
	}
	for _, name := range slices.Sorted(maps.Keys(s.settings.defaults)) {
		if effect, _ := s.settings.effect(name); effect&atProvider == 0 {
			continue
		}
		t := told{sql: s.settings.defaults[name]}
		if _, err := s.tell(ctx, t); err != nil {
			return run.Explain(s.catalog(), err, nil, run.Row{})
		}
		s.note(t)
	}
	return nil
}

// report tells the client of settings that changed.
func (s *Session) report() {
	if s.analyst == nil || s.heard.client == s.analyst.Client && s.heard.count == s.analyst.Reports() {
		return
	}
	s.heard.client, s.heard.count = s.analyst.Client, s.analyst.Reports()
	for _, name := range reportable {
		if v := s.analyst.Parameter(name); v != "" && v != s.reported[name] && s.reported[name] != "" {
			s.reported[name] = v
			s.client.ParameterStatus(name, v)
		}
	}
}
