package rooms

const (
	MaxPageBytes = maxPageBytes
	RewritePause = rewritePause
)

var NoticeKey = noticeKey
