package condition

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/otelnpd/otelnpd/pipeline"
)

// jsonWriter writes JSON objects member by member. Members that are zero are left
// out.
type jsonWriter struct {
	buf []byte
	err error
}

func (w *jsonWriter) open() { w.buf = append(w.buf, '{') }

func (w *jsonWriter) close() { w.buf = append(w.buf, '}') }

func (w *jsonWriter) name(name string) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.textValue(name)
	w.buf = append(w.buf, ':')
}

func (w *jsonWriter) text(name, s string) {
	if s != "" {
		w.name(name)
		w.textValue(s)
	}
}

// textValue writes a string. What is not UTF-8 is replaced.
func (w *jsonWriter) textValue(s string) {
	w.buf = append(w.buf, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"', c == '\\':
			w.buf = append(w.buf, '\\', c)
			i++
		case c < ' ':
			w.buf = append(w.buf, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
			i++
		case c < utf8.RuneSelf:
			w.buf = append(w.buf, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			w.buf = utf8.AppendRune(w.buf, r)
			i += size
		}
	}
	w.buf = append(w.buf, '"')
}

func (w *jsonWriter) flag(name string, is bool) {
	if is {
		w.name(name)
		w.buf = append(w.buf, "true"...)
	}
}

func (w *jsonWriter) number(name string, n int64) {
	if n != 0 {
		w.name(name)
		w.buf = strconv.AppendInt(w.buf, n, 10)
	}
}

func (w *jsonWriter) unsigned(name string, n uint64) {
	if n != 0 {
		w.name(name)
		w.buf = strconv.AppendUint(w.buf, n, 10)
	}
}

func (w *jsonWriter) uid(name string, uid pipeline.UID) {
	if !uid.IsZero() {
		w.name(name)
		w.uidValue(uid)
	}
}

func (w *jsonWriter) uidValue(uid pipeline.UID) {
	w.buf = append(w.buf, '"')
	w.buf = hex.AppendEncode(w.buf, uid[:])
	w.buf = append(w.buf, '"')
}

func (w *jsonWriter) time(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	if !writable(t) {
		w.err = errors.Join(w.err, fmt.Errorf("write the time %s: no text can hold it", t))
		return
	}
	w.name(name)
	w.buf = append(w.buf, '"')
	w.buf = t.UTC().AppendFormat(w.buf, time.RFC3339Nano)
	w.buf = append(w.buf, '"')
}

// extend writes a struct in the usual way, and leaves it open.
func (w *jsonWriter) extend(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		w.err = errors.Join(w.err, err)
		text = []byte("{}")
	}
	w.buf = append(w.buf, text[:len(text)-1]...)
}

// value writes what is rare in the usual way.
func (w *jsonWriter) value(name string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	w.name(name)
	w.buf = append(w.buf, text...)
}

func (w *jsonWriter) array(n int, item func(i int)) {
	w.buf = append(w.buf, '[')
	for i := range n {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		item(i)
	}
	w.buf = append(w.buf, ']')
}

// keptOrder is an [pipeline.Order] as JSON: a list of the boot and the time on its
// clock; then, if it has a place, the source, its generation and the position; then
// the scope, unless that is the boot.
type keptOrder pipeline.Order

func (w *jsonWriter) order(name string, o pipeline.Order) {
	if o == (pipeline.Order{}) {
		return
	}
	w.name(name)
	w.buf = append(w.buf, '[')
	w.textValue(o.Boot.ID)
	w.buf = strconv.AppendInt(append(w.buf, ','), int64(o.Boot.At), 10)
	if place := o.Place; place != (pipeline.Place{}) {
		w.buf = append(w.buf, ',')
		w.textValue(place.Source)
		w.buf = strconv.AppendUint(append(w.buf, ','), place.Generation, 10)
		w.buf = strconv.AppendUint(append(w.buf, ','), place.Position, 10)
		if place.Scope != o.Boot.ID {
			w.buf = append(w.buf, ',')
			w.textValue(place.Scope)
		}
	}
	w.buf = append(w.buf, ']')
}

// UnmarshalJSON implements json.Unmarshaler.
func (k *keptOrder) UnmarshalJSON(text []byte) error {
	var o pipeline.Order
	// A list is read into as many of these as it has.
	into := []any{&o.Boot.ID, &o.Boot.At, &o.Place.Source, &o.Place.Generation, &o.Place.Position, &o.Place.Scope}
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return err
	}
	if n := len(items); n != 2 && n != 5 && n != 6 {
		return fmt.Errorf("an order has %d parts", n)
	}
	for i, item := range items {
		if err := json.Unmarshal(item, into[i]); err != nil {
			return fmt.Errorf("part %d of an order: %w", i, err)
		}
	}
	if len(items) == 5 {
		o.Place.Scope = o.Boot.ID
	}
	*k = keptOrder(o)
	return nil
}
