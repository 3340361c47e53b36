package living

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/clarus-project/clarus/durable"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/model"
)

// A Store keeps the newest state of a release. A state has the table's rows in clear:
// it belongs on the trusted side.
type Store interface {
	// Save returns when the state is durable. A crash leaves this state or the one before.
	Save(state []byte) error
	// Load returns the newest state, nil if there was none.
	Load() ([]byte, error)
}

// File is a Store in a file.
type File string

// Save implements Store.
func (f File) Save(state []byte) error { return durable.Replace(string(f), state) }

// Load implements Store.
func (f File) Load() ([]byte, error) {
	state, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return state, err
}

// ErrState is that of a state that cannot be read. A release must not go on without
// it: nobody would know what was seen.
var ErrState = errors.New("living: the state cannot be read")

const format = "clarus-living/1\n"

// A state is what is saved, after the format's name and before its SHA-256.
type state struct {
	Columns      []string // kept
	Number, Last uint64
	Texts        []string
	Keys         []string
	Codes        []uint32 // row by row: each kept column's text
	Masked       []uint32 // row by row: each masked cell's text
	Waited       []int32
	Seen         []uint32 // of the rows that were published, in their order: codes and masked cells
	Group        []int32  // of each row, from 1; 0: none
	Groups       []savedGroup
	Pending      *Change
	History      *check.Saved
}

type savedGroup struct {
	Class  uint64
	Cells  []uint32 // of the class, row by row
	Loss   float64
	Left   int
	Erased bool
	Dirty  bool
}

// texts numbers texts.
type texts struct {
	list []string
	code map[string]uint32
	of   [][]uint32 // of each kept column's codes: the text's number, from 1; 0: not known yet
}

func (t *texts) number(v string) uint32 {
	x, ok := t.code[v]
	if !ok {
		x = uint32(len(t.list))
		t.code[v] = x
		t.list = append(t.list, v)
	}
	return x
}

// add appends the numbers of texts.
func (t *texts) add(to []uint32, list []string) []uint32 {
	for _, v := range list {
		to = append(to, t.number(v))
	}
	return to
}

// codes appends those of a row's values.
func (t *texts) codes(to []uint32, r *Release, codes []uint32) []uint32 {
	for i, x := range codes {
		if t.of[i][x] == 0 {
			t.of[i][x] = t.number(r.kept[i].dict.values[x]) + 1
		}
		to = append(to, t.of[i][x]-1)
	}
	return to
}

// values are a row's, in the kept columns.
func (r *Release) values(codes []uint32) []string {
	out := make([]string, len(codes))
	for i, x := range codes {
		out[i] = r.kept[i].dict.values[x]
	}
	return out
}

func (r *Release) save() error {
	s := &state{Columns: r.names(), Number: r.number, Last: r.last, Pending: r.pending, History: r.history.Save()}
	t := &texts{code: map[string]uint32{}}
	for i := range r.kept {
		t.of = append(t.of, make([]uint32, len(r.kept[i].dict.values)))
	}
	cells := len(r.kept) * len(r.all)
	s.Codes, s.Seen = make([]uint32, 0, cells), make([]uint32, 0, cells)
	groups := make(map[*group]int32, len(r.classes))
	number := func(g *group) int32 {
		if g == nil {
			return 0
		}
		if groups[g] == 0 {
			w := savedGroup{Left: g.left, Erased: g.erased, Dirty: r.dirty[g]}
			if g.class != nil {
				w.Class, w.Loss = g.class.ID, g.class.loss
				for _, cells := range g.class.Rows {
					w.Cells = t.add(w.Cells, cells)
				}
			}
			s.Groups = append(s.Groups, w)
			groups[g] = int32(len(s.Groups))
		}
		return groups[g]
	}
	for _, w := range r.all {
		s.Keys, s.Waited = append(s.Keys, w.key), append(s.Waited, int32(w.waited))
		s.Codes = t.codes(s.Codes, r, w.codes)
		s.Masked = t.add(s.Masked, w.masked)
		s.Group = append(s.Group, number(w.group))
		if w.seen != nil {
			s.Seen = t.codes(s.Seen, r, w.seen.codes)
			s.Seen = t.add(s.Seen, w.seen.masked)
		}
	}
	for _, c := range r.classes {
		number(c.group) // also where all its rows have left
	}
	s.Texts = t.list
	var b bytes.Buffer
	b.WriteString(format)
	if err := gob.NewEncoder(&b).Encode(s); err != nil {
		return err
	}
	sum := sha256.Sum256(b.Bytes())
	return r.store.Save(append(b.Bytes(), sum[:]...))
}

