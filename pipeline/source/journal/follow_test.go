package journal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// messages reads the texts of all that is there.
func messages(reader *journal.Reader) (texts []string) {
	var e journal.Entry
	for reader.Next(&e) {
		message, _ := e.Get("MESSAGE")
		texts = append(texts, string(message))
	}
	return texts
}

func line(n int, more ...string) journaltest.Entry {
	return journaltest.Entry{
		Realtime: 1_000_000 + uint64(n), Monotonic: uint64(n), Boot: journalfile.ID{1},
		Fields: append([]string{fmt.Sprintf("MESSAGE=line %d", n), "_BOOT_ID=" + journalfile.ID{1}.String()}, more...),
	}
}

// TestEveryStepOfTheWriter looks at the journal after each single change that a writer
// makes who writes several files, rotates and vacuums them: nothing is missing, nothing
// comes twice, and all is in order.
func TestEveryStepOfTheWriter(t *testing.T) {
	for name, matches := range map[string]journalfile.Matches{"all": nil, "matches": {"PARITY=odd"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			series := &journaltest.Series{ID: journaltest.NewID()}
			reader := open(t, journal.Options{Directories: []string{directory}, Matches: matches})
			var got, want []string
			look := func() {
				reader.Refresh()
				got = append(got, messages(reader)...)
			}
			files := map[string]*journaltest.Writer{}
			writer := func(name string) *journaltest.Writer {
				if files[name] == nil {
					files[name] = journaltest.Create(t, filepath.Join(directory, name), journaltest.Layout{Compact: true, Keyed: true}, series)
					files[name].AfterWrite = look
				}
				return files[name]
			}
			archives := []string{}
			for n := range 80 {
				parity := []string{"even", "odd"}[n/2%2]
				if parity == "odd" || matches == nil {
					want = append(want, fmt.Sprintf("line %d", n))
				}
				name := []string{"system.journal", "system.journal", "user-7.journal"}[n%3]
				writer(name).Append(line(n, "PARITY="+parity))
				if n%9 != 8 {
					continue
				}
				writer(name).SetState(2)
				archives = append(archives, fmt.Sprintf("%s@%d.journal", name, n))
				require.NoError(t, os.Rename(filepath.Join(directory, name), filepath.Join(directory, archives[len(archives)-1])))
				delete(files, name)
				if len(archives) > 2 {
					require.NoError(t, os.Remove(filepath.Join(directory, archives[0])))
					archives = archives[1:]
				}
			}
			look()
			look() // what the first has shown to be whole
			require.Equal(t, want, got)
			require.Zero(t, reader.Stats().Damaged)
			require.Empty(t, reader.Faults())
			require.LessOrEqual(t, reader.Files(), len(files), "what is finished is closed")
		})
	}
}

// follower reads in a goroutine of its own.
type follower struct {
	mu   sync.Mutex
	got  []string
	stop func()
}

func follow(t *testing.T, options journal.Options) *follower {
	t.Helper()
	reader, err := journal.Open(options)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			texts := messages(reader)
			f.mu.Lock()
			f.got = append(f.got, texts...)
			f.mu.Unlock()
			if err := reader.Wait(ctx); err != nil {
				return
			}
			reader.Refresh()
		}
	})
	f.stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(f.stop)
	return f
}

// lines returns the numbered ones.
func (f *follower) lines() (lines []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range f.got {
		if strings.HasPrefix(text, "line ") {
			lines = append(lines, text)
		}
	}
	return lines
}

func (f *follower) await(t *testing.T, n int) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			lines := f.lines()
			t.Logf("%d lines, the last ones: %q", len(lines), lines[max(0, len(lines)-5):])
		}
	})
	journaltest.Await(t, fmt.Sprintf("%d lines", n), func() bool { return len(f.lines()) >= n })
}

func numbered(from, to int) (lines []string) {
	for n := from; n < to; n++ {
		lines = append(lines, fmt.Sprintf("line %d", n))
	}
	return lines
}

// TestJournald follows a live journald through rotations and vacuums, its death and
// its next start, with a directory that appears later, and compares with journalctl.
func TestJournald(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "log", "journal")
	all := follow(t, journal.Options{Directories: []string{directory}})
	odd := follow(t, journal.Options{Directories: []string{directory}, Matches: journalfile.Matches{"PARITY=odd", "NUMBERED=yes"}})
	require.NoError(t, os.MkdirAll(directory, 0o755))
	daemon := journaltest.StartJournald(t, directory)
	lines := 1200
	if os.Getenv("OTELNPD_SOAK") != "" {
		lines = 30_000
	}
	for n := range lines {
		daemon.Send(fmt.Sprintf("MESSAGE=line %d", n), "NUMBERED=yes", "PARITY="+[]string{"even", "odd"}[n%2])
		switch n {
		case 100, 300, 301, 800:
			daemon.Rotate()
		case 500:
			daemon.Rotate()
			all.await(t, n+1) // what is vacuumed is emptied, too
			odd.await(t, (n+1)/2)
			daemon.Vacuum("1")
		case 600, 1000:
			all.await(t, n) // what a killed journald has not read from its socket is lost
			journaltest.Await(t, "the line before", func() bool { return len(all.lines()) > n })
			daemon.Kill()
			daemon = journaltest.StartJournald(t, directory)
		}
	}
	all.await(t, lines)
	odd.await(t, lines/2)
	daemon.Stop()
	all.stop()
	odd.stop()
	require.Equal(t, numbered(0, lines), all.lines(), "nothing is missing, nothing twice")
	require.Len(t, odd.lines(), lines/2)

	want := journaltest.ParseExport(t, journaltest.Journalctl(t, "-D", directory, "-o", "export", "--all"))
	reader := open(t, journal.Options{Directories: []string{directory}, MaxField: 1 << 20, Keep: true})
	require.Equal(t, want, readAll(t, reader.Next), "and as journalctl tells it")
}

