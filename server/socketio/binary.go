package socketio

import (
	"encoding/json"

	"signalbox/server/rawjson"
)

// checkPlaceholders reports whether every placeholder in args refers to one of the attachments.
//
// Rule: the reference parser refuses a number that is missing, negative, not a number or out of range; a fraction, which
// no encoder writes, is refused as well. CVE-2022-2421.
func checkPlaceholders(args []json.RawMessage, attachments int) error {
	var room [maxAttachments]rawjson.Placeholder
	for _, arg := range args {
		for _, p := range rawjson.Placeholders(room[:0], arg) {
			if p.Num < 0 || p.Num >= attachments {
				return errAttachments
			}
		}
	}
	return nil
}
