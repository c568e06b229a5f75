package agentlog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// timeLayout is RFC 3339 in milliseconds; times are written in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// textHandler writes lines for people:
//
//	2026-01-02T03:04:05.678Z WARN  cannot open /dev/kmsg  receiver=kmsg error="permission denied"
//
// slog's own handler lays out the attributes, behind the message.
type textHandler struct {
	attributes slog.Handler // writes into line
	line       *lockedBuffer
	output     io.Writer
	color      bool
}

func newTextHandler(output io.Writer, level slog.Leveler, color bool) *textHandler {
	line := &lockedBuffer{}
	return &textHandler{
		attributes: slog.NewTextHandler(line, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutHead}),
		line:       line, output: output, color: color,
	}
}

// noMessage stands for the message in what slog's handler is given, so that it
// can be told from an attribute of the same name.
const noMessage = "\x00"

// withoutHead takes out what textHandler writes itself.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	_, isLevel := a.Value.Any().(slog.Level)
	if (a.Key == slog.LevelKey && isLevel) || (a.Key == slog.MessageKey && a.Value.String() == noMessage) {
		return slog.Attr{}
	}
	return a
}

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attributes.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attributes = h.attributes.WithAttrs(attrs)
	return &c
}

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.attributes = h.attributes.WithGroup(name)
	return &c
}

// Handle writes one line.
func (h *textHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.Lock()
	defer h.line.Unlock()
	h.line.line = h.appendHead(h.line.line[:0], r)
	r.Time, r.Message = time.Time{}, noMessage
	if err := h.attributes.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.output.Write(h.line.trimmed())
	return err
}

func (h *textHandler) appendHead(to []byte, r slog.Record) []byte {
	if !r.Time.IsZero() {
		to = append(r.Time.UTC().AppendFormat(to, timeLayout), ' ')
	}
	to = h.appendLevel(to, r.Level)
	return append(terminal.AppendText(to, r.Message), "  "...)
}

func (h *textHandler) appendLevel(to []byte, level slog.Level) []byte {
	word := fmt.Sprintf("%-5s ", level)
	if !h.color {
		return append(to, word...)
	}
	return fmt.Appendf(to, "\x1b[%dm%s\x1b[0m", colorOf(level), word)
}

// colorOf is the SGR code of ECMA-48 for a level's colour.
func colorOf(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 31 // red
	case level >= slog.LevelWarn:
		return 33 // yellow
	case level >= slog.LevelInfo:
		return 32 // green
	default:
		return 36 // cyan
	}
}

// lockedBuffer is a line in the making.
type lockedBuffer struct {
	sync.Mutex

	line []byte
}

// Write appends to the line.
func (b *lockedBuffer) Write(part []byte) (int, error) {
	b.line = append(b.line, part...)
	return len(part), nil
}

// trimmed is the line without the spaces before its end, where no attributes
// follow the message.
func (b *lockedBuffer) trimmed() []byte {
	b.line = append(bytes.TrimRight(b.line, " \n"), '\n')
	return b.line
}
