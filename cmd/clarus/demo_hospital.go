package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A hospital is made-up data that depends only on the number of patients and
// a fixed seed. Nothing of it is kept: whatever iterates makes it again.
type hospital struct{ patients int }

const hospitalSeed = 20250101

// today is the day on which the data end.
var today = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// A person is a patient with all that happened to them.
type person struct {
	id                                  int
	insurance, name, sex, post, surname string
	phone                               string // "": none
	birth                               time.Time
	stays                               []stay
}

// A stay is one episode with what belongs to it.
type stay struct {
	ward, doctor         int
	admitted, discharged time.Time // discharged is zero for who is still in
	note                 string
	diseases             []int // indices into diseases, the main one first
	labs                 []lab
	drugs                []prescription
	amount               int // cents
	paid                 bool
}

type lab struct {
	taken   time.Time
	analyte int    // index into analytes
	value   string // "": the sample gave none
}

type prescription struct{ drug, dose, days int }

// people makes the patients, in the order of their ids.
func (h hospital) people() iter.Seq[person] {
	return func(yield func(person) bool) {
		for id := 1; id <= h.patients; id++ {
			if !yield(h.person(id)) {
				return
			}
		}
	}
}

func (h hospital) person(id int) person {
	r := rand.New(rand.NewPCG(hospitalSeed, uint64(id)))
	p := person{id: id, sex: "f"}
	given := pick(r, womens)
	if r.IntN(100) < 48 {
		p.sex, given = "m", pick(r, mens)
	}
	p.surname = pick(r, surnameHeads) + pick(r, surnameTails)
	p.name = p.surname + ", " + given
	p.insurance = fmt.Sprintf("%c%09d", 'A'+r.IntN(26), id*618033989%1e9) // the factor is prime to 10: no number comes twice
	age := ageOf(r)
	p.birth = today.AddDate(-age, 0, -1-r.IntN(365))
	p.post = fmt.Sprintf("%05d", 10000+r.IntN(40)*r.IntN(40)*7)
	if r.IntN(10) > 0 {
		p.phone = fmt.Sprintf("+49 30 55%07d", r.IntN(1e7))
	}
	// Older patients come more often; the young and healthy not at all.
	for range r.IntN(2 + age/20) {
		p.stays = append(p.stays, h.stay(r, p, age))
	}
	return p
}

// ageOf draws an age in years, as in a general hospital: mostly old, some
// adults, few children.
func ageOf(r *rand.Rand) int {
	var age float64
	switch n := r.IntN(100); {
	case n < 62:
		age = 68 + 13*r.NormFloat64()
	case n < 88:
		age = 38 + 11*r.NormFloat64()
	default:
		age = 17 * r.Float64()
	}
	return int(min(max(age, 0), 101))
}

