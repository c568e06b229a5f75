package pstore

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
)

func TestConfigIsCommented(t *testing.T) { strictyamltest.CheckStruct(t, Config{}) }

func TestNames(t *testing.T) {
	for name, want := range map[string]fileName{
		"dmesg-efi-150123456701001":        {kind: "dmesg", backend: "efi"},
		"dmesg-efi_pstore-176415000001001": {kind: "dmesg", backend: "efi_pstore"},
		"dmesg-pstore_blk-1":               {kind: "dmesg", backend: "pstore_blk"},
		"dmesg-erst-7024839120347652097":   {kind: "dmesg", backend: "erst"},
		"dmesg-nvram-1.enc.z":              {kind: "dmesg", backend: "nvram", compressed: true},
		"console-ramoops-0":                {kind: "console", backend: "ramoops"},
		"pmsg-ramoops-0":                   {kind: "pmsg", backend: "ramoops"},
		"dmesg.txt":                        {kind: "dmesg"},
	} {
		got, known := parseName(name)
		require.True(t, known, name)
		require.Equal(t, want, got, name)
	}
	for _, name := range []string{"", "dmesg", "dmesg-", "dmesg-erst", "dmesg--1", "dmesg-erst-", "dmesg-erst-1x", "mce-erst-1", "dmesg.txt~"} {
		_, known := parseName(name)
		require.False(t, known, name)
	}
}

func TestLines(t *testing.T) {
	type form struct {
		text     string
		severity string
		stamp    time.Duration
	}
	stamp := 123456789 * time.Microsecond
	for text, want := range map[string]form{
		"<6>[  123.456789] text":         {"text", "info", stamp},
		"<30>[  123.456789] text":        {"text", "info", stamp},
		"[  123.456789] text":            {"text", "", stamp},
		"[ 123.45] text":                 {"text", "", 123450 * time.Millisecond},
		"<3>[  123.456789][ T1234] text": {"text", "err", stamp},
		"<3>[  123.456789][    C0] text": {"text", "err", stamp},
		"<3>[  123.456789][ task ] text": {"[ task ] text", "err", stamp},
		"<3>text":                        {"text", "err", -1},
		"text":                           {"text", "", -1},
		"[1234567890.000000] text":       {"[1234567890.000000] text", "", -1},
		"[12.1234567890] text":           {"[12.1234567890] text", "", -1},
		"[12] text":                      {"[12] text", "", -1},
		"[12.] text":                     {"[12.] text", "", -1},
		"[-1.5] text":                    {"[-1.5] text", "", -1},
		"<9999>text":                     {"<9999>text", "", -1},
		"<>text":                         {"<>text", "", -1},
		"<6>[  123.456789]":              {"", "info", stamp},
		"<6":                             {"<6", "", -1},
	} {
		var l line
		parseLine(&l.Record, []byte(text))
		require.Equal(t, want.text, string(l.Text), text)
		a := attributes{dump: &dump{parts: make([]part, 1)}}
		a.Record = &l.Record
		severity, known := a.Get("log.severity")
		require.Equal(t, want.severity != "", known, text)
		if known {
			require.Equal(t, want.severity, severity.AsString(), text)
		}
		require.Equal(t, want.stamp >= 0, hasStamp(&l.Record), text)
		require.Equal(t, max(0, want.stamp), l.Boot, text)
	}
}

// FuzzDump: no text makes trouble, and what is told of it is in order and bounded.
func FuzzDump(f *testing.F) {
	require.NoError(f, filepath.WalkDir("testdata", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		f.Add(content)
		return err
	}))
	f.Add([]byte("Panic#1 Part1\n<0>[999999999.999999999] a\nPanic#1 Part1048575\n[0.0]\n\nOops#1048575 Part0\nx"))
	f.Fuzz(func(t *testing.T, content []byte) {
		files := []file{
			{fileName: fileName{kind: typeDmesg, backend: "erst"}, content: content},
			{fileName: fileName{kind: typeDmesg}, content: content, time: time.Unix(1, 0)},
			{fileName: fileName{kind: typeConsole, backend: "ramoops"}, content: content},
		}
		parts := partsOf(files)
		ids := map[string]bool{}
		for _, p := range parts {
			require.False(t, ids[p.id], "each part once")
			ids[p.id] = true
		}
		dumps := groupParts(parts)
		grouped := 0
		for _, d := range dumps {
			grouped += len(d.parts)
			lines := d.lines()
			for i := range lines {
				require.NotEmpty(t, lines[i].raw)
				require.LessOrEqual(t, len(lines[i].Text), maxLine)
				require.GreaterOrEqual(t, lines[i].Boot, time.Duration(0))
				require.True(t, i == 0 || lines[i].position > lines[i-1].position, "positions grow")
			}
			text := message(d, endingOf(d.reason()).words, lines)
			require.LessOrEqual(t, len(text), condition.MaxMessageBytes)
			require.True(t, utf8.ValidString(text))
			dismissConsole(d, dumps)
		}
		require.Equal(t, len(parts), grouped, "no part is lost")
	})
}

// FuzzResume: whatever was kept, nothing comes twice, and what is kept can be read
// back.
func FuzzResume(f *testing.F) {
	f.Add([]byte(`{"boots":[{"id":"a","start":"2025-11-26T09:00:00Z","seen_ns":7}],"dumps":[{"id":"00112233445566778899aabbccddeeff","next":18446744073709551615}]}`))
	settings := pipelinetest.Settings(f, "pstore")
	settings.Logger = slog.New(slog.DiscardHandler)
	settings.Host.Sys, settings.Host.Root = "testdata/erst/sys", f.TempDir()
	look := func(t *testing.T, kept []byte) (sent int, keeps []byte, err error) {
		t.Helper()
		next := pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
			sent += len(batch)
			return nil
		})
		config := DefaultConfig()
		config.MaxAge = 1 << 62
		r, failed := New(settings, config, next)
		require.NoError(t, failed)
		err = r.Resume(kept)
		_, failed = r.look(t.Context())
		require.NoError(t, failed)
		keeps, failed = r.Keep()()
		require.NoError(t, failed)
		return sent, keeps, err
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, kept, _ := look(t, text)
		sent, _, err := look(t, kept)
		require.NoError(t, err)
		require.Zero(t, sent)
	})
}
