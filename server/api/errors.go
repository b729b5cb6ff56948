package api

import (
	"fmt"
	"net/http"
)

// Code names a fault for programs. Codes do not change; messages may.
type Code string

// The codes, each with one HTTP status.
const (
	CodeDisabled         Code = "api_disabled"
	CodeUnauthorized     Code = "unauthorized"
	CodeNotFound         Code = "not_found"
	CodeMethodNotAllowed Code = "method_not_allowed"
	CodeInvalidJSON      Code = "invalid_json"
	CodeUnknownField     Code = "unknown_field"
	CodeInvalidRequest   Code = "invalid_request"
	CodeInvalidChannel   Code = "invalid_channel"
	CodeTooLarge         Code = "too_large"
	CodeTimeout          Code = "timeout"
	CodeKeyReused        Code = "idempotency_key_reused"
	CodeInternal         Code = "internal"
)

// Fault describes a code, for documentation.
type Fault struct {
	Code    Code
	Status  int
	Meaning string
}

// Faults returns every code with its status and meaning, in a fixed order.
func Faults() []Fault {
	return []Fault{
		{CodeDisabled, http.StatusForbidden, "the server runs without API_KEY, so nobody may call the API"},
		{CodeUnauthorized, http.StatusUnauthorized, "the key is missing or wrong"},
		{CodeNotFound, http.StatusNotFound, "there is no such path"},
		{CodeMethodNotAllowed, http.StatusMethodNotAllowed, "the path takes other methods, which the header Allow names"},
		{CodeInvalidJSON, http.StatusBadRequest, "the body is not one JSON object in UTF-8"},
		{CodeUnknownField, http.StatusBadRequest, "the body or the query has a member that the call does not know"},
		{CodeInvalidRequest, http.StatusBadRequest, "a member is missing, there twice, or of a wrong type or value"},
		{CodeInvalidChannel, http.StatusBadRequest, "there is no such channel"},
		{CodeTooLarge, http.StatusRequestEntityTooLarge, "the body is larger than MAX_PAYLOAD_BYTES"},
		{CodeTimeout, http.StatusRequestTimeout, "the body did not arrive within BODY_READ_TIMEOUT"},
		{CodeKeyReused, http.StatusUnprocessableEntity, "the idempotency key was used for another call within five minutes"},
		{CodeInternal, http.StatusInternalServerError, "a fault of the server; its log has the request id"},
	}
}

// statuses is Faults for look-ups.
var statuses = func() map[Code]int {
	m := make(map[Code]int)
	for _, f := range Faults() {
		m[f.Code] = f.Status
	}
	return m
}()

// fault is an answer other than success. As an error its text is for the caller.
type fault struct {
	code    Code
	message string
}

func (f *fault) Error() string { return f.message }

func faultf(code Code, format string, args ...any) *fault {
	return &fault{code, fmt.Sprintf(format, args...)}
}
