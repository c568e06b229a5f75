package httpserve

import (
	"html"
	"net/http"
	"strings"
)

// Link is an entry of a [Page].
type Link struct{ Path, Text string }

// Page returns a handler that shows a small page of links, for people who come
// with a browser.
func Page(title string, links ...Link) http.Handler {
	var page strings.Builder
	page.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>")
	page.WriteString(html.EscapeString(title) + "</title></head>\n<body>\n<h1>" + html.EscapeString(title) + "</h1>\n<ul>\n")
	for _, link := range links {
		page.WriteString(`<li><a href="` + html.EscapeString(link.Path) + `">` + html.EscapeString(link.Path) +
			"</a> – " + html.EscapeString(link.Text) + "</li>\n")
	}
	page.WriteString("</ul>\n</body>\n</html>\n")
	text := []byte(page.String())
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// An error here is a client that has gone.
		_, _ = w.Write(text)
	})
}
