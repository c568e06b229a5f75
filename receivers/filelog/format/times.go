package format

import (
	"math"
	"strconv"
	"time"
)

// Times is what is known of the time when a line is read: lines leave out the year,
// and where on earth it was.
type Times struct {
	// Zone is that of the host.
	Zone *time.Location
	// Now is when the line is read.
	Now time.Time
	// Last is the time of the line before; zero: there is none.
	Last time.Time

	plain  struct{ from, to time.Time } // around here no clock is set
	minute minute
}

// civil is what a clock on a wall shows. Year 0: it does not say.
type civil struct {
	year, month, day     int
	hour, minute, second int
	nanosecond           int
}

func (c *civil) isValid() bool {
	return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= 31 && c.hour <= 23 && c.minute <= 59 && c.second <= 60
}

// tolerance is how far ahead of the reader's clock a line's may be.
const tolerance = 24 * time.Hour

// of finds out when a clock in the host's zone showed this: without a year, when it
// did last.
func (t *Times) of(c civil) (time.Time, bool) {
	if !c.isValid() {
		return time.Time{}, false
	}
	if c.year != 0 {
		return t.local(c)
	}
	newest := t.Now.In(t.Zone).Year() + 1
	for year := newest; year > newest-10; year-- { // 8 years are between some leap years
		c.year = year
		at, ok := t.local(c)
		if ok && !at.After(t.Now.Add(tolerance)) {
			return at, true
		}
	}
	return time.Time{}, false
}

func (t *Times) local(c civil) (time.Time, bool) {
	at := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nanosecond, t.Zone)
	if c.day > 28 {
		if month := time.Date(c.year, time.Month(c.month), c.day, 12, 0, 0, 0, time.UTC).Month(); int(month) != c.month {
			return time.Time{}, false // there is no such day
		}
	}
	if at.Before(t.plain.from) || at.After(t.plain.to) {
		return t.besideChange(at), true
	}
	return at, true
}

// margin is more than any zone's clocks are set by.
const margin = 3 * time.Hour

// besideChange chooses where the clocks are set back and show an hour twice: the
// first one that is not before the line before.
func (t *Times) besideChange(at time.Time) time.Time {
	from, to := at.ZoneBounds()
	if from.IsZero() {
		from = time.Unix(math.MinInt32, 0)
	}
	if to.IsZero() {
		to = time.Unix(1<<40, 0)
	}
	if at.After(from.Add(margin)) && at.Before(to.Add(-margin)) {
		t.plain.from, t.plain.to = from.Add(margin), to.Add(-margin)
		return at
	}
	_, before := at.Add(-margin).Zone()
	_, after := at.Add(margin).Zone()
	back := time.Duration(before-after) * time.Second
	if back <= 0 {
		return at
	}
	early, late := at, at
	if _, offset := at.Zone(); offset == after {
		early = at.Add(-back)
	} else {
		late = at.Add(back)
	}
	_, first := early.Zone()
	_, second := late.Zone()
	switch {
	case first != before:
		return late // shown once, after the change
	case second != after:
		return early // shown once, before it
	case t.Last.After(early) && !late.After(t.Now.Add(time.Minute)):
		return late
	default:
		return early
	}
}

// minute is one that a line showed: those that follow mostly show the same.
type minute struct {
	text   [maxMinute]byte // up to the seconds
	length int             // of the text; 0: there is none
	now    time.Time       // when it was read, if it has no zone
	at     time.Time       // its beginning; in UTC, if a zone is behind it
}

// maxMinute is how long the text of a minute is at most.
const maxMinute = len("2006-01-02T15:04:")

// is tells whether a text begins with the minute, and seconds are behind it.
func (m *minute) is(text []byte, length int) (seconds int, ok bool) {
	if m.length != length || len(text) < length+2 || string(text[:length]) != string(m.text[:length]) {
		return 0, false
	}
	tens, ones := text[length]-'0', text[length+1]-'0'
	return int(tens)*10 + int(ones), tens <= 6 && ones <= 9 && (tens < 6 || ones == 0)
}

// keep notes that a text begins with a minute in which the time was.
func (m *minute) keep(text []byte, at time.Time, c *civil, now time.Time) {
	m.length = copy(m.text[:], text)
	m.now, m.at = now, at.Add(-time.Duration(c.second)*time.Second-time.Duration(c.nanosecond))
}

// add returns the time so long after the beginning, in a zone so far east.
func (m *minute) add(seconds, nanoseconds int, east time.Duration) time.Time {
	return m.at.Add(time.Duration(seconds)*time.Second + time.Duration(nanoseconds) - east)
}

// stamp reads a time without a year or zone: a date as the caller has read it, if
// need be, and 15:04:05 at an offset behind it.
func (t *Times) stamp(text []byte, clock int, date func(c *civil, text []byte) bool) (at time.Time, length int, ok bool) {
	const toSeconds = len("15:04:")
	if len(text) < clock+toSeconds+2 {
		return time.Time{}, 0, false
	}
	if seconds, ok := t.minute.is(text, clock+toSeconds); ok && t.minute.now.Equal(t.Now) {
		nanoseconds, more := subsecond(text[clock+toSeconds+2:])
		return t.minute.add(seconds, nanoseconds, 0), clock + toSeconds + 2 + more, true
	}
	var c civil
	if !date(&c, text) {
		return time.Time{}, 0, false
	}
	length, ok = c.clock(text[clock:])
	if !ok {
		return time.Time{}, 0, false
	}
	if at, ok = t.of(c); ok && t.isPlain(at) {
		t.minute.keep(text[:clock+toSeconds], at, &c, t.Now)
	}
	return at, clock + length, ok
}

