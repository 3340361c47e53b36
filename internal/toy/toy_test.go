package toy_test

import (
	"encoding/binary"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/internal/toy"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/techniquetest"
)

func TestConformance(t *testing.T) {
	int4 := func(n int32) clarus.Value { return clarus.Value{Bytes: binary.BigEndian.AppendUint32(nil, uint32(n))} }
	techniquetest.Run(t, toy.Technique{}, techniquetest.Case{Name: "int4",
		Params: technique.Params{Type: pgvalue.Int4OID, Typmod: -1, Attribute: clarus.AttributeID{Dataset: 1, Attribute: 2}},
		Values: []clarus.Value{int4(-1 << 31), int4(-7), int4(0), int4(1), int4(1<<31 - 1)}})
}
