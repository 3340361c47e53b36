// Package oracle asks the same questions of plain PostgreSQL and of Clarus and
// compares the answers: rows, column names, types, command tags, SQLSTATEs and
// transaction states. A World holds the servers; a Script is a text file of
// statements with what plain PostgreSQL answered; Judge compares.
//
// After the questions the World is searched for canaries (package canary).
//
//	go test ./internal/oracle -run TestScripts -update       record what plain PostgreSQL answers
//	go test ./internal/oracle -run TestOracle/sealed         one policy
//	go test ./internal/oracle -run TestOracle -under self    plain PostgreSQL against itself
//
// It is test infrastructure and no part of the program.
package oracle
