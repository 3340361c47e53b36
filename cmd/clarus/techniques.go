package main

import (
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/cell"
	"github.com/clarus-project/clarus/technique/equality"
)

// techniques are the ways to protect a value that this program has. Where a
// policy pins none, the first that can do what is asked for is taken.
var techniques = technique.List{
	cell.Technique{},
	equality.Technique{},
}
