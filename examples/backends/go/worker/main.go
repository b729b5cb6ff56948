// A backend that connects to signalbox, and speaks its few packets by hand: SIGNALBOX=http://localhost:3000 go run ., with WORKER_KEY as
// signalbox has it. A client library of Socket.IO for Go does as well.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/coder/websocket"

	"signalbox/examples/backends/go/game"
)

// answer returns what to send for a packet, "" for nothing.
func answer(packet string) string {
	head, rest, _ := strings.Cut(packet, "[")
	switch {
	case strings.HasPrefix(packet, "0"): // the connection is open
		return fmt.Sprintf(`40/backend,{"key":%q}`, os.Getenv("WORKER_KEY"))
	case packet == "2": // ping
		return "3"
	case strings.HasPrefix(packet, "40/backend,"): // it is let in
		return `42/backend,0["handle",{"events":["/game:*"]}]`
	case strings.HasPrefix(rest, `"events",`):
		results, _ := game.Answer([]byte(rest[len(`"events",`) : len(rest)-1]))
		return fmt.Sprintf("43%s[%s]", head[2:], results)
	}
	fmt.Println(packet) // the answer to handle, or why it is not let in
	return ""
}

func main() {
	ws, _, err := websocket.Dial(context.Background(), os.Getenv("SIGNALBOX")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err == nil {
		ws.SetReadLimit(8 << 20)
	}
	for err == nil {
		var packet []byte
		_, packet, err = ws.Read(context.Background())
		if said := answer(string(packet)); err == nil && said != "" {
			err = ws.Write(context.Background(), websocket.MessageText, []byte(said))
		}
	}
	log.Fatal(err) // whoever runs it starts it again
}
