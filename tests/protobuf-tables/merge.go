package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Makes one of the tables of several minor versions, each a file named by its minor. A field that isn't the same in all says
// behind its number in which it is so: ` 42@35 workloadRef core/v1.WorkloadReference`.
func merge(files []string) error {
	// The message (or "" for the kinds), then the line, then the versions that have it.
	lines := map[string]map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		minor, message := file[strings.LastIndex(file, "/")+1:], ""
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			switch {
			case strings.HasPrefix(line, "= "):
				add(lines, "", line, minor)
			case strings.HasPrefix(line, " "):
				add(lines, message, line, minor)
			default:
				message = line
				add(lines, message, "", minor)
			}
		}
	}
	messages := make([]string, 0, len(lines))
	for message := range lines {
		messages = append(messages, message)
	}
	slices.Sort(messages)
	for _, message := range messages {
		found := lines[message]
		all := found[""]
		delete(found, "")
		if message != "" {
			fmt.Println(message)
		}
		for _, line := range sorted(found) {
			if in := found[line]; message != "" && len(in) < len(all) {
				number, rest, _ := strings.Cut(strings.TrimPrefix(line, " "), " ")
				line = fmt.Sprintf(" %s@%s %s", number, strings.Join(in, ","), rest)
			}
			fmt.Println(line)
		}
	}
	return nil
}

func add(lines map[string]map[string][]string, message, line, minor string) {
	if lines[message] == nil {
		lines[message] = map[string][]string{}
	}
	lines[message][line] = append(lines[message][line], minor)
}

// Kinds by name, fields by number.
func sorted(found map[string][]string) []string {
	lines := make([]string, 0, len(found))
	for line := range found {
		lines = append(lines, line)
	}
	number := func(line string) int {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, " "), " ")
		number, _ := strconv.Atoi(first)
		return number
	}
	slices.SortFunc(lines, func(a, b string) int {
		if order := number(a) - number(b); order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	return lines
}
