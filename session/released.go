package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/sqlast"
)

// Releases are tables that the policy has Clarus make of others: only a session
// of Clarus's own makes, changes and writes them. Users who see releases find them
// by the names of the originals; those, and all else that is protected, are closed
// to them whatever owners grant.

// releasesSetting is what SHOW tells of releases.
const releasesSetting = "clarus.releases"

// reader reports whether the user sees releases.
func (s *Session) reader() bool { return s.host.Readers[s.who.User] }

// seeReleases has names mean releases where the user sees those.
func (s *Session) seeReleases(ctx context.Context) error {
	if !s.reader() {
		return nil
	}
	var path []string
	for _, p := range s.db.Policy.Published() {
		if name := sqlast.Quote(p.Release); !slices.Contains(path, name) {
			path = append(path, name)
		}
	}
	return s.apply(ctx, "search_path", "SET search_path = "+strings.Join(append(path, `"$user"`, "public"), ", "), false)
}

// mayDo refuses statements that a user who sees releases may not give, and what
// mayTouch refuses. It is asked whenever a statement runs: a plan that is kept may
// have been made for a session of Clarus's own.
func (s *Session) mayDo(st *statement) error {
	if s.reader() {
		if st.advisory != nil { // others would wait for it, or could read it
			return readsOnly()
		}
		switch st.st.Kind {
		case sqlast.Query, sqlast.Explain:
		case sqlast.Copy:
			if form, err := st.st.CopyForm(); err != nil || form.From {
				return cmp.Or(err, readsOnly())
			}
		default:
			return readsOnly()
		}
	}
	if st.plan == nil {
		return nil
	}
	return s.mayTouch(st.plan)
}

func readsOnly() error {
	return &clarus.Error{Op: "release", Kind: clarus.Denied, Msg: "who sees releases only reads", Hint: "Connect as another user."}
}

// mayTouch refuses plans that write a release, or that read for a user who sees
// releases what is protected, or the original of one.
func (s *Session) mayTouch(p *plan.Plan) error {
	if err := s.mayWrite(p.Targets...); err != nil || !s.reader() {
		return err
	}
	if p.Effects() {
		return readsOnly()
	}
	if len(p.Reads) > 0 { // how far one has come tells how many rows there were
		return &clarus.Error{Op: "release", Attr: p.Reads[0].Schema + "." + p.Reads[0].Name, Kind: clarus.Denied, Msg: "who sees releases does not see sequences", Hint: "Connect as another user."}
	}
	for _, t := range p.Tables {
		if !t.Plain() || s.db.Policy.HasRelease(t.Schema, t.Name) {
			return &clarus.Error{Op: "release", Attr: t.Schema + "." + t.Name, Kind: clarus.Denied, Msg: "who sees releases does not see what is protected",
				Hint: "Name the release. Functions that may read any table cannot be called."}
		}
	}
	return nil
}

// mayWrite refuses to write releases.
func (s *Session) mayWrite(tables ...*catalog.Table) error {
	for _, t := range tables {
		if t.Release && !s.keeper {
			return &clarus.Error{Op: "release", Attr: t.Schema + "." + t.Name, Kind: clarus.Denied, Msg: "only Clarus writes a release", Hint: "Change the original."}
		}
	}
	return nil
}

// mayChange refuses a change of the schema that makes a table with a release's
// name, or changes what a provider holds of a release or lets in. One that the policy does
// not have any more may go.
func (s *Session) mayChange(before, after *catalog.Catalog) error {
	if s.keeper {
		return nil
	}
	refuse := func(t *catalog.Table) error {
		return &clarus.Error{Op: "release", Attr: t.Schema + "." + t.Name, Kind: clarus.Denied, Msg: "only Clarus makes and changes a release",
			Hint: "Take published out of the policy first, or choose another name."}
	}
	find := func(c *catalog.Catalog, id clarus.DatasetID) *catalog.Table {
		if i := slices.IndexFunc(c.Tables, func(t *catalog.Table) bool { return t.ID == id }); i >= 0 {
			return c.Tables[i]
		}
		return nil
	}
	for _, t := range after.Tables {
		old := find(before, t.ID)
		same := old != nil && old.Schema == t.Schema && old.Name == t.Name && old.Generation == t.Generation &&
			len(old.Relation.Constraints) == len(t.Relation.Constraints) && old.Relation.RowSecurity == t.Relation.RowSecurity
		if (t.Release || s.db.Policy.IsRelease(t.Schema, t.Name)) && !same {
			return refuse(t)
		}
	}
	for _, t := range before.Tables {
		if t.Release && s.db.Policy.IsRelease(t.Schema, t.Name) && find(after, t.ID) == nil {
			return refuse(t)
		}
	}
	return nil
}

// refreshRelease carries out REFRESH MATERIALIZED VIEW of a release.
func (s *Session) refreshRelease(ctx context.Context, st *sqlast.Statement) (string, error) {
	name, plain := st.Refreshed()
	switch {
	case !plain:
		return "", clarus.Refuse("REFRESH MATERIALIZED VIEW with CONCURRENTLY or NO DATA", "Leave it out: readers do not wait.")
	case !s.host.Users[s.who.User]:
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "42501", Message: "permission denied to bring a release in step", Hint: "An owner, as the configuration says, may."}
	case s.block || s.several:
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "25001", Message: "REFRESH MATERIALIZED VIEW of a release cannot run inside a transaction block"}
	}
	var known []string
	var found []policy.Published
	for _, p := range s.db.Policy.Published() {
		known = append(known, p.Release+"."+p.Table)
		if p.Table == name.Relation && (name.Schema == "" || name.Schema == p.Release) {
			found = append(found, p)
		}
	}
	if len(found) != 1 || s.host.Releases == nil {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "42809", Message: fmt.Sprintf("%s is not one release", name),
			Hint: "There are: " + strings.Join(known, ", ") + ". Materialized views are not supported."}
	}
	said, err := s.host.Releases.Refresh(ctx, s.db.Name, found[0].Schema, found[0].Table)
	if err != nil {
		return "", err
	}
	s.client.Notice(&pgwire.ServerError{Severity: "NOTICE", Code: "00000", Message: said})
	return "REFRESH MATERIALIZED VIEW", nil
}

// showReleases says how the database's releases are. That tells how many rows their
// originals have, and may hold values: it is for owners. Others have the table of states.
func (s *Session) showReleases(row func([]byte) error) (string, error) {
	if !s.host.Users[s.who.User] {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "42501", Message: "permission denied to see how releases are", Hint: "Read the table " + policy.Releases + " beside the release."}
	}
	text := ""
	if s.host.Releases != nil {
		text = s.host.Releases.Status(s.db.Name)
	}
	return "SHOW", row(dataRow(text))
}
