package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/clarus-project/clarus"
)

// An Event is one fact about who asked for what. No field can hold a value of
// an attribute: texts are names, constants (Reason) or statements without
// literals (Shape). A test holds that by reflection.
//
// Names come from outside and can be anything (a user may call a column
// "Alice is ill"); the log is therefore as confidential as the schema.
type Event struct {
	Time time.Time `json:"-"` // when it was made; zero: when the sink got it
	Seq  uint64    `json:"-"` // its number in the log, from 1, set by the sink

	Session   string    `json:"session,omitempty"` // which session of a client; empty: Clarus itself
	Principal Principal `json:"principal,omitzero"`
	Action    Action    `json:"action"`
	Shape     Shape     `json:"shape,omitzero"`
	Class     Class     `json:"class,omitempty"`

	Datasets   []string `json:"datasets,omitempty"`   // logical names
	Attributes []string `json:"attributes,omitempty"` // logical names, with the dataset: "patient.name"
	Providers  []string `json:"providers,omitempty"`  // names in the configuration

	// Rows released, written or concerned; 0 in an intent.
	Rows     int64   `json:"rows,omitempty"`
	SQLSTATE string  `json:"sqlstate,omitempty"` // empty: success, or not known yet
	Outcome  Outcome `json:"outcome"`
	Reason   Reason  `json:"reason,omitzero"`

	// Covers is for how long after Time an intent also stands for further
	// statements that are the same in all fields above but Rows, SQLSTATE,
	// Outcome and Reason. 0: for one statement only.
	Covers time.Duration `json:"covers_ns,omitempty"`
}

// A Principal is who asks, as authenticated (User, Remote) and as claimed
// (Database, Application).
type Principal struct {
	User        string `json:"user,omitempty"`
	Database    string `json:"database,omitempty"`
	Remote      string `json:"remote,omitempty"`      // address and port
	Application string `json:"application,omitempty"` // what the client calls itself
}

// An Action is what was asked for.
type Action string

// The actions.
const (
	ActionSessionOpen  Action = "session-open"
	ActionSessionClose Action = "session-close"
	ActionAuthFailed   Action = "auth-failed"
	ActionSelect       Action = "select"
	ActionInsert       Action = "insert"
	ActionUpdate       Action = "update"
	ActionDelete       Action = "delete"
	ActionMerge        Action = "merge"
	ActionCopyIn       Action = "copy-in"
	ActionCopyOut      Action = "copy-out"
	ActionDDL          Action = "ddl"
	ActionUtility      Action = "utility"
	ActionRefused      Action = "refused"   // a statement refused before it was known what it asks for
	ActionIntegrity    Action = "integrity" // something did not open, did not fit, or was lost
	ActionKeyEpoch     Action = "key-epoch"
	ActionConfig       Action = "config"
	ActionView         Action = "view"    // what a provider sees was shown, or this was asked for
	ActionRecover      Action = "recover" // the owner confirms the schema that a provider shows
)

var actions = []Action{
	ActionSessionOpen, ActionSessionClose, ActionAuthFailed, ActionSelect, ActionInsert,
	ActionUpdate, ActionDelete, ActionMerge, ActionCopyIn, ActionCopyOut, ActionDDL,
	ActionUtility, ActionRefused, ActionIntegrity, ActionKeyEpoch, ActionConfig, ActionRecover, ActionView,
}

// A Class is the class of plan that a statement got; empty where there was none.
type Class string

// The classes of plan: best first, then private (answered with noise), twin
// (answered by the twin alone, as introspection is) and refuse.
const (
	ClassPass     Class = "pass"
	ClassPush     Class = "push"
	ClassRefine   Class = "refine"
	ClassDirect   Class = "direct"
	ClassResidual Class = "residual"
	ClassPrivate  Class = "private"
	ClassTwin     Class = "twin"
	ClassRefuse   Class = "refuse"
)

var classes = []Class{"", ClassPass, ClassPush, ClassRefine, ClassDirect, ClassResidual, ClassPrivate, ClassTwin, ClassRefuse}

// An Outcome is how far the action came.
type Outcome string

// The outcomes.
const (
	OutcomeIntent  Outcome = "intent"  // allowed, and about to happen
	OutcomeDone    Outcome = "done"    // happened
	OutcomeFailed  Outcome = "failed"  // was allowed, and failed; SQLSTATE or Reason says how
	OutcomeRefused Outcome = "refused" // not allowed; nothing happened
)

var outcomes = []Outcome{OutcomeIntent, OutcomeDone, OutcomeFailed, OutcomeRefused}

// Check reports (kind Invalid) what a sink must not keep: an action, class or
// outcome outside the lists above, an SQLSTATE that is none, a negative number.
func (e *Event) Check() error {
	switch {
	case !slices.Contains(actions, e.Action):
		return invalid("action", string(e.Action))
	case !slices.Contains(classes, e.Class):
		return invalid("class", string(e.Class))
	case !slices.Contains(outcomes, e.Outcome):
		return invalid("outcome", string(e.Outcome))
	case !validState(e.SQLSTATE):
		return invalid("sqlstate", e.SQLSTATE)
	case e.Rows < 0 || e.Covers < 0:
		return invalid("rows or covers", "negative")
	}
	return nil
}

func invalid(field, got string) error {
	return &clarus.Error{Op: "audit", Kind: clarus.Invalid, Msg: fmt.Sprintf("audit event: %s %q is not valid", field, got)}
}

// validState reports whether s is empty or five of [0-9A-Z].
func validState(s string) bool {
	if s == "" {
		return true
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return len(s) == 5
}
