package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/report"
	"github.com/clarus-project/clarus/publish/table"
)

func read(t *testing.T, text string) *table.Table {
	t.Helper()
	got, err := table.Read(strings.NewReader(text), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func makeReport(t *testing.T) *report.Report {
	t.Helper()
	in := read(t, "who,a<b,ill\n1,x,flu\n2,y,flu\n3,z,gout\n4,z,flu\n")
	out := read(t, "a<b,ill\n\"{x,y}\",flu\n\"{x,y}\",flu\nz,gout\nz,flu\n")
	s := &check.Spec{K: 2, Quasi: []check.Quasi{{Name: "a<b", Leaves: []string{"x", "y", "z"}}}, Absent: []string{"who"},
		Confidential: []check.Confidential{{Name: "ill", Wants: []model.Requirement{{Kind: model.DistinctL, L: 1}}}}}
	r, failed := check.Run(in, out, s)
	if failed != nil {
		t.Fatal(failed)
	}
	return report.New(in, out, s, r, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := makeReport(t).Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"k-anonymity: every class has 2 rows or more", "distinct 1-diversity of ill in every class", "classes     2, of 2 to 2 rows, 2.00 on average",
		"loss        0.25000 of 1 (LM); discernibility 8", "prosecutor at most 0.5000", "left out    who", "ill has no t-closeness: in some class one value has a share of 100 %, in the whole 75 %",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := makeReport(t).JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Measured struct {
			Loss float64 `json:"normalised_loss"`
			Risk struct {
				Highest float64 `json:"prosecutor_highest"`
			} `json:"risk"`
		} `json:"measured"`
		Beyond []string `json:"not_protected_against"`
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got.Measured.Loss != 0.25 || got.Measured.Risk.Highest != 0.5 || len(got.Beyond) == 0 {
		t.Errorf("%v %+v", err, got)
	}
}

// TestHTML: the page is well formed, has its plots, fetches and runs nothing, and
// names from the data are text in it.
func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := makeReport(t).HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "href=", "src=", "url(", "a<b"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(page, "<svg"); n != 3 {
		t.Errorf("%d plots", n)
	}
	d := xml.NewDecoder(strings.NewReader(page[strings.Index(page, "<body>"):strings.Index(page, "</html>")]))
	d.Entity = xml.HTMLEntity
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestQueries: counts on what was not changed are exact.
func TestQueries(t *testing.T) {
	in := read(t, "a\nx\ny\ny\n")
	s := &check.Spec{K: 1, Quasi: []check.Quasi{{Name: "a", Leaves: []string{"x", "y", "z"}}}}
	r, failed := check.Run(in, in, s)
	if failed != nil {
		t.Fatal(failed)
	}
	if rep := report.New(in, in, s, r, time.Now()); rep.QueryError != 0 || len(rep.Queries) == 0 {
		t.Errorf("%+v", rep.Queries)
	}
}
