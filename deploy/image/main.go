// Command image makes the agent's images for linux/amd64 and linux/arm64 as OCI
// archives, with an SBOM each, on any machine with Go and apt: no container engine,
// no root. The same input makes the same digests.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	build, to, err := parse(args)
	if err != nil {
		return err
	}
	for _, kind := range kinds() {
		made, err := build.image(ctx, kind)
		if err != nil {
			return fmt.Errorf("make the image %s: %w", kind.name, err)
		}
		digest, err := made.write(to)
		if err != nil {
			return fmt.Errorf("write the image %s: %w", kind.name, err)
		}
		fmt.Println(kind.name+":"+build.version, digest)
	}
	return nil
}

// folders are where images go.
type folders struct {
	// out is for archives and SBOMs, roots for the files of images; roots may be empty.
	out, roots string
}

// parse reads the command line.
func parse(args []string) (build *builder, to folders, err error) {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	b := builder{}
	flags.StringVar(&b.root, "root", "../..", "folder of the agent's sources")
	flags.StringVar(&b.version, "version", "dev", "version that the labels tell")
	flags.StringVar(&b.revision, "revision", "unknown", "commit that the labels tell")
	agents := flags.String("agents", "../../dist", "folder of otelnpd-linux-ARCH, built agents")
	flags.StringVar(&to.out, "out", "../../dist/images", "folder for the archives and SBOMs")
	flags.StringVar(&to.roots, "roots", "", "folder for NAME-linux-ARCH.tar, the files of the images; else they are not written")
	cache := flags.String("cache", "", "folder of Debian's packages; else debian in $OTELNPD_CACHE or in the user's cache folder")
	if err := flags.Parse(args); err != nil {
		return nil, to, err
	}
	b.agent = func(arch string) string { return filepath.Join(*agents, "otelnpd-linux-"+arch) }
	if b.created, err = sourceDate(); err != nil {
		return nil, to, err
	}
	return &b, to, b.useCache(*cache)
}

// sourceDate is the time that reproducible builds take for now.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: set it to the seconds since 1970 of the sources, as `git log -1 --format=%%ct` prints them", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
