package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// An asker asks whoever sits at the terminal, if there is one.
type asker struct {
	in       *os.File
	lines    *bufio.Reader
	out      io.Writer
	terminal bool
}

func newAsker(in *os.File, out io.Writer) *asker {
	return &asker{in: in, lines: bufio.NewReader(in), out: out, terminal: term.IsTerminal(int(in.Fd()))}
}

// line asks for a line; an empty answer is otherwise.
func (a *asker) line(question, otherwise string) (string, error) {
	if !a.terminal {
		return otherwise, nil
	}
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	fmt.Fprint(a.out, question+": ")
	text, err := a.lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if text = strings.TrimSpace(text); text == "" {
		return otherwise, nil
	}
	return text, nil
}

// secret asks for a line that is not shown.
func (a *asker) secret(question string) (string, error) {
	fmt.Fprint(a.out, question+": ")
	text, err := term.ReadPassword(int(a.in.Fd()))
	fmt.Fprintln(a.out)
	return string(text), err
}
