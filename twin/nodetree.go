package twin

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// moves are new OIDs of objects: by catalogue, then by their old OIDs.
type moves map[string]map[uint32]uint32

// The catalogues whose objects' OIDs a tree, or a client, knows.
const (
	inNamespace  = "pg_namespace"
	inClass      = "pg_class"
	inType       = "pg_type"
	inEnum       = "pg_enum"
	inProc       = "pg_proc"
	inConstraint = "pg_constraint"
)

// Fields of a tree of PostgreSQL 15 that hold OIDs of other things than types,
// operators and collations; of the latter two users make none.
var fieldCatalogue = map[string]string{
	"relid": inClass, "resorigtbl": inClass, "seqid": inClass,
	"funcid": inProc, "opfuncid": inProc, "hashfuncid": inProc, "negfuncid": inProc, "aggfnoid": inProc, "winfnoid": inProc,
	"startInRangeFunc": inProc, "endInRangeFunc": inProc, "tsmhandler": inProc,
	"constraint": inConstraint, "constraintDeps": inConstraint,
}

// noOID reports whether a field's numbers, which may be large, are no OIDs that move.
func noOID(field string) bool {
	return strings.HasSuffix(field, "typmod") || strings.HasSuffix(field, "typmods") || field == "typeMod" || field == "checkAsUser" ||
		strings.HasSuffix(field, "location") || strings.HasPrefix(field, "stmt_")
}

// regTypes are the types of constants that are OIDs, with the catalogue of
// what they name; regArrays the arrays of these.
var (
	regTypes  = map[uint32]string{2205: inClass, 2206: inType, 24: inProc, 2202: inProc, 4089: inNamespace}
	regArrays = map[uint32]string{2210: inClass, 2211: inType, 1008: inProc, 2207: inProc, 4090: inNamespace}
)

// A shape tells where a constant of a user's type holds OIDs.
type shape struct {
	kind    byte   // pg_type.typtype; 'a' for arrays, a domain's base type's
	element uint32 // of an array
	deep    bool   // a composite or range type over types made by users
}

// A treeMover writes stored expressions and queries, as nodeToString of
// PostgreSQL 15 prints them, for objects with other OIDs.
type treeMover struct {
	moves
	shapes map[uint32]shape // of users' types, by their old OIDs
}

// tree returns the text for the new OIDs.
func (m *treeMover) tree(text string) (string, error) {
	var out strings.Builder
	out.Grow(len(text) + 64)
	field, numbers := "", false // numbers: within a list of plain numbers
	var constant uint32
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && !strings.ContainsRune(" (){}", rune(text[end])) {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		if end = min(end, len(text)); end == i {
			if text[i] == ')' {
				numbers = false
			}
			out.WriteByte(text[i])
			i++
			continue
		}
		token := text[i:end]
		switch {
		case token[0] == ':':
			field = token[1:]
		case (token == "i" || token == "b") && text[i-1] == '(':
			numbers = true
		case field == "constvalue" && token != "<>":
			value, rest, err := m.constant(constant, text[i:])
			if err != nil {
				return "", err
			}
			out.WriteString(value)
			i, field = len(text)-len(rest), ""
			continue
		case !numbers && token[0] >= '1' && token[0] <= '9' && !noOID(field):
			if oid, err := strconv.ParseUint(token, 10, 32); err == nil {
				if field == "consttype" {
					constant = uint32(oid)
				}
				token = strconv.FormatUint(uint64(m.oid(field, uint32(oid))), 10)
			}
		}
		out.WriteString(token)
		i = end
	}
	return out.String(), nil
}

func (m *treeMover) oid(field string, oid uint32) uint32 {
	catalogue, ok := fieldCatalogue[field]
	if !ok {
		catalogue = inType
	}
	if to, ok := m.moves[catalogue][oid]; ok {
		return to
	}
	return oid
}

// constant rewrites "LENGTH [ BYTE … ]" at the begin of text, a value of a type.
func (m *treeMover) constant(typ uint32, text string) (value, rest string, err error) {
	length, after, ok1 := strings.Cut(text, " [ ")
	list, rest, ok2 := strings.Cut(after, "]")
	var b []byte
	for s := range strings.FieldsSeq(list) {
		n, err := strconv.ParseInt(s, 10, 8)
		if err != nil {
			ok2 = false
		}
		b = append(b, byte(n))
	}
	if !ok1 || !ok2 {
		return "", "", fmt.Errorf("a constant in a stored expression is not well formed")
	}
	if err := m.datum(typ, b); err != nil {
		return "", "", err
	}
	var out strings.Builder
	out.WriteString(length + " [ ")
	for _, c := range b {
		out.WriteString(strconv.Itoa(int(int8(c))) + " ")
	}
	return out.String() + "]", rest, nil
}

// datum rewrites the OIDs in a value in place.
func (m *treeMover) datum(typ uint32, b []byte) error {
	s := m.shapes[typ]
	switch {
	case regTypes[typ] != "":
		return m.at(regTypes[typ], b, 0)
	case regArrays[typ] != "":
		return m.elements(regArrays[typ], b)
	case s.kind == 'e':
		return m.at(inEnum, b, 0)
	case s.kind == 'a':
		if err := m.at(inType, b, 12); err != nil {
			return err
		}
		switch e := m.shapes[s.element]; e.kind {
		case 'e':
			return m.elements(inEnum, b)
		case 'b':
			return nil
		default:
			return fmt.Errorf("a constant is an array of a type made by a user")
		}
	case (s.kind == 'c' || s.kind == 'r' || s.kind == 'm') && s.deep:
		return fmt.Errorf("a constant is of a type that contains types made by users")
	case s.kind == 'c':
		return m.at(inType, b, 8)
	case s.kind == 'r' || s.kind == 'm':
		return m.at(inType, b, 4)
	}
	return nil
}

// elements rewrites all elements of an array of OIDs.
func (m *treeMover) elements(catalogue string, b []byte) error {
	if len(b) < 16 {
		return m.at(catalogue, b, len(b))
	}
	from := int(binary.NativeEndian.Uint32(b[8:])) // where there are nulls
	if from == 0 {
		from = (16 + 8*int(binary.NativeEndian.Uint32(b[4:])) + 7) &^ 7
	}
	for ; from < len(b); from += 4 {
		if err := m.at(catalogue, b, from); err != nil {
			return err
		}
	}
	return nil
}

func (m *treeMover) at(catalogue string, b []byte, at int) error {
	if at < 0 || at+4 > len(b) {
		return fmt.Errorf("a constant in a stored expression is shorter than its type")
	}
	if to, ok := m.moves[catalogue][binary.NativeEndian.Uint32(b[at:])]; ok {
		binary.NativeEndian.PutUint32(b[at:], to)
	}
	return nil
}

// arrays are the moves of a catalogue as two arrays in SQL's text form.
func arrays(m map[uint32]uint32) (from, to string) {
	var old, fresh []string
	for _, o := range slices.Sorted(maps.Keys(m)) {
		old, fresh = append(old, strconv.FormatUint(uint64(o), 10)), append(fresh, strconv.FormatUint(uint64(m[o]), 10))
	}
	return "{" + strings.Join(old, ",") + "}", "{" + strings.Join(fresh, ",") + "}"
}
