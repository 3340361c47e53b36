package policy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish/mask"
	"github.com/clarus-project/clarus/publish/model"
)

func TestPublication(t *testing.T) {
	runCases(t, "publication.txt", func(_ *testing.T, c testCase) string {
		p, err := policy.ParsePublication("dir/p.yaml", []byte(c.input))
		if err != nil {
			return err.Error() + "\n"
		}
		return showPublication(p)
	})
}

func showPublication(p *model.Policy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "k=%d method=%s suppress=%g subject=%q effort=%d keep=%v missing=%q refused=%v", p.K, p.Method, p.Suppress, p.Subject, p.Effort, p.KeepOrder, p.Missing, p.MissingRefused)
	if p.Seed != nil {
		fmt.Fprintf(&b, " seed=%d", *p.Seed)
	}
	if p.Population != "" {
		fmt.Fprintf(&b, " population=%s", p.Population)
	}
	if p.Synthetic != nil {
		fmt.Fprintf(&b, " synthetic=%+v", *p.Synthetic)
	}
	for _, a := range p.Attributes {
		fmt.Fprintf(&b, "\n%s: %s %s %s weight=%g", a.Name, a.Class, a.Type, a.Cover, a.Weight)
		if a.Order != nil {
			fmt.Fprintf(&b, " order=%q", a.Order)
		}
		if a.Hierarchy != nil {
			fmt.Fprintf(&b, " hierarchy=%+v holes=%v", *a.Hierarchy, a.HolesRoot)
		}
		if a.Mask != nil {
			fmt.Fprintf(&b, " %s", mask.Describe(a.Mask))
		}
		if a.Bounds != nil {
			fmt.Fprintf(&b, " bounds=%+v", *a.Bounds)
		}
		if a.Wants != nil {
			fmt.Fprintf(&b, " wants=%v", a.Wants)
		}
	}
	return b.String() + "\n"
}

// The examples of docs/publish.md are accepted as they stand.
func TestDocumentedPublications(t *testing.T) {
	doc, err := os.ReadFile("../docs/publish.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(doc), "```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("no example")
	}
	for _, b := range blocks {
		src, _, _ := strings.Cut(b, "```\n")
		if _, err := policy.ParsePublication("p.yaml", []byte(src)); err != nil {
			t.Errorf("%s\n%v", src, err)
		}
	}
}
