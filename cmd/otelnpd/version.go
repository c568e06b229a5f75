package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// Set at build time with -ldflags '-X main.version=… -X main.commit=…'.
var (
	version = "dev"
	commit  = "unknown"
)

type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func newVersionCommand() *cobra.Command {
	output := outputText
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  otelnpd version --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := versionInfo{Version: version, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
			if output == outputJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(info)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "otelnpd %s (commit %s, %s, %s/%s)\n",
				info.Version, info.Commit, info.Go, info.OS, info.Arch)
			return err
		},
	}
	addOutputFlag(cmd, &output, outputText, outputJSON)
	return cmd
}
