package report

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"github.com/clarus-project/clarus/publish/check"
)

// HTML writes the report as one page that needs nothing else: plots are SVG
// in it, and it has no script.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent":    func(x float64) string { return fmt.Sprintf("%.2f %%", 100*x) },
	"fixed":      func(x float64) string { return fmt.Sprintf("%.4f", x) },
	"whole":      func(x float64) string { return fmt.Sprintf("%.0f", x) },
	"sizes":      plotSizes,
	"losses":     plotLosses,
	"queries":    plotQueries,
	"variations": plotVariations,
}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Release report</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;font-variant-numeric:tabular-nums}
h2{margin-top:2rem;font-size:1.1rem}svg{max-width:100%;height:auto}figcaption{color:#555}figure{margin:1rem 0}
</style></head><body>
<h1>Release report</h1>
<p>Made {{.Made.Format "2006-01-02 15:04:05 UTC"}}. The release keeps these promises, checked on its own text:</p>
<ul>{{range .Promises}}<li>{{.}}</li>{{end}}</ul>
{{with .Measured}}{{with .Sampled}}
<h2>How alike release and data are</h2>
<p>Total variation distance, the share of rows that would have to change: {{fixed .Mean}} on average over pairs of attributes.</p>
<figure>{{variations .Single}}<figcaption>Distance by attribute</figcaption></figure>
<figure>{{variations .Pairs}}<figcaption>Distance by pair of attributes</figcaption></figure>
{{else}}
<h2>Classes</h2>
<table>
<tr><th>rows</th><td>{{.Rows}}, {{.Suppressed}} suppressed</td></tr>
<tr><th>classes</th><td>{{.Classes}}, of {{.SmallestRow}} to {{.Largest}} rows</td></tr>
<tr><th>discernibility</th><td>{{whole .Penalty}}</td></tr>
</table>
<figure>{{sizes .Sizes}}<figcaption>Rows by the size of their class</figcaption></figure>
<h2>Risk of finding whose a row is</h2>
<table>
<tr><th>prosecutor, highest</th><td>{{percent .Risk.Prosecutor}}</td><td>who knows that the person is in the data</td></tr>
<tr><th>prosecutor, on average</th><td>{{percent .Risk.ProsecutorMean}}</td><td></td></tr>
<tr><th>marketer</th><td>{{percent .Risk.Marketer}}</td><td>rows that matching everybody would find</td></tr>
{{with .Risk.Journalist}}<tr><th>journalist, highest</th><td>{{percent .Highest}}</td><td>who looks among a population of {{.Population}} rows{{if .Lacking}}, which lacks persons of {{.Lacking}} classes{{end}}</td></tr>
<tr><th>journalist, on average</th><td>{{percent .Mean}}</td><td></td></tr>
{{end}}<tr><th>unique rows</th><td>{{percent .Risk.UniqueBefore}} before, {{percent .Risk.UniqueAfter}} in the release</td><td></td></tr>
</table>
{{if .Disclosures}}<h2>What classes show of confidential attributes</h2>
<table><tr><th>attribute</th><th>fewest values</th><th>least entropy</th><th>greatest distance</th><th>most certain value</th><th>in the whole</th><th>rows in classes of one value</th></tr>
{{range .Disclosures}}<tr><td>{{.Name}}</td><td>{{.LeastL}}</td><td>log {{fixed .LeastE}}</td><td>{{fixed .MostT}}</td><td>{{percent .Certainty}}</td><td>{{percent .Baseline}}</td><td>{{.Homogeneous}}</td></tr>
{{end}}</table>{{end}}
<h2>What was lost</h2>
<p>Normalised loss {{percent .Loss}}: 0 if every cell is the original, 100 % if every cell says nothing.</p>
<figure>{{losses .Attributes}}<figcaption>Loss by attribute</figcaption></figure>
{{end}}{{end}}
{{if .Queries}}<h2>What counts are worth</h2>
<p>Half of {{len .Queries}} counts on one or two attributes are off by {{percent .QueryError}} or less.</p>
<figure>{{queries .Queries}}<figcaption>Counts: true (across) and estimated from the release (up), logarithmic</figcaption></figure>{{end}}
{{if .Left}}<h2>Left out</h2><p>{{range $i, $a := .Left}}{{if $i}}, {{end}}{{$a}}{{end}}</p>{{end}}
<h2>What it does not protect against</h2>
<ul>{{range .Beyond}}<li>{{.}}</li>{{end}}</ul>
</body></html>
`))

const colour = "#2a6f97"

// bars draws horizontal bars; every value is a share of the largest.
func bars(labels []string, values []float64, texts []string) template.HTML {
	const row, left, width = 22, 170, 420
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="720" height="%d" font-size="13" font-family="sans-serif" role="img">`, row*len(labels)+4)
	for i, label := range labels {
		w := 0.0
		if most > 0 {
			w = values[i] / most * width
		}
		y := row * i
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d">%s</text>`,
			left-8, y+16, template.HTMLEscapeString(label), left, y+4, w, row-8, colour, left+w+6, y+16, template.HTMLEscapeString(texts[i]))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // the labels are escaped above
}

func plotSizes(sizes []check.Bucket) template.HTML {
	var labels, texts []string
	var values []float64
	for _, s := range sizes {
		label := fmt.Sprint(s.From)
		if s.To > s.From {
			label = fmt.Sprintf("%d to %d", s.From, s.To)
		}
		labels, values, texts = append(labels, label), append(values, float64(s.Rows)), append(texts, fmt.Sprintf("%d rows, %d classes", s.Rows, s.Classes))
	}
	return bars(labels, values, texts)
}

func plotVariations(list []check.Variation) template.HTML {
	var labels, texts []string
	var values []float64
	for _, v := range list {
		labels, values, texts = append(labels, strings.Join(v.Attributes, ", ")), append(values, v.Distance), append(texts, fmt.Sprintf("%.4f", v.Distance))
	}
	return bars(labels, values, texts)
}

func plotLosses(attributes []check.Attribute) template.HTML {
	var labels, texts []string
	var values []float64
	for _, a := range attributes {
		loss, text := a.Loss, "%.2f %%, %d different cells"
		if a.Perturbed {
			if loss, text = a.Error, "%.2f %% of its variance gone, %d different cells"; a.Error == 0 {
				loss, text = a.Changed, "%.2f %% of cells changed, %d different cells"
			}
		}
		labels, values, texts = append(labels, a.Name), append(values, loss), append(texts, fmt.Sprintf(text, 100*loss, a.Values))
	}
	return bars(labels, values, texts)
}

// plotQueries draws each query as a point; those on the diagonal are exact.
func plotQueries(list []Query) template.HTML {
	const size = 320.0
	most := 1.0
	for _, q := range list {
		most = max(most, float64(q.True), q.Estimated)
	}
	at := func(x float64) float64 { return 20 + (size-40)*math.Log1p(x)/math.Log1p(most) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" role="img"><rect x="20" y="20" width="%g" height="%g" fill="none" stroke="#bbb"/><line x1="20" y1="%g" x2="%g" y2="20" stroke="#bbb"/>`,
		size, size, size-40, size-40, size-20, size-20)
	for _, q := range list {
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s" fill-opacity=".6"/>`, at(float64(q.True)), size-at(q.Estimated), colour)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // numbers only
}
