package npd

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// object reads the members of a JSON object as encoding/json decodes them into a
// struct: letters of keys may be of either case, of a key that is there twice the
// last counts, null leaves the default, and keys that nobody knows are left. What
// is odd of this is warned of.
type object struct {
	jsonValue
	fields map[string]jsonValue // by known key
}

// object reads a value as an object with these keys. ok is false, and the object
// empty, where it is none.
func (v jsonValue) object(known ...string) (o object, ok bool) {
	o = object{jsonValue: v, fields: map[string]jsonValue{}}
	switch v.kind {
	case jsonNull:
		return o, true
	case jsonObject:
	default:
		v.fail("want an object {…}, not %s", v.show())
		return o, false
	}
	for _, member := range v.members {
		o.take(member, known)
	}
	return o, true
}

func (o object) take(member jsonMember, known []string) {
	for _, key := range known {
		if !strings.EqualFold(key, member.key) {
			continue
		}
		if key != member.key {
			member.value.warn("write the key as %q", key)
		}
		if _, twice := o.fields[key]; twice {
			member.value.warn("is set twice: this one counts")
		}
		o.fields[key] = member.value
		return
	}
	member.value.warn("is unknown and has no effect: %s", suggestKey(member.key, known))
}

func suggestKey(written string, known []string) string {
	if nearest, ok := strictyaml.Nearest(written, known); ok {
		return "did you mean " + strconv.Quote(nearest) + "?"
	}
	return "leave it out"
}

// get returns a member that is there and of a kind; others are wrong.
func (o object) get(key string, kind jsonKind, want string) (v jsonValue, ok bool) {
	v, ok = o.fields[key]
	if !ok || v.kind == jsonNull {
		return v, false
	}
	if v.kind != kind {
		v.fail("want %s, not %s", want, v.show())
		return v, false
	}
	return v, true
}

// has tells whether a member is there and not null.
func (o object) has(key string) bool {
	v, ok := o.fields[key]
	return ok && v.kind != jsonNull
}

// at returns a member, or the object itself where it has none, to tell of.
func (o object) at(key string) jsonValue {
	if v, ok := o.fields[key]; ok {
		return v
	}
	missing := o.jsonValue
	missing.path = extend(missing.path, key)
	return missing
}

func (o object) text(key string) string {
	v, _ := o.get(key, jsonText, `text like "…"`)
	return v.text
}

func (o object) boolean(key string, initial bool) bool {
	v, ok := o.get(key, jsonBool, "true or false")
	if !ok {
		return initial
	}
	return v.text == "true"
}

func (o object) integer(key string, initial int) int {
	v, ok := o.get(key, jsonNumber, "a whole number")
	if !ok {
		return initial
	}
	n, err := strconv.ParseInt(v.text, 10, strconv.IntSize)
	if err != nil {
		v.fail("want a whole number, not %s", v.text)
	}
	return int(max(min(n, math.MaxInt), math.MinInt))
}

// duration reads a Go duration; where the key is absent or wrong, or empty and that
// is allowed, it is the initial one.
func (o object) duration(key string, initial time.Duration, emptyIsAbsent bool) time.Duration {
	v, ok := o.get(key, jsonText, `a time like "30s"`)
	if !ok || v.text == "" && emptyIsAbsent {
		return initial
	}
	d, err := time.ParseDuration(v.text)
	if err != nil {
		v.fail(`%s is no time: write one with its unit, for example "30s", "5m" or "1h30m"`, quoted(v.text))
		return initial
	}
	return d
}

func (o object) list(key string) []jsonValue {
	v, _ := o.get(key, jsonList, "a list […]")
	return v.items
}

// texts reads an object whose values are all texts, by exact key.
func (o object) texts(key string) map[string]jsonValue {
	v, _ := o.get(key, jsonObject, "an object {…}")
	texts := map[string]jsonValue{}
	for _, member := range v.members {
		if _, twice := texts[member.key]; twice {
			member.value.warn("is set twice: this one counts")
		}
		if member.value.kind != jsonText && member.value.kind != jsonNull {
			member.value.fail(`want text like "…", not %s`, member.value.show())
		}
		texts[member.key] = member.value
	}
	return texts
}
