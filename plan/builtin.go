package plan

import (
	"regexp"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
)

// Builtins are the functions and operators that PostgreSQL itself brings.
type Builtins struct {
	Functions map[uint32]Function
	Operators map[uint32]Operator
}

// A Function is a built-in function.
type Function struct {
	Name       string
	Volatility byte // 'i' immutable, 's' stable, 'v' volatile
}

// An Operator is a built-in operator.
type Operator struct {
	Name string
	Func uint32
	Bool bool // returns boolean
}

var (
	// denied functions speak of the twin's sessions, files or server instead of
	// the client's, or have effects that the twin would swallow.
	denied = regexp.MustCompile(`^(pg_(cancel|terminate)_backend|pg_stat_.*|pg_(try_)?advisory_.*|pg_notify|pg_listening_channels|` +
		`pg_notification_.*|pg_blocking_pids|pg_safe_snapshot_.*|pg_lock_status|pg_prepared_.*|pg_cursor|txid_.*|pg_current_.*|pg_export_snapshot|` +
		`pg_snapshot_.*|pg_visible_in_snapshot|pg_xact_.*|pg_last_.*|pg_wal.*|pg_switch_wal|pg_create_.*|pg_drop_.*|pg_replication_.*|pg_logical_.*|` +
		`pg_copy_.*|pg_show_.*|pg_hba_.*|pg_read_.*|pg_ls_.*|pg_file.*|pg_log.*|pg_rotate_.*|pg_reload_conf|pg_promote|pg_backup_.*|pg_start_.*|` +
		`pg_stop_.*|pg_get_wal_.*|pg_get_replication_.*|pg_get_publication_.*|pg_get_shmem_.*|pg_get_backend_.*|pg_conf_.*|pg_postmaster_.*|` +
		`pg_jit_.*|pg_control_.*|pg_import_.*|pg_relation_filenode|pg_relation_filepath|pg_filenode_.*|pg_nextoid|pg_stop_.*|pg_tablespace_.*|pg_database_size|` +
		`pg_sequence_last_value|pg_get_sequence_data|` +
		`pg_config|pg_identify_.*|lo_.*|lo(read|write)|be_lo_.*|inet_(client|server)_.*|set_config|current_query|binary_upgrade_.*|currtid.*|brin_.*|gin_clean.*)$`)
	// opaque functions run a query that stands in their arguments.
	opaque = regexp.MustCompile(`^((query|table|schema|database|cursor)_to_xml.*|ts_stat|ts_rewrite)$`)
	// safe stable functions depend on session settings only, which the provider
	// shares with the twin.
	settings = regexp.MustCompile(`^(to_char|to_date|to_timestamp|to_number|date_trunc|date_part|extract|timezone|timestamptz|timestamp|date|time|timetz|` +
		`timestamptz_.*|date_.*timestamptz|timestamp_.*timestamptz|.*timestamptz.*|concat|concat_ws|format|array_to_string|string_agg|array_agg|` +
		`textanycat|anytextcat|text_concat.*|quote_literal|quote_nullable|array_in|array_out|interval_.*|.*_out|.*_in|array_append|array_cat|array_prepend|` +
		`record_.*|range_.*|arraycontain.*|bttext.*|to_json|to_jsonb|json_.*|jsonb_.*)$`)
	// needed are denied functions that Clarus itself calls in a user's name.
	needed    = regexp.MustCompile(`^(pg_cursor|pg_prepared_statement)$`)
	sequences = regexp.MustCompile(`^(nextval|currval|lastval|setval)$`)
)

// Denied reports whether a built-in function is kept from users' own code too.
func Denied(name string) bool { return denied.MatchString(name) && !needed.MatchString(name) }

// functions checks what the statement calls, and what it may touch thereby.
func (env Env) functions(st *analyze.Statement, p *Plan) error {
	for _, oid := range st.Functions {
		if oid >= firstUserOID {
			if !env.Catalog.Logical.Pure(oid) {
				p.Opaque, p.Calls = true, true
			}
			p.Settings = p.Settings || env.Catalog.Logical.ShowsSettings(oid)
			continue
		}
		f := env.Builtins.Functions[oid]
		switch {
		case f.Name == "set_config" && env.SetConfig:
		case denied.MatchString(f.Name):
			return clarus.Refuse("function "+f.Name+" is not supported through Clarus", "It would speak of this side's own server, not of yours.")
		case opaque.MatchString(f.Name):
			p.Opaque, p.Calls = true, true
		case f.Name == "setval":
			p.SetsSequence = true
		}
		if sequences.MatchString(f.Name) {
			if err := env.sequences(st, p, f.Name); err != nil {
				return err
			}
		}
	}
	for _, v := range st.SQLValues {
		if v == analyze.CurrentCatalog {
			return clarus.Refuse("CURRENT_CATALOG is not supported", "Use current_database().")
		}
	}
	p.Sequences = append(p.Sequences, st.NextValues...)
	return nil
}

const regclass = 2205

func (env Env) sequences(st *analyze.Statement, p *Plan, name string) error {
	if name == "currval" || name == "lastval" {
		p.Draws = true // the session's own scratch database knows, since it drew
		return nil
	}
	found := false
	for _, c := range st.RegConsts {
		if c.Type == regclass && env.Catalog.Logical.Sequence(c.OID) != nil {
			found = true
			p.Sequences = append(p.Sequences, c.OID)
		}
	}
	if !found {
		return clarus.Refuse(name+" of a sequence that is not named by a constant", "Write the sequence's name as a literal.")
	}
	return nil
}

// hidden relations speak of the twin's sessions and databases.
var hidden = regexp.MustCompile(`^(pg_stat_.*|pg_statio_.*|pg_locks|pg_database|pg_shmem_.*|pg_backend_.*|` +
	`pg_replication_.*|pg_prepared_.*|pg_cursors|pg_file_settings|pg_hba_.*|pg_ident_.*|pg_user_mapping.*|pg_publication_tables|pg_config|pg_sequences)$`)

// Hidden reports whether a system relation is kept from users' own code too.
func Hidden(name string) bool { return hidden.MatchString(name) && !shown.MatchString(name) }

// shown are hidden relations whose functions Clarus itself calls in a user's name.
var shown = regexp.MustCompile(`^(pg_cursors|pg_prepared_statements)$`)

func (env Env) system(oid uint32) error {
	if name := env.Relations[oid]; hidden.MatchString(name) {
		return clarus.Refuse("relation "+name+" is not supported through Clarus", "It would show this side's own server, not yours.")
	}
	return nil
}

// portable reports whether every function means the same at the provider as on
// the twin.
func (env Env) portable(st *analyze.Statement) (string, bool) {
	for _, oid := range st.Functions {
		f, ok := env.Builtins.Functions[oid]
		if !ok {
			return "it calls a function made by a user", false
		}
		if f.Volatility != 'i' && !(f.Volatility == 's' && settings.MatchString(f.Name)) {
			return "function " + f.Name + " is evaluated on this side", false
		}
	}
	return "", true
}
