package redislink

import (
	"strings"
)

// slots is how many a Redis Cluster has.
const slots = 16384

// slotOf returns the slot of a key, or of a channel of SSUBSCRIBE.
//
// Rule: [Redis Cluster specification].
//
// [Redis Cluster specification]: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
func slotOf(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16 // CRC16-CCITT (XMODEM)
	for i := range len(key) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^key[i]]
	}
	return int(crc) % slots
}

var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()

// keyAt are the commands whose first key is not their first argument; a number of keys comes before it.
var keyAt = map[string]int{"eval": 3, "evalsha": 3, "eval_ro": 3, "evalsha_ro": 3, "fcall": 3, "fcall_ro": 3}

// commandSlot returns the slot of the first key of a command; -1: it has none.
func commandSlot(args []any) int {
	if len(args) < 2 {
		return -1
	}
	at := 1
	if name, ok := args[0].(string); ok {
		if n, special := keyAt[strings.ToLower(name)]; special {
			at = n
		}
	}
	if at >= len(args) {
		return -1
	}
	switch key := args[at].(type) {
	case string:
		return slotOf(key)
	case []byte:
		return slotOf(view(key))
	}
	return -1
}
