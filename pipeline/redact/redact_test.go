package redact_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

func TestURL(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"host":                            "host",
		"host:4317":                       "host:4317",
		"https://[::1]:6443/a%20b":        "https://[::1]:6443/a%20b",
		"unix:///run/x.sock":              "unix:///run/x.sock",
		"https://me:secret@host:1/path":   "https://…@host:1/path",
		"HTTPS://secret@host":             "HTTPS://…@host",
		"https://me:secret@host:x":        "https://…@host:x",
		"https://me:secret/x@host":        "https://…@host",
		"https://me:sec@secret@host":      "https://…@host",
		"https://me:secret@":              "https://…@",
		"me:secret@host":                  "…@host",
		"secret://x@host":                 "…@host",
		"https://host/path?token=secret":  "https://host/path?…",
		"https://host/path#secret":        "https://host/path#…",
		"https://host?":                   "https://host?",
		"https://me:secret@host?a=secret": "https://…@host?…",
		"https://host?mail=x@secret":      "https://…",
		"https://me:secret?x@host":        "https://…",
		"https://me:secret#x@host":        "https://…",
		"?token=secret":                   "?…",
		"https://me:se cret secret@h":     "https://…@h",
		"https://me:%zzsecret@h":          "https://…@h",
	} {
		require.Equal(t, want, redact.URL(text), text)
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"connection refused":                      "connection refused",
		"ask admin@host":                          "ask admin@host",
		`Get "https://host/x?project=1": refused`: `Get "https://host/x?project=1": refused`,
		`parse "https://me:secret@host:x": invalid port ":x" after host`: `parse "https://…@host:x": invalid port ":x" after host`,
		`invalid 'proxy-url' "http://me:a \"secret@h" for cluster "one"`: `invalid 'proxy-url' "http://…@h" for cluster "one"`,
		`invalid 'proxy-url' "me:secret@h:1" for cluster "one"`:          `invalid 'proxy-url' "…@h:1" for cluster "one"`,
		"proxy socks5://me:secret@h:1: gone\nhttp://me:secret@i: gone":   "proxy …@h:1: gone\nhttp://…@i: gone",
	} {
		require.Equal(t, want, redact.Text(text), text)
	}
}

// What is a secret of a URL is in nothing that is shown, wherever in it and whatever is
// in the secret itself.
func TestSecretNeverAppears(t *testing.T) {
	for _, filling := range []string{"", ":", "/", "?", "#", "@", "%", "%zz", " ", `"`, `\`, "://", "[", "]", "&", "é", "\n", "a@b?c#d@"} {
		secret := "hush" + filling + "hush"
		for _, form := range []string{
			"https://me:%s@host:1/path", "http://%s@host", "https://me:%s@host:x", "me:%s@host:4317", "https://me:%s@host?q",
			"https://host/path?token=%s", "https://host/path?a=b&token=%s&c=d", "https://host#%s", "//me:%s@host", ":%s@", "https://me:%s@[::1",
		} {
			text := fmt.Sprintf(form, secret)
			require.NotContains(t, redact.URL(text), "hush", text)
		}
		for _, form := range []string{"https://me:%s@host:1/path", "http://%s@host:x", "socks5://me:%s@host"} {
			text := fmt.Sprintf("find the proxy %q: gone", fmt.Sprintf(form, secret))
			require.NotContains(t, redact.Text(text), "hush", text)
		}
	}
}

func TestError(t *testing.T) {
	require.NoError(t, redact.Error(nil))
	err := &url.Error{Op: "Get", URL: "https://me:secret@host", Err: errors.New("refused")}
	got := redact.Error(err)
	require.ErrorIs(t, got, err)
	require.EqualError(t, got, `Get "https://…@host": refused`)
}
