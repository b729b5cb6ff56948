package hub

import (
	"slices"
	"testing"
)

const someID = "abcd-zDma5BwQTRzSHI_" // may be a socket's

func TestNamesBetweenServers(t *testing.T) {
	open, closed := Names{}, Names{Verified: true}
	for _, tc := range []struct {
		room            Room
		namespace       string
		name, whereShut string // whereShut: with Verified
	}{
		{Room{KindUser, "42"}, "/", "42", "42"},
		{Room{KindUser, someID}, "/", "\x00" + someID, someID},
		{Room{KindUser, "\x00a"}, "/", "\x00\x00a", "\x00a"},
		{Room{KindLobby, "42"}, "/", "42", "\x0042"},
		{Room{KindLobby, someID}, "/", "\x00" + someID, "\x00" + someID},
		{Room{KindRoom, "a#b"}, "/chat", "a#b", "a#b"},
		{Room{KindRoom, "user:42"}, "/chat", "\x00user:42", "\x00user:42"},
		{Room{KindRoom, someID}, "/chat", "\x00" + someID, "\x00" + someID},
		{Room{KindRoom, "\x00user:42"}, "/chat", "\x00\x00user:42", "\x00\x00user:42"},
		{Room{KindAccount, "42"}, "/chat", "user:42", "user:42"},
		{Room{KindAccount, "\x00"}, "/chat", "user:\x00", "user:\x00"},
		{Room{KindTopic, "tap"}, "", "tap", "tap"},
		{NamespaceRoom("/x", "r\x00s"), "/x", "r\x00s", "r\x00s"},
		{NamespaceRoom("/chat", "user:42"), "/chat", "user:42", "user:42"},
		{SocketRoom("/", someID), "/", someID, someID},
		{Room{KindRoom, "/chat#" + someID}, "/chat", "\x00/chat#" + someID, "\x00/chat#" + someID},
		{SocketRoom("/chat", "/chat#"+someID), "/chat", "/chat#" + someID, "/chat#" + someID},
	} {
		for names, want := range map[Names]string{open: tc.name, closed: tc.whereShut} {
			namespace, name := names.Of(tc.room)
			if namespace != tc.namespace || name != want {
				t.Errorf("%+v.Of(%q) = %q, %q, want %q, %q", names, tc.room, namespace, name, tc.namespace, want)
			}
			back, ok := names.Room(namespace, name, tc.room.Kind.Letter())
			if !ok || back != tc.room {
				t.Errorf("%+v.Room(%q, %q) = %q, %v, want %q", names, namespace, name, back, ok, tc.room)
			}
		}
	}
	if r, ok := open.Room("/chat", "42", 'a'); ok {
		t.Errorf("the name of an account without user: is taken for %v", r)
	}
}

// What a server without kinds has for an account or a socket reaches nothing that clients may choose the name of, and what
// clients choose has no such name there.
func TestForeignNames(t *testing.T) {
	ids := func(namespace, name string) []Room { return []Room{NamespaceRoom(namespace, name)} }
	for _, tc := range []struct {
		names           Names
		namespace, name string
		want            []Room
	}{
		{Names{}, "/chat", "user:42", []Room{{KindAccount, "42"}}},
		{Names{}, "/chat", "tea", append([]Room{{KindRoom, "tea"}}, ids("/chat", "tea")...)},
		{Names{}, "/chat", someID, ids("/chat", someID)},
		{Names{}, "/chat", "/chat#" + someID, []Room{SocketRoom("/chat", "/chat#"+someID)}}, // of Engine.IO 3
		{Names{}, "/", "42", append([]Room{{KindUser, "42"}, {KindLobby, "42"}}, ids("/", "42")...)},
		{Names{}, "/", someID, ids("/", someID)},
		{Names{Verified: true}, "/", "42", append([]Room{{KindUser, "42"}}, ids("/", "42")...)},
		{Names{Verified: true}, "/", someID, append([]Room{{KindUser, someID}}, ids("/", someID)...)},
		{Names{}, "/x", "y", ids("/x", "y")},
	} {
		got := tc.names.AppendForeign(nil, tc.namespace, tc.name)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %q of %s is taken for %q, want %q", tc.names, tc.name, tc.namespace, got, tc.want)
		}
		for _, r := range got {
			if namespace, name := tc.names.Of(r); namespace != tc.namespace || name != tc.name {
				t.Errorf("%+v: %q of %s is taken for %q, which goes out as %q of %s", tc.names, tc.name, tc.namespace, r, name, namespace)
			}
		}
	}
}

func TestNamesThatClientsMayJoin(t *testing.T) {
	for name, want := range map[string]bool{"tea": true, "user": true, "User:42": true, "user:42": false, "user:": false} {
		if got := MayJoin(name); got != want {
			t.Errorf("MayJoin(%q) = %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]Room{"tea": {KindRoom, "tea"}, "user:42": {KindAccount, "42"}} {
		if got := RoomNamed("/chat", name); got != want {
			t.Errorf("RoomNamed(/chat, %q) = %v, want %v", name, got, want)
		}
	}
}
