package twin

import (
	"strconv"
	"strings"

	"github.com/clarus-project/clarus/sqlast"
)

// OwnSetting is the beginning of the names of settings that are Clarus's own on
// the twin's connections.
const OwnSetting = "pg_clarus."

// told is the setting in which a session tells its connection to the twin of
// settings that the twin does not have: a JSON object of values by name.
const told = OwnSetting + "settings"

// pid is the setting with the client's process id, as BackendKeyData gave it.
const pid = OwnSetting + "pid"

// shown are settings that have the same value on the twin and at the provider,
// or are about what the twin does for the client.
const shown = `'server_version', 'server_version_num', 'server_encoding', 'client_encoding', 'lc_collate', 'lc_ctype', 'lc_messages', 'lc_monetary', 'lc_numeric',
'lc_time', 'integer_datetimes', 'max_index_keys', 'max_identifier_length', 'max_function_args', 'block_size', 'segment_size', 'TimeZone', 'DateStyle',
'default_text_search_config'`

// ours are settings that Clarus makes for itself on the twin's connections.
const ours = `'client_min_messages', 'debug_print_rewritten', 'debug_pretty_print', 'statement_timeout', 'lock_timeout'`

// settingsFurniture has pg_settings speak of the client's session, not of the
// twin: what the session set, what cannot be otherwise, and PostgreSQL's
// defaults for the rest. Where the twin's files are is nobody's business.
// PostgreSQL's own function cannot be replaced: it is found by its OID.
func settingsFurniture() []string {
	view := `CREATE OR REPLACE VIEW pg_catalog.pg_settings AS
SELECT s.name, v.value AS setting, s.unit, s.category, s.short_desc, s.extra_desc, s.context, s.vartype,
 CASE WHEN v.value IS DISTINCT FROM r.value THEN 'session'::text ELSE 'default'::text END AS source, s.min_val, s.max_val, s.enumvals, s.boot_val,
 r.value AS reset_val, NULL::text AS sourcefile, NULL::integer AS sourceline, false AS pending_restart
FROM pg_clarus.show_all_settings() s
CROSS JOIN LATERAL (SELECT CASE WHEN s.name IN (SHOWN) OR s.name LIKE '%.%' THEN s.reset_val ELSE s.boot_val END AS value) r
CROSS JOIN LATERAL (SELECT coalesce(nullif(current_setting('TOLD', true), '')::json ->> s.name,
  CASE WHEN s.name IN (SHOWN) OR s.source = 'session' AND s.name NOT IN (OURS) THEN s.setting ELSE s.boot_val END) AS value) v
WHERE s.name NOT LIKE 'pg\_clarus.%' AND s.category <> 'File Locations'`
	return []string{
		`CREATE FUNCTION pg_clarus.show_all_settings(OUT name text, OUT setting text, OUT unit text, OUT category text, OUT short_desc text,
 OUT extra_desc text, OUT context text, OUT vartype text, OUT source text, OUT min_val text, OUT max_val text, OUT enumvals text[], OUT boot_val text,
 OUT reset_val text, OUT sourcefile text, OUT sourceline integer, OUT pending_restart boolean)
RETURNS SETOF record STRICT STABLE PARALLEL SAFE LANGUAGE internal AS 'show_all_settings'`,
		strings.NewReplacer("SHOWN", shown, "OURS", ours, "TOLD", told).Replace(view),
		// It is inlined wherever a statement calls it: PostgreSQL's own is never asked.
		"CREATE OR REPLACE FUNCTION pg_catalog.pg_backend_pid() RETURNS integer LANGUAGE sql STABLE PARALLEL RESTRICTED AS " +
			"$$SELECT nullif(pg_catalog.current_setting('" + pid + "', true), '')::pg_catalog.int4$$",
	}
}

// Tell tells the connection of settings that only the provider has.
func (c *Conn) Tell(settings string) error {
	return c.Do("SET " + told + " = " + sqlast.Literal(settings))
}

// Client is the statement that tells a connection which client it serves.
func Client(process uint32) string {
	return "SET " + pid + " = " + strconv.FormatUint(uint64(process), 10)
}

// Timeout is the longest time of a statement; 0: any.
func (c *Conn) Timeout() int64 { return c.timeout.Milliseconds() }