// TestFlush has the entries of /run copied to /var and deleted, as journald does when
// /var is there: they are told once.
func TestFlush(t *testing.T) {
	run, persistent := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "var")
	require.NoError(t, os.Mkdir(run, 0o755))
	reader := open(t, journal.Options{Directories: []string{persistent, run}})
	early := journaltest.Create(t, filepath.Join(run, "system.journal"), journaltest.Layout{Keyed: true}, &journaltest.Series{ID: journaltest.NewID()})
	for n := range 20 {
		early.Append(line(n))
	}
	reader.Refresh()
	require.Equal(t, numbered(0, 20), messages(reader))
	early.Append(line(20)) // not read before it is copied
	require.NoError(t, os.Mkdir(persistent, 0o755))
	late := journaltest.Create(t, filepath.Join(persistent, "system.journal"), journaltest.Layout{Keyed: true}, &journaltest.Series{ID: journaltest.NewID()})
	for n := range 21 {
		late.Append(line(n))
	}
	require.NoError(t, os.Remove(filepath.Join(run, "system.journal")))
	late.Append(line(21))
	reader.Refresh()
	require.Equal(t, numbered(20, 22), messages(reader))
	late.Append(line(22))
	reader.Refresh()
	require.Equal(t, numbered(22, 23), messages(reader))
}

func TestLateSeriesIsTold(t *testing.T) {
	directory := t.TempDir()
	first := journaltest.Create(t, filepath.Join(directory, "a.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	first.Append(line(5))
	reader := open(t, journal.Options{Directories: []string{directory}})
	require.Equal(t, numbered(5, 6), messages(reader))
	other := journaltest.Create(t, filepath.Join(directory, "b.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	other.Append(line(3))
	reader.Refresh()
	require.Equal(t, numbered(3, 4), messages(reader), "earlier by the clock, and yet new")
}

func TestWait(t *testing.T) {
	parent := t.TempDir()
	directory := filepath.Join(parent, "not", "yet")
	reader := open(t, journal.Options{Directories: []string{directory}, Poll: time.Hour})
	require.Len(t, reader.Faults(), 1)
	require.ErrorIs(t, reader.Faults()[0].Err, os.ErrNotExist)
	wait := func() bool {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := reader.Wait(ctx)
		reader.Refresh()
		return err == nil
	}
	require.NoError(t, os.WriteFile(filepath.Join(parent, "neighbor"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(parent, "not"), 0o755))
	require.True(t, wait())
	require.NoError(t, os.Mkdir(directory, 0o755))
	require.True(t, wait())
	require.Empty(t, reader.Faults())
	w := journaltest.Create(t, filepath.Join(directory, "a.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	for texts := []string{}; len(texts) == 0; texts = messages(reader) {
		if w.AfterWrite == nil {
			w.AfterWrite = func() {}
			w.Append(line(1))
		}
		require.True(t, wait())
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	for err := error(nil); err == nil; err = reader.Wait(ctx) { // what has not been told yet
	}
	require.ErrorIs(t, ctx.Err(), context.Canceled)
}

// TestDebounce writes without a pause: Wait returns some times a second.
func TestDebounce(t *testing.T) {
	directory := t.TempDir()
	w := journaltest.Create(t, filepath.Join(directory, "a.journal"), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
	reader := open(t, journal.Options{Directories: []string{directory}, Poll: 3 * time.Second})
	var got []string
	woken, begun := 0, time.Now()
	var done sync.WaitGroup
	const lines = 2000
	done.Go(func() {
		for n := range lines {
			w.Append(line(n))
		}
	})
	for len(got) < lines {
		require.NoError(t, reader.Wait(t.Context()))
		woken++
		reader.Refresh()
		got = append(got, messages(reader)...)
	}
	done.Wait()
	took := time.Since(begun)
	require.Equal(t, numbered(0, lines), got)
	require.LessOrEqual(t, woken, 3+int(took/(50*time.Millisecond)))
	t.Logf("%d lines in %v, woken %d times", lines, took.Round(time.Millisecond), woken)
}
