package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every test that the page on security leans on exists where it says.
func TestSecurityPageNamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	require.NoError(t, err)
	claims := regexp.MustCompile(`\[((?:Test|Fuzz)\w+)\]\(\.\./([^)]+_test\.go)\)`).FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(claims), 30)
	for _, claim := range claims {
		source, err := os.ReadFile(filepath.Join(root, claim[2]))
		require.NoError(t, err, claim[1])
		require.True(t, bytes.Contains(source, []byte("\nfunc "+claim[1]+"(")), "%s is not in %s", claim[1], claim[2])
	}
}