// isPlain tells whether all of a minute is counted as this time of it was: no clock is
// set in it, and no part of it is too far ahead.
func (t *Times) isPlain(at time.Time) bool {
	return !at.Before(t.plain.from.Add(time.Minute)) && !at.After(t.plain.to.Add(-time.Minute)) && !at.After(t.Now.Add(tolerance-time.Minute))
}

// digits reads a number of a fixed width; spaces may stand before it.
func digits(text []byte) (n int, ok bool) {
	for i, c := range text {
		if c == ' ' && n == 0 && i < len(text)-1 {
			continue
		}
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(text) > 0
}

// powers are those of ten.
var powers = [...]int{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// fraction reads the digits of a fraction of a second, as nanoseconds.
func fraction(text []byte) (n, length int) {
	for length < len(text) && length < 9 && text[length]-'0' <= 9 {
		n = n*10 + int(text[length]-'0')
		length++
	}
	n *= powers[9-length]
	for length < len(text) && text[length]-'0' <= 9 { // finer than there are
		length++
	}
	return n, length
}

// subsecond reads a fraction behind a second, if there is one.
func subsecond(text []byte) (nanoseconds, length int) {
	if len(text) < 2 || text[0] != '.' && text[0] != ',' {
		return 0, 0
	}
	n, more := fraction(text[1:])
	if more == 0 {
		return 0, 0
	}
	return n, 1 + more
}

// clock reads 15:04:05, and a fraction behind it.
func (c *civil) clock(text []byte) (length int, ok bool) {
	const short = len("15:04:05")
	if len(text) < short || text[2] != ':' || text[5] != ':' {
		return 0, false
	}
	var okHour, okMinute, okSecond bool
	c.hour, okHour = digits(text[0:2])
	c.minute, okMinute = digits(text[3:5])
	c.second, okSecond = digits(text[6:8])
	var more int
	c.nanosecond, more = subsecond(text[short:])
	length = short + more
	return length, okHour && okMinute && okSecond && text[0] != ' '
}

// rfc3339 reads 2006-01-02T15:04:05.999999999Z07:00 at the start of a text; a space
// may stand for the T, and the zone may be missing or without colon.
func (t *Times) rfc3339(text []byte) (at time.Time, length int, ok bool) {
	const date = len("2006-01-02")
	if len(text) < date+9 || text[4] != '-' || text[7] != '-' || (text[date] != 'T' && text[date] != ' ') {
		return time.Time{}, 0, false
	}
	if seconds, ok := t.minute.is(text, maxMinute); ok {
		nanoseconds, more := subsecond(text[maxMinute+2:])
		length = maxMinute + 2 + more
		if east, more, zoned := zone(text[length:]); zoned {
			return t.minute.add(seconds, nanoseconds, east), length + more, true
		}
	}
	var c civil
	var okYear, okMonth, okDay bool
	c.year, okYear = digits(text[0:4])
	c.month, okMonth = digits(text[5:7])
	c.day, okDay = digits(text[8:10])
	length, ok = c.clock(text[date+1:])
	if !ok || !okYear || !okMonth || !okDay || !c.isValid() || c.year == 0 {
		return time.Time{}, 0, false
	}
	length += date + 1
	east, more, zoned := zone(text[length:])
	if !zoned {
		at, ok = t.local(c)
		return at, length, ok
	}
	at = time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, c.nanosecond, time.UTC)
	if at.Day() != c.day && c.second < 60 {
		return time.Time{}, 0, false
	}
	if c.second < 60 { // what may be no such day is not checked else
		t.minute.keep(text[:maxMinute], at, &c, time.Time{})
	}
	return at.Add(-east), length + more, true
}

// zone reads Z, +07:00, +0700 or +07.
func zone(text []byte) (east time.Duration, length int, ok bool) {
	if len(text) == 0 {
		return 0, 0, false
	}
	if text[0] == 'Z' || text[0] == 'z' {
		return 0, 1, true
	}
	if text[0] != '+' && text[0] != '-' || len(text) < 3 {
		return 0, 0, false
	}
	hours, ok := digits(text[1:3])
	if !ok || hours > 23 {
		return 0, 0, false
	}
	minutes, length := 0, 3
	rest := text[3:]
	if len(rest) > 2 && rest[0] == ':' {
		rest, length = rest[1:], 4
	}
	if len(rest) >= 2 {
		if n, ok := digits(rest[:2]); ok && n < 60 && rest[0] != ' ' {
			minutes, length = n, length+2
		} else if length == 4 {
			length = 3
		}
	}
	east = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if text[0] == '-' {
		east = -east
	}
	return east, length, true
}

// any reads a time that a field holds: RFC 3339, or a number of seconds, milliseconds,
// microseconds or nanoseconds since 1970.
func (t *Times) any(text []byte) (time.Time, bool) {
	if at, length, ok := t.rfc3339(text); ok {
		return at, length == len(text)
	}
	if len(text) == 0 || len(text) > 32 || text[0] < '0' || text[0] > '9' {
		return time.Time{}, false
	}
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil || number > 9e18 {
		return time.Time{}, false
	}
	whole, errWhole := strconv.ParseInt(string(text), 10, 64)
	switch {
	case number < 1e11:
		seconds, rest := math.Modf(number)
		return time.Unix(int64(seconds), int64(math.Round(rest*1e6))*1e3), true
	case errWhole != nil:
		return time.UnixMicro(int64(number * 1e3)), true
	case number < 1e14:
		return time.UnixMilli(whole), true
	case number < 1e17:
		return time.UnixMicro(whole), true
	default:
		return time.Unix(0, whole), true
	}
}
