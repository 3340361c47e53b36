package oracle

import (
	"fmt"
	"strings"
)

// Check says what is wrong with a section that plain PostgreSQL answered with
// reply: it must fail or not as its kind says. "" is nothing.
func (sec *Section) Check(reply Reply) string {
	failed := strings.HasPrefix(reply[0].Text, "ERROR ") || strings.Contains(reply[0].Text, "\nERROR ")
	switch {
	case strings.Contains(reply[0].Text, "connection lost"), strings.HasPrefix(reply[0].Text, "cannot connect"):
		return reply[0].Text
	case sec.Kind == "error" && !failed:
		return "an error was expected"
	case (sec.Kind == "query" || sec.Kind == "exec" || sec.Kind == "copyin" || sec.Kind == "copyout") && failed:
		return "failed: " + reply[0].Text
	case sec.Kind == "async" && reply[0].Text != waiting:
		return "does not wait"
	}
	return ""
}

// Judge compares a reply with plain PostgreSQL's, under a policy. "" is equal.
func (sec *Section) Judge(policy string, plain, got Reply) string {
	refusal := sec.Refused(policy)
	var wrong []string
	for i, want := range plain {
		if i >= len(got) {
			return got[0].Text
		}
		switch {
		case refusal != nil && got[i].Text == want.Text:
			wrong = append(wrong, fmt.Sprintf("%s: the refusal (%s) no longer happens: remove its mark", got[i].Mode, refusal.Code))
		case refusal != nil && strings.HasPrefix(got[i].Text, "ERROR "+refusal.Code):
		case got[i].Text != want.Text:
			wrong = append(wrong, fmt.Sprintf("%s\nwant:\n%sgot:\n%s", got[i].Mode, want.Text, got[i].Text))
		}
	}
	return strings.Join(wrong, "\n")
}
