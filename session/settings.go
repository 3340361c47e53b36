package session

import (
	"context"
	"maps"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// settings are what the client SET, as statements by name. They are kept here
// and given to each connection that a statement uses, when it uses it.
type settings struct {
	current    map[string]string
	defaults   map[string]string // as the client's start-up left them
	atBegin    map[string]string // as the transaction found them; nil outside
	local      map[string]bool   // set for the transaction only
	savepoints []savepoint
	edition    int // goes up with every change
}

type savepoint struct {
	name    string
	current map[string]string
	serial  int // of the newest portal
}

func (t *settings) start() {
	if t.current == nil {
		t.current = map[string]string{}
	}
	t.defaults = maps.Clone(t.current)
}

func (t *settings) change(name, sql string, local bool) {
	t.edition++
	if sql == "" {
		delete(t.current, name)
	} else {
		t.current[name] = sql
	}
	if local && t.local != nil {
		t.local[name] = true
	}
}

func (t *settings) begin() { t.atBegin, t.local = maps.Clone(t.current), map[string]bool{} }

func (t *settings) end(commit bool) {
	if t.atBegin == nil {
		return
	}
	next := t.atBegin
	if commit {
		next = maps.Clone(t.current)
		for name := range t.local {
			delete(next, name)
			if v, ok := t.atBegin[name]; ok {
				next[name] = v
			}
		}
	}
	if !maps.Equal(next, t.current) {
		t.edition++
	}
	t.current, t.atBegin, t.local, t.savepoints = next, nil, nil, nil
}

func (t *settings) savepoint(name string, serial int) {
	t.savepoints = append(t.savepoints, savepoint{name, maps.Clone(t.current), serial})
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
	t.current, serial = maps.Clone(t.savepoints[i].current), t.savepoints[i].serial
	t.edition++
	return serial
}

// where a setting takes effect.
type where int

const (
	atTwin     where = 1 << iota // it changes what statements mean or how values look
	atProvider                   // it changes how the provider runs them
)

// known are the settings that a client may set.
var known = map[string]where{
	"search_path": atTwin, "timezone": atTwin | atProvider, "datestyle": atTwin | atProvider, "intervalstyle": atTwin | atProvider,
	"extra_float_digits": atTwin | atProvider, "bytea_output": atTwin | atProvider, "xmloption": atTwin, "xmlbinary": atTwin,
	"statement_timeout": atProvider, "lock_timeout": atProvider, "idle_in_transaction_session_timeout": atProvider,
	"default_transaction_isolation": atProvider, "default_transaction_read_only": atProvider, "default_transaction_deferrable": atProvider,
	"transaction_isolation": atProvider, "transaction_read_only": atProvider, "synchronous_commit": atProvider,
	"application_name": atTwin, "check_function_bodies": atTwin, "row_security": atTwin, "array_nulls": atTwin, "quote_all_identifiers": atTwin,
	"default_text_search_config": atTwin, "transform_null_equals": atTwin, "lc_messages": 0, "client_min_messages": 0,
	"default_table_access_method": 0, "default_tablespace": 0, "default_with_oids": 0, "work_mem": atProvider, "maintenance_work_mem": 0,
	"client_encoding": 0, "standard_conforming_strings": 0, "geqo": 0, "enable_seqscan": atProvider, "enable_indexscan": atProvider,
	"enable_bitmapscan": atProvider, "enable_hashjoin": atProvider, "enable_mergejoin": atProvider, "enable_nestloop": atProvider,
	"random_page_cost": atProvider, "jit": atProvider, "max_parallel_workers_per_gather": atProvider, "force_parallel_mode": 0,
	"gin_fuzzy_search_limit": 0, "idle_session_timeout": 0, "transaction_timeout": 0,
}

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
	if name == "search_path" && value == "" {
		sql = "SET search_path = ''"
	} else if name == "search_path" {
		sql = "SET search_path = " + value
	}
	return s.apply(ctx, name, sql, local)
}

// apply carries out a SET statement: the connections concerned check it.
func (s *Session) apply(ctx context.Context, name, sql string, local bool) error {
	effect, ok := known[name]
	if !ok {
		custom := false
		for _, r := range name {
			custom = custom || r == '.'
		}
		if !custom {
			return clarus.Refuse("setting "+name+" is not supported through Clarus", "Leave it at its default.")
		}
		effect = atTwin
	}
	if effect&atProvider != 0 {
		if _, err := s.remote.Run(ctx, provider.Statement{SQL: sql}, nil, nil); err != nil {
			return err
		}
	}
	if effect&atTwin != 0 {
		c, err := s.twin(ctx)
		if err != nil {
			return err
		}
		if err := c.Do(sql); err != nil {
			return err
		}
		s.settings.change(name, sql, local)
		if s.analyst != nil && c == s.analyst.Conn {
			s.analyst.settled = s.settings.edition
		}
	}
	return nil
}

// settle gives a connection to the twin the settings in force.
func (s *Session) settle(c *twin.Conn, edition *int) error {
	if *edition == s.settings.edition {
		return nil
	}
	names := slices.Sorted(maps.Keys(s.settings.current))
	sql := make([]string, len(names))
	for i, n := range names {
		sql[i] = s.settings.current[n]
	}
	if err := c.Restore(sql); err != nil {
		return err
	}
	*edition = s.settings.edition
	return nil
}

// report tells the client of settings that changed.
func (s *Session) report() {
	if s.analyst == nil {
		return
	}
	for _, name := range reportable {
		if v := s.analyst.Parameter(name); v != "" && v != s.reported[name] && s.reported[name] != "" {
			s.reported[name] = v
			s.client.ParameterStatus(name, v)
		}
	}
}
