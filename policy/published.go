package policy

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/model"
)

// Releases is the name of the table, in each schema of releases, that says which
// state of each is shown. Like the releases it is in clear, and only Clarus writes it.
const Releases = "releases"

// A Published dataset has a release at a provider: a table of the same name in
// another schema, anonymised, in clear.
type Published struct {
	Schema, Table string // the original
	Release       string // the release's schema
	Provider      string // "": the database's default provider
	Every         time.Duration
	Policy        *model.Policy
	Directory     string // of the publishing policy: where its names of files begin
}

// Published are the datasets that have releases, in the order of their names.
func (p *Policy) Published() []Published {
	var list []Published
	for _, d := range p.datasets {
		if d.published != nil {
			list = append(list, *d.published)
		}
	}
	slices.SortFunc(list, func(a, b Published) int { return compareTables(a.original(), b.original()) })
	return list
}

func (r Published) original() tableName { return tableName{r.Schema, r.Table} }

func compareTables(a, b tableName) int {
	return slices.Compare([]string{a.schema, a.table}, []string{b.schema, b.table})
}

// HasRelease reports whether a table is the original of a release.
func (p *Policy) HasRelease(schema, table string) bool {
	d := p.dataset(schema, table)
	return d != nil && d.published != nil
}

// IsRelease reports whether a table is a release, or says which there are: only
// Clarus makes and writes it.
func (p *Policy) IsRelease(schema, table string) bool {
	d := p.dataset(schema, table)
	return d != nil && d.release
}

// published reads how a dataset is published.
func (r *policyReader) published(d *dataset, n *node) {
	if n == nil {
		return
	}
	p := &Published{Schema: d.name.schema, Table: d.name.table, Release: "release", Provider: d.provider}
	if at := n.text("at"); at != "" {
		p.Provider = at
	}
	if s := n.text("schema"); s != "" {
		p.Release = s
	}
	d.publishedAt = n.at
	d.published = p
	if every := n.text("every"); every != "" {
		var err error
		if p.Every, err = parseDuration(every); err != nil {
			r.unless(n.get("every"), "every "+err.Error(), "for example 10m, or leave it out: then REFRESH MATERIALIZED VIEW brings the release in step")
		}
	}
	file := n.text("policy")
	if file == "" {
		return // the schema complains
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(r.file), file)
	}
	p.Directory = filepath.Dir(file)
	var err error
	if p.Policy, err = LoadPublication(file); err != nil {
		for _, e := range errorsOf(err) {
			r.errs = append(r.errs, e)
		}
		if len(errorsOf(err)) == 0 {
			r.unless(n.get("policy"), "the publishing policy cannot be used: "+err.Error(), "name a file of its own: docs/publish.md describes it")
		}
		return
	}
	r.safe(d, n)
}

// errorsOf are the mistakes that an error tells of.
func errorsOf(err error) Errors {
	list, _ := err.(Errors)
	return list
}

// safe compares a publishing policy with the policy: no attribute may be
// published more openly than its class allows.
func (r *policyReader) safe(d *dataset, n *node) {
	p, at := d.published.Policy, n.get("policy")
	if p.Method != model.Local {
		r.add(at.at, "a release that follows its table needs method: local", "leave method out of the publishing policy")
	}
	if d.subject != "" && p.Subject != d.subject {
		r.add(at.at, fmt.Sprintf("the dataset's subject is %s, and the publishing policy counts rows of %q as one person's", d.subject, p.Subject),
			"write release: {subject: "+d.subject+"} there")
	}
	for _, a := range p.Attributes {
		class := clarus.Confidential
		switch own := d.attributes[a.Name]; {
		case own != nil:
			class = own.class
		case d.clear || r.clear:
			class = clarus.NonConfidential
		}
		if allowed := openness[class]; !slices.Contains(allowed, a.Class) {
			names := make([]string, len(allowed))
			for i, c := range allowed {
				names[i] = string(c)
			}
			r.add(at.at, fmt.Sprintf("%s is %s here, and the publishing policy has it as %s", a.Name, class, a.Class), "there it may be "+enumerate(names, "or"))
		}
	}
	for _, own := range d.attributes {
		if p.Attribute(own.name) == nil {
			r.add(at.at, "the publishing policy does not name "+own.name, "name every attribute there")
		}
	}
}

// openness is how an attribute of a class may be published. A surrogate key leads
// from a row to whatever else has it, and is left out.
var openness = map[clarus.Class][]clarus.Class{
	clarus.Identifier:      {clarus.Identifier},
	clarus.Technical:       {clarus.Identifier},
	clarus.QuasiIdentifier: {clarus.Identifier, clarus.QuasiIdentifier},
	clarus.Confidential:    {clarus.Identifier, clarus.QuasiIdentifier, clarus.Confidential},
	clarus.NonConfidential: {clarus.Identifier, clarus.QuasiIdentifier, clarus.Confidential, clarus.NonConfidential},
}

// releases adds the tables that published datasets have.
func (r *policyReader) releases(p *Policy) {
	places := map[string]string{} // of the schemas of releases
	for _, pub := range p.Published() {
		d := p.datasets[pub.original()]
		name := tableName{pub.Release, pub.Table}
		place, known := places[pub.Release]
		switch {
		case p.datasets[name] != nil:
			r.add(d.publishedAt, fmt.Sprintf("the release would be %s, which is a dataset already", name), "name another schema: published: {schema: ...}")
			continue
		case pub.Table == Releases:
			r.add(d.publishedAt, "a table named "+Releases+" says which releases there are", "publish the dataset under another name: rename it")
			continue
		case known && place != pub.Provider:
			r.add(d.publishedAt, "releases in schema "+pub.Release+" are at two providers", "name another schema for one of them: published: {schema: ...}")
			continue
		}
		places[pub.Release] = pub.Provider
		p.datasets[name] = r.releaseDataset(name, d, pub)
		if log := (tableName{pub.Release, Releases}); p.datasets[log] == nil {
			p.datasets[log] = r.releaseDataset(log, d, pub)
		} else if !p.datasets[log].release {
			r.add(p.datasets[log].at, fmt.Sprintf("%s is where Clarus says which releases there are", log), "name another schema: published: {schema: ...}")
		}
	}
}

func (r *policyReader) releaseDataset(name tableName, d *dataset, pub Published) *dataset {
	return &dataset{name: name, at: d.publishedAt, provider: pub.Provider, providerAt: d.publishedAt, clear: true, release: true, attributes: map[string]*attribute{}}
}
