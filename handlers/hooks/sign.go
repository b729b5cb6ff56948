package hooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// secretPrefix begins a secret, so that the libraries of the standard take it as it is.
const secretPrefix = "whsec_"

// A key of a secret has so many bytes.
const (
	minKeyBytes = 24
	maxKeyBytes = 64
)

// Keys sign requests: one, or two while they are exchanged.
type Keys [][]byte

// ParseKeys reads HOOKS_SECRET. Its errors hold nothing of it.
func ParseKeys(secret string) (Keys, error) {
	words := strings.Fields(secret)
	if len(words) == 0 || len(words) > 2 {
		return nil, errors.New("write one secret, or two with a space between")
	}
	var keys Keys
	for _, word := range words {
		text, ok := strings.CutPrefix(word, secretPrefix)
		if !ok {
			return nil, errors.New("a secret begins with " + secretPrefix)
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New("what comes after " + secretPrefix + " is no base64")
		}
		if len(key) < minKeyBytes || len(key) > maxKeyBytes {
			return nil, errors.New("a key has 24 to 64 bytes")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// signature returns the header webhook-signature.
func (k Keys) signature(id string, timestamp int64, body []byte) string {
	var b strings.Builder
	for i, key := range k {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(timestamp, 10) + "."))
		mac.Write(body)
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return b.String()
}
