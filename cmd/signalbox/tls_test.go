package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/listen/certtest"
)

// startSecure starts signalbox with TLS and returns its address, https://, and a client for it.
func startSecure(t *testing.T, settings ...string) (url string, client *http.Client, p *process) {
	t.Helper()
	pair := certtest.New(t)
	p = startProcess(t, append(settings, "TLS_CERT_FILE="+pair.Cert, "TLS_KEY_FILE="+pair.Key)...)
	transport := &http.Transport{TLSClientConfig: pair.Client(), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return p.url, &http.Client{Transport: transport}, p
}

// TestEveryDoorOverTLS: websockets by HTTP/1.1, polling and streams by HTTP/2.
func TestEveryDoorOverTLS(t *testing.T) {
	url, client, p := startSecure(t)
	if !strings.HasPrefix(url, "https://") {
		t.Fatalf("the start text names %s", url)
	}
	one := &http.Client{Transport: &http.Transport{TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig.Clone()}}
	defer one.CloseIdleConnections()
	one.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}

	stream, err := client.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if stream.ProtoMajor != 2 || stream.StatusCode != 200 || !strings.HasPrefix(stream.Header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("/events = %s %d, %v", stream.Proto, stream.StatusCode, stream.Header)
	}
	lines := bufio.NewReader(stream.Body)

	ws, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", &websocket.DialOptions{HTTPClient: one})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	read := func(want string) {
		t.Helper()
		_, data, err := ws.Read(ctx)
		if err != nil || !strings.HasPrefix(string(data), want) {
			t.Fatalf("received %q, %v, want %s", data, err, want)
		}
	}
	read("0{")
	write(t, ws, "40")
	read("40{")
	large := strings.Repeat("0123456789", 30_000) // 19 records of TLS
	ws.SetReadLimit(1 << 20)
	for range 3 {
		write(t, ws, `42["join",{"senderUserId":7,"recipientUserId":-1}]`)
		write(t, ws, `421["hello",{"recipientUserId":7,"text":"`+large+`"}]`)
		read(`42["hello",{"recipientUserId":7,"text":"` + large)
		read(`431[{"ok":true`)
	}

	tap, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/tap", &websocket.DialOptions{HTTPClient: one})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.CloseNow()
	write(t, tap, `{"connectionId":"hello"}`)
	seen := make(chan bool, 1)
	go func() { // awaited below
		for {
			line, err := lines.ReadString('\n')
			if err != nil || strings.Contains(line, "hello") {
				seen <- err == nil
				return
			}
		}
	}()
	select {
	case ok := <-seen:
		if !ok {
			t.Error("the stream ended")
		}
	case <-time.After(patience):
		t.Error("nothing comes by the stream")
		stream.Body.Close()
		<-seen
	}

	res, err := client.Get(url + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.ProtoMajor != 2 || !strings.HasPrefix(string(body), "0{") {
		t.Errorf("a handshake by polling = %s %q", res.Proto, body)
	}
	ws.CloseNow() // or the server waits for the answers to its close frames
	tap.CloseNow()
	// The end of the stream by the server ends the request.
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); err != nil {
		t.Errorf("the stream ended with %v after %q", err, rest)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, p.log)
	}
}

// TestCurlOverTLS has another TLS than Go's speak to it.
func TestCurlOverTLS(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	url, _, _ := startSecure(t)
	out, err := exec.Command("curl", "-sk", "--tls-max", "1.2", "-w", " %{http_version}", url+"/readyz").Output()
	if err != nil || string(out) != "ready 2" {
		t.Errorf("curl = %q, %v", out, err)
	}
}
