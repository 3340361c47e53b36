package session

import (
	"slices"
	"strings"

	"github.com/clarus-project/clarus/pgwire"
)

// levels are the values of client_min_messages, from the most talkative.
var levels = []string{"debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"}

// level is the place in levels of what a SET of client_min_messages says, or -1.
func level(sql string) int {
	word := fold(strings.Trim(lastWord(sql), `'"`))
	switch {
	case word == "debug":
		word = "debug2"
	case sql == "" || strings.HasPrefix(sql, "RESET ") || word == "default":
		word = "notice"
	}
	return slices.Index(levels, word)
}

// lastWord is the value in a SET statement of one word.
func lastWord(sql string) string { return sql[strings.LastIndexByte(sql, ' ')+1:] }

// minMessages is client_min_messages as it is in force.
func (s *Session) minMessages() int { return level(s.settings.current["client_min_messages"]) }

// notice hands on what a statement raises on the twin. INFO is always told.
func (s *Session) notice(e *pgwire.ServerError) {
	if i := slices.Index(levels, fold(e.Severity)); i >= 0 && i < s.minMessages() {
		return
	}
	e.Schema, e.Table, e.Column = "", "", ""
	s.client.Notice(e)
}
