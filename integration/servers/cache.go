package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// cacheDir returns the folder of what is built once for all clones of a user.
func cacheDir() (string, error) {
	if dir := os.Getenv("OTELNPD_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: set OTELNPD_CACHE: %w", err)
	}
	return filepath.Join(dir, "otelnpd"), nil
}

// recipe makes a folder of programs.
type recipe struct {
	// name is the folder's first part and stands in messages.
	name string
	// key is all that decides the content: versions, module files. The Go version
	// and the machine's architecture are added to it.
	key []string
	// programs must be in the folder afterwards.
	programs []string
	// make fills the folder; it may take minutes.
	make func(ctx context.Context, folder string) error
}

// get returns the folder of the recipe's programs, made now where the cache has
// none. Of several processes that ask for it one makes it and the others wait. A
// folder appears whole or not at all.
func (r *recipe) get(ctx context.Context) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "servers", r.name+"-"+r.hash())
	if r.complete(folder) {
		return folder, nil
	}
	unlock, err := lock(ctx, folder+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if r.complete(folder) {
		return folder, nil
	}
	if err := r.build(ctx, folder); err != nil {
		return "", fmt.Errorf("get %s into the cache: %w", r.name, err)
	}
	return folder, nil
}

func (r *recipe) build(ctx context.Context, folder string) error {
	started := time.Now()
	progress("getting %s into %s (once)", r.name, folder)
	temporary, err := os.MkdirTemp(filepath.Dir(folder), "."+r.name+"-")
	if err != nil {
		return err
	}
	err = r.make(ctx, temporary)
	if err == nil && !r.complete(temporary) {
		err = fmt.Errorf("not all of %v came out of it", r.programs)
	}
	if err == nil {
		err = errors.Join(os.RemoveAll(folder), os.Rename(temporary, folder))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	progress("got %s in %s", r.name, time.Since(started).Round(time.Second))
	return nil
}

func (r *recipe) complete(folder string) bool {
	for _, program := range r.programs {
		if info, err := os.Stat(filepath.Join(folder, program)); err != nil || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

func (r *recipe) hash() string {
	hash := sha256.New()
	for _, part := range append([]string{runtime.Version(), runtime.GOARCH}, r.key...) {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

// lock takes the lock file, waiting for whoever holds it. The kernel releases it
// should this process die.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if !told {
			progress("waiting for another process to release %s", path)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for the lock %s: %w", path, ctx.Err()), file.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// progress tells what takes long, past the test's own output, which go test holds
// back.
func progress(format string, values ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "servers: "+format+"\n", values...)
}
