// Command signalbox-top shows in a terminal, again and again, what a signalbox server has and which of its clients cost the
// most. It asks the server's debug listener, DEBUG_ADDR, or with a token the server itself.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// clear moves to the upper left and clears what is below it.
const clear = "\x1b[H\x1b[J"

type options struct {
	url   string
	token string
	every time.Duration
	n     int
	once  bool
}

// load is what a client costs, as /debug/clients tells it.
type load struct {
	Client, User, Addr               string
	PacketsPerSecond, BytesPerSecond float64
	OutboxBytes                      int64
}

// handled is what a handler was busy with, as /debug/handlers tells it.
type handled struct {
	Namespace, Event                     string
	Count                                int
	TotalNanoseconds, LongestNanoseconds time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "signalbox-top:", err)
		os.Exit(1)
	}
}

// run shows what the server says until ctx is over.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	fs := flag.NewFlagSet("signalbox-top", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.url, "url", "http://127.0.0.1:6060", "the server's debug listener, as DEBUG_ADDR names it; with ADMIN_TOKEN in the environment the server itself")
	o.token = os.Getenv("ADMIN_TOKEN")
	fs.DurationVar(&o.every, "every", 2*time.Second, "how long clients are watched for each picture, a minute at most")
	fs.IntVar(&o.n, "n", 20, "how many clients, 1000 at most")
	fs.BoolVar(&o.once, "once", false, "show one picture and end")
	if err := fs.Parse(args); err != nil {
		return err
	}
	below := "/debug"
	if o.token != "" {
		below = "/console"
	}
	o.url = strings.TrimSuffix(o.url, "/") + below
	for {
		text, err := picture(ctx, o)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case !o.once:
			text = clear + text
		}
		if _, err := io.WriteString(stdout, text); err != nil || o.once {
			return err
		}
	}
}

// picture asks the server once.
func picture(ctx context.Context, o options) (string, error) {
	var clients []load
	var handlers []handled
	var counts map[string]int64
	query := fmt.Sprintf("?for=%s&n=%d", o.every, o.n)
	ended := make(chan error, 1)
	go func() { ended <- get(ctx, o, "/handlers"+query, &handlers) }() // awaited right below
	err := get(ctx, o, "/clients"+query, &clients)
	if err = errors.Join(err, <-ended); err == nil {
		err = get(ctx, o, "/counts", &counts)
	}
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "signalbox at %s, %s\n%d clients of Socket.IO with %d sockets, %d plain websockets, %d streams, %d rooms; %s wait to be sent, heap %s, %d goroutines\n\n",
		o.url, time.Now().Format(time.TimeOnly), counts["clients"], counts["sockets"], counts["websockets"], counts["streams"],
		counts["rooms"], size(float64(counts["outboxBytes"])), size(float64(counts["heapBytes"])), counts["goroutines"])
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PACKETS/S\tBYTES/S\tOUTBOX\tADDRESS\tUSER\tCLIENT")
	for _, c := range clients {
		fmt.Fprintf(w, "%.1f\t%s\t%s\t%s\t%s\t%s\n", c.PacketsPerSecond, size(c.BytesPerSecond), size(float64(c.OutboxBytes)),
			plain(c.Addr), plain(c.User), plain(c.Client))
	}
	fmt.Fprintln(w, "\nEVENTS/S\tBUSY\tEACH\tLONGEST\tNAMESPACE\tEVENT")
	for _, h := range handlers[:min(len(handlers), slowest)] {
		fmt.Fprintf(w, "%.1f\t%.1f %%\t%s\t%s\t%s\t%s\n", float64(h.Count)/o.every.Seconds(), 100*h.TotalNanoseconds.Seconds()/o.every.Seconds(),
			(h.TotalNanoseconds / time.Duration(max(h.Count, 1))).Round(time.Microsecond), h.LongestNanoseconds.Round(time.Microsecond), plain(h.Namespace), plain(h.Event))
	}
	_ = w.Flush() // to b
	return b.String(), nil
}

// slowest is how many events are shown beside clients.
const slowest = 5

// get reads a JSON answer, for which the server watches its clients.
func get(ctx context.Context, o options, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, o.every+10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url+path, nil)
	if err != nil {
		return err
	}
	if o.token != "" {
		req.Header.Set("Authorization", "Bearer "+o.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w (start the server with DEBUG_ADDR=127.0.0.1:6060)", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		return fmt.Errorf("%s: %s: %s", o.url+path, res.Status, bytes.TrimSpace(text))
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// size writes a number of bytes.
func size(n float64) string {
	for _, unit := range []string{"B", "kB", "MB"} {
		if n < 1000 {
			return strconv.FormatFloat(n, 'f', 0, 64) + " " + unit
		}
		n /= 1000
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " GB"
}

// plain is a text of a client without what a terminal would take for a command, and not longer than a column.
func plain(text string) string {
	const most = 40
	var b strings.Builder
	for i, r := range []rune(text) {
		if i == most {
			b.WriteString("...")
			break
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
