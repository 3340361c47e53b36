// Package analyze reads what a statement means out of PostgreSQL 15's own
// analysis: the text that debug_print_rewritten logs (with
// debug_pretty_print off), a list of Query trees with every name resolved and
// every view expanded, becomes a list of Statements.
//
// The package reports and does not decide: which operators may be evaluated
// at a provider, which functions are harmless, which relations are protected
// is the planner's business. It errs to one side only. A node that it does
// not know is still searched for relations, functions, operators and types,
// and makes a filter weaker, never stronger.
//
// What cannot be seen in a tree, and so is not in a Statement: the input and
// output functions of types (also behind COERCEVIAIO), the CHECK constraints
// of domains and tables, triggers, foreign keys, the bodies of functions, the
// support functions of an aggregate or of a sort, the children of a relation,
// and a utility statement, but for the query of DECLARE CURSOR.
package analyze