func (h hospital) stay(r *rand.Rand, p person, age int) stay {
	s := stay{ward: 1 + r.IntN(len(wards))}
	s.doctor = 1 + (s.ward-1)*doctorsPerWard + r.IntN(doctorsPerWard)
	s.admitted = today.Add(-time.Duration(1+r.IntN(3*365*24*60)) * time.Minute)
	days := 1 + int(r.ExpFloat64()*float64(3+age/15))
	if out := s.admitted.AddDate(0, 0, days); out.Before(today) {
		s.discharged = out
	}
	// Diseases are as unequal as in life: few are common, most are rare.
	zipf := rand.NewZipf(r, 1.3, 2, uint64(len(diseases)-1))
	for range 1 + r.IntN(3) {
		if d := int(zipf.Uint64()); !slices.Contains(s.diseases, d) {
			s.diseases = append(s.diseases, d)
		}
	}
	s.note = fmt.Sprintf(pick(r, notes), p.surname, diseases[s.diseases[0]].title)
	for range r.IntN(6) {
		a := r.IntN(len(analytes))
		value := analytes[a].mean * (1 + 0.25*r.NormFloat64())
		l := lab{taken: s.admitted.Add(time.Duration(r.IntN(days*24*60)) * time.Minute), analyte: a}
		if r.IntN(40) > 0 {
			l.value = strconv.FormatFloat(max(value, 0.01), 'f', 2, 64)
		}
		s.labs = append(s.labs, l)
	}
	for range r.IntN(4) {
		s.drugs = append(s.drugs, prescription{r.IntN(len(drugs)), 5 * (1 + r.IntN(20)), 1 + r.IntN(28)})
	}
	s.amount = 20000 + days*(35000+r.IntN(50000)) + r.IntN(100)
	s.paid = r.IntN(5) > 0
	return s
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// doctor makes the name of a doctor, id from 1.
func doctor(id int) string {
	r := rand.New(rand.NewPCG(hospitalSeed+1, uint64(id)))
	given := womens
	if id%2 == 0 {
		given = mens
	}
	return "Dr. " + pick(r, given) + " " + pick(r, surnameHeads) + pick(r, surnameTails)
}

// rows estimates how many rows all tables have: what a sample of the patients
// brings, for all of them.
func (h hospital) rows() int {
	sample := hospital{min(h.patients, 200)}
	n := 0
	for _, t := range sample.tables()[3:] {
		for range t.rows {
			n++
		}
	}
	return n * h.patients / sample.patients
}

// A hospitalTable is one table's rows, each a line of COPY's text format.
type hospitalTable struct {
	name string
	rows iter.Seq[string]
}

// tables lists the tables, those referred to first.
func (h hospital) tables() []hospitalTable {
	return []hospitalTable{
		{"ward", lines(len(wards), func(i int) string { return copyLine(i+1, wards[i], 18+i*7%23) })},
		{"doctor", lines(len(wards)*doctorsPerWard, func(i int) string {
			ward := i / doctorsPerWard
			return copyLine(i+1, ward+1, doctor(i+1), wards[ward])
		})},
		{"disease", lines(len(diseases), func(i int) string {
			return copyLine(diseases[i].code, diseases[i].title, diseases[i].chronic)
		})},
		{"patient", lines(h.patients, func(i int) string {
			p := h.person(i + 1)
			return copyLine(p.id, p.insurance, p.name, p.birth.Format(time.DateOnly), p.sex, p.post, orNull(p.phone))
		})},
		{"episode", h.ofStays(func(p person, s stay, _ int, row func(...any)) {
			row(p.id, s.ward, s.doctor, s.admitted, s.discharged, s.note)
		})},
		{"diagnosis", h.ofStays(func(_ person, s stay, id int, row func(...any)) {
			for i, d := range s.diseases {
				row(id, diseases[d].code, i == 0)
			}
		})},
		{"laboratory", h.ofStays(func(_ person, s stay, id int, row func(...any)) {
			for _, l := range s.labs {
				row(id, l.taken, analytes[l.analyte].name, orNull(l.value), analytes[l.analyte].unit)
			}
		})},
		{"prescription", h.ofStays(func(_ person, s stay, id int, row func(...any)) {
			for _, d := range s.drugs {
				row(id, drugs[d.drug], strconv.Itoa(d.dose)+" mg", d.days)
			}
		})},
		{"invoice", h.ofStays(func(_ person, s stay, id int, row func(...any)) {
			if !s.discharged.IsZero() {
				row(id, s.discharged.Format(time.DateOnly), fmt.Sprintf("%d.%02d", s.amount/100, s.amount%100), s.paid)
			}
		})},
	}
}

// lines makes n lines, numbered from 0.
func lines(n int, line func(int) string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield(line(i)) {
				return
			}
		}
	}
}

// ofStays makes the rows that each stay contributes, with a serial number
// before the cells that each gives to row; id is the serial number of the stay.
func (h hospital) ofStays(each func(p person, s stay, id int, row func(...any))) iter.Seq[string] {
	return func(yield func(string) bool) {
		id, serial, more := 0, 0, true
		row := func(cells ...any) {
			serial++
			more = more && yield(copyLine(append([]any{serial}, cells...)...))
		}
		for p := range h.people() {
			for _, s := range p.stays {
				id++
				if each(p, s, id, row); !more {
					return
				}
			}
		}
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

var copyEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// copyLine is a row in COPY's text format; nil and the zero time are NULL.
func copyLine(cells ...any) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteByte('\t')
		}
		switch c := c.(type) {
		case nil:
			b.WriteString(`\N`)
		case time.Time:
			if c.IsZero() {
				b.WriteString(`\N`)
			} else {
				b.WriteString(c.Format("2006-01-02 15:04:05-07"))
			}
		default:
			b.WriteString(copyEscapes.Replace(fmt.Sprint(c)))
		}
	}
	b.WriteByte('\n')
	return b.String()
}