// Save makes the present state durable; Prepare does so by itself. What was not saved
// before a crash, Sync brings back.
func (r *Release) Save() error { return r.save() }

// Load goes on with the release that the store has; policy and columns are those that
// it was made with. Without one it is New. Then Sync, and Resume.
func Load(p *model.Policy, columns []string, open publish.Open, store Store, o Options) (*Release, error) {
	text, err := store.Load()
	if err != nil {
		return nil, err
	}
	r, err := New(p, columns, open, store, o)
	if err != nil || text == nil {
		return r, err
	}
	s, err := decode(text)
	if err == nil {
		err = r.restore(s)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	return r, nil
}

// decode reads a state that is whole.
func decode(text []byte) (*state, error) {
	body, ok := bytes.CutPrefix(text, []byte(format))
	if !ok || len(body) < sha256.Size {
		return nil, fmt.Errorf("it is not in the format %s", bytes.TrimSpace([]byte(format)))
	}
	end := len(text) - sha256.Size
	if sum := sha256.Sum256(text[:end]); !bytes.Equal(sum[:], text[end:]) {
		return nil, errors.New("it is damaged")
	}
	s := &state{}
	return s, gob.NewDecoder(bytes.NewReader(text[len(format):end])).Decode(s)
}

// restore puts a state in force.
func (r *Release) restore(s *state) error {
	if !slices.Equal(s.Columns, r.names()) {
		return fmt.Errorf("it is of the columns %v, the policy keeps %v", s.Columns, r.names())
	}
	in := &reader{state: s}
	r.number, r.last, r.pending, r.saved = s.Number, s.Last, s.Pending, s.Pending != nil
	groups := make([]*group, len(s.Groups))
	for i, w := range s.Groups {
		g := &group{left: w.Left, erased: w.Erased}
		if w.Dirty {
			r.dirty[g] = true
		}
		if w.Class != 0 {
			g.class = &shown{Class: Class{ID: w.Class}, group: g, loss: w.Loss}
			for cells := range slices.Chunk(w.Cells, len(r.visible())) {
				g.class.Rows = append(g.class.Rows, in.text(cells))
			}
			r.classes[w.Class] = g.class
		}
		groups[i] = g
	}
	masks := r.masks()
	for i, key := range s.Keys {
		w := &row{key: key, at: i, codes: r.codes(in.take(&s.Codes, len(r.kept))), masked: in.take(&s.Masked, masks)}
		if i >= len(s.Waited) || i >= len(s.Group) || s.Group[i] < 0 || int(s.Group[i]) > len(groups) {
			return errors.New("it breaks off")
		}
		w.waited = int(s.Waited[i])
		if s.Group[i] > 0 {
			w.group = groups[s.Group[i]-1]
			w.group.members = append(w.group.members, w)
			w.seen = &face{r.codes(in.take(&s.Seen, len(r.kept))), in.take(&s.Seen, masks)}
		}
		r.rows[key] = w
		r.all = append(r.all, w)
	}
	if in.short || len(r.rows) != len(s.Keys) || s.History == nil {
		return errors.New("it breaks off")
	}
	promise, err := r.promise()
	if err != nil {
		return err
	}
	r.history, err = check.Restore(r.names(), promise, !r.options.Keep, s.History, func(key string) (now, shown []string) {
		w := r.rows[key]
		if w == nil {
			return nil, nil
		}
		if w.seen != nil {
			shown = r.values(w.seen.codes)
		}
		return r.values(w.codes), shown
	})
	return err
}

// masks counts the masked columns.
func (r *Release) masks() int {
	n := 0
	for i := range r.kept {
		if r.kept[i].attribute.Mask != nil {
			n++
		}
	}
	return n
}

// codes are those of a row's values, which are used once more.
func (r *Release) codes(values []string) []uint32 {
	out := make([]uint32, len(values))
	for i, v := range values {
		out[i] = r.kept[i].dict.use(v)
	}
	return out
}

// A reader reads texts by their numbers.
type reader struct {
	*state
	short bool
}

func (in *reader) text(codes []uint32) []string {
	out := make([]string, len(codes))
	for i, x := range codes {
		if int(x) >= len(in.Texts) {
			in.short = true
			continue
		}
		out[i] = in.Texts[x]
	}
	return out
}

func (in *reader) take(from *[]uint32, n int) []string {
	if len(*from) < n {
		in.short = true
		return make([]string, n)
	}
	codes := (*from)[:n]
	*from = (*from)[n:]
	return in.text(codes)
}
