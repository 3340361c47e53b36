package pgserver

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// reserved are the settings that Start itself decides: where the server
// listens and which files it obeys.
var reserved = []string{"listen_addresses", "port", "unix_socket_directories", "unix_socket_permissions",
	"unix_socket_group", "data_directory", "config_file", "hba_file", "ident_file", "external_pid_file"}

// defaults are the settings of a server that nothing was said about. The log is
// silent below FATAL: messages and statements in it may hold what clients sent.
func defaults(c Config) map[string]string {
	set := map[string]string{
		"log_destination":                   "stderr",
		"logging_collector":                 "off",
		"log_line_prefix":                   "%m [%p] ",
		"log_min_messages":                  "fatal",
		"log_min_error_statement":           "panic",
		"log_parameter_max_length":          "0",
		"log_parameter_max_length_on_error": "0",
		"log_timezone":                      "UTC",
		"timezone":                          "UTC",
		"lc_messages":                       "C",
		"lc_monetary":                       c.Locale,
		"lc_numeric":                        c.Locale,
		"lc_time":                           c.Locale,
		"password_encryption":               "scram-sha-256",
		"ssl":                               "off",
		"update_process_title":              "off",
	}
	if c.Temporary {
		// Nothing of it is to survive a crash of the machine.
		set["fsync"] = "off"
	}
	maps.Copy(set, c.Settings)
	return set
}

var settingName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)?$`)

// checkSettings refuses names and values that cannot stand in a configuration file.
func checkSettings(set map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		switch {
		case !settingName.MatchString(name):
			return misconfigured(fmt.Sprintf("%q is no name of a PostgreSQL setting", name), "")
		case slices.Contains(reserved, strings.ToLower(name)):
			return misconfigured("the setting "+name+" is decided by the directory and the address to listen on",
				"Leave it out of the settings.")
		case strings.ContainsAny(set[name], "\n\r\x00"):
			return misconfigured("the value of the setting "+name+" has more than one line", "")
		}
	}
	return nil
}

// checkHBA refuses lines that would make other lines of their own.
func checkHBA(lines []string) error {
	for _, line := range lines {
		if strings.ContainsAny(line, "\n\r\x00") {
			return misconfigured(fmt.Sprintf("the pg_hba line %q is more than one", line), "")
		}
	}
	return nil
}

// configFile is the text of postgresql.conf. It starts from what initdb chose
// for this machine. How much is logged comes last: PostgreSQL obeys each line at
// once, and would keep to itself what is wrong with the next.
func configFile(initdbs string, set map[string]string) string {
	const last = "log_min_messages"
	var b strings.Builder
	fmt.Fprintf(&b, "include %s\n", quoteSetting(initdbs))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if name != last {
			fmt.Fprintf(&b, "%s = %s\n", name, quoteSetting(set[name]))
		}
	}
	fmt.Fprintf(&b, "%s = %s\n", last, quoteSetting(set[last]))
	return b.String()
}

// hbaFile is the text of pg_hba.conf. By default every connection needs the
// password, and TCP is for this machine only.
func hbaFile(lines []string) string {
	if lines == nil {
		lines = []string{
			"local all all scram-sha-256",
			"host all all samehost scram-sha-256",
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// quoteSetting quotes a value for postgresql.conf.
func quoteSetting(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(v) + "'"
}

// quoteListItem quotes one item of a setting that is a list, such as a directory.
func quoteListItem(v string) string { return `"` + strings.ReplaceAll(v, `"`, `""`) + `"` }
