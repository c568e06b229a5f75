package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// result is a line of go test -bench.
type result struct {
	// name is without the prefix Benchmark and the suffix of processors.
	name string
	// values by their unit, and the units in order.
	values map[string]float64
	units  []string
}

// parse reads the output of go test -bench, as the Go benchmark data format
// (golang.org/design/14313-benchmark-format) has it.
func parse(output []byte) []result {
	var results []result
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		r := result{name: plainName(fields[0]), values: map[string]float64{}}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil || (value == 0 && fields[i+1] == "ns/op") { // a zero time: not what was measured
				continue
			}
			r.values[fields[i+1]] = value
			r.units = append(r.units, fields[i+1])
		}
		results = append(results, r)
	}
	return results
}

func plainName(name string) string {
	name = strings.TrimPrefix(name, "Benchmark")
	if at := strings.LastIndexByte(name, '-'); at > 0 {
		if _, err := strconv.Atoi(name[at+1:]); err == nil {
			return name[:at]
		}
	}
	return name
}

// The part of a benchmark's name that says which implementation it measures.
const (
	implementation = "impl="
	reference      = "impl=reference"
)

// ratio returns how many times the time of r its reference needs.
func ratio(r result, all []result) (float64, bool) {
	parts := strings.Split(r.name, "/")
	for _, other := range all {
		others := strings.Split(other.name, "/")
		if !refersTo(others, parts) || r.values["ns/op"] == 0 {
			continue
		}
		return other.values["ns/op"] / r.values["ns/op"], true
	}
	return 0, false
}

// refersTo returns whether two names differ in one part alone, which is the
// reference's in the first.
func refersTo(first, second []string) bool {
	if len(first) != len(second) {
		return false
	}
	differing := 0
	for i := range first {
		if first[i] == second[i] {
			continue
		}
		if first[i] != reference || !strings.HasPrefix(second[i], implementation) {
			return false
		}
		differing++
	}
	return differing == 1
}

// printTable prints a row a benchmark.
func printTable(out io.Writer, results []result) {
	var units []string
	seen := map[string]bool{}
	compared := false
	for _, r := range results {
		_, found := ratio(r, results)
		compared = compared || found
		for _, unit := range r.units {
			if !seen[unit] {
				seen[unit] = true
				units = append(units, unit)
			}
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	header := append([]string{"benchmark"}, units...)
	if compared {
		header = append(header, "reference ÷ this")
	}
	row := func(cells []string) { fmt.Fprintf(table, "|\t%s\t|\n", strings.Join(cells, "\t|\t")) }
	row(header)
	row(strings.Split(strings.Repeat("---,", len(header)-1)+"---", ","))
	for _, r := range results {
		cells := []string{r.name}
		for _, unit := range units {
			cells = append(cells, number(r.values, unit))
		}
		if compared {
			cells = append(cells, ratioCell(r, results))
		}
		row(cells)
	}
	_ = table.Flush()
}

func ratioCell(r result, all []result) string {
	if times, found := ratio(r, all); found {
		return strconv.FormatFloat(times, 'f', 1, 64)
	}
	return ""
}

func number(values map[string]float64, unit string) string {
	value, there := values[unit]
	if !there {
		return ""
	}
	if value >= 1000 {
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', 4, 64)
}
