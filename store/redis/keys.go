package redis

import (
	"embed"
	"strconv"
	"strings"
	"time"

	"signalbox/store/redislink"
)

// keyLife is how long a key stays when no node puts that off any more: the whole cluster is off, and for good.
const keyLife = 24 * time.Hour

// keys are the names of the keys that all nodes share. They have one hash tag, so a script may change any of them.
type keys struct {
	lease, run, leaving, version, seen, dead, work, claim string
	ids, rooms, owners, seq                               string
}

func keysOf(prefix string) keys {
	base := keyBase(prefix) + "{nodes}:"
	return keys{
		lease: base + "lease", run: base + "run", leaving: base + "leaving", version: base + "version",
		seen: base + "seen", dead: base + "dead", work: base + "work", claim: base + "claim",
		ids: base + "ids", rooms: base + "rooms", owners: base + "owners", seq: base + "seq",
	}
}

// all returns the keys in the order in which lua/head.lua names them.
func (k *keys) all() []string {
	return []string{k.ids, k.rooms, k.owners, k.seq, k.lease, k.run, k.leaving, k.version, k.seen, k.dead, k.work, k.claim}
}

// noticeKeys are the names of the keys of one incarnation of a node. They have a hash tag of their own: nothing that is done
// to them must be atomic with the rest, and the nodes of a Redis Cluster share the load.
type noticeKeys struct{ notices, left, taken, rest string }

func noticeKeysOf(prefix, run string) noticeKeys {
	base := keyBase(prefix) + "{" + run + "}:"
	return noticeKeys{notices: base + "wills", left: base + "left", taken: base + "taken", rest: base + "rest"}
}

func keyBase(prefix string) string { return prefix + "-signalbox:" }

//go:embed lua/*.lua
var lua embed.FS

// script puts a script together from files below lua.
func script(names ...string) *redislink.Script { return redislink.NewScript(scriptText(names...)) }

// scriptText is the text of a script. A name that is not there is a programmer's mistake.
func scriptText(names ...string) string {
	var b strings.Builder
	b.WriteString("local life = " + strconv.FormatInt(keyLife.Milliseconds(), 10) + "\n")
	for _, name := range names {
		text, err := lua.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err)
		}
		b.Write(text)
	}
	return b.String()
}

// sized writes s behind its length, so that texts put together cannot be taken for others.
func sized(s string) string { return strconv.Itoa(len(s)) + ":" + s }

// unsized reads what sized has written at the beginning of s.
func unsized(s string) (text, rest string, ok bool) {
	digits, rest, ok := strings.Cut(s, ":")
	if !ok {
		return "", "", false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > len(rest) {
		return "", "", false
	}
	return rest[:n], rest[n:], true
}
